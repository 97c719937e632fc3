//! The built interface: a table that is part of the program, answered from memory.

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            VARY,
        },
    },
    response::{IntoResponse as _, Response},
};

use crate::problem::Refusal;

/// A file of the interface.
struct Asset {
    path: &'static str,
    bytes: &'static [u8],
    /// The same, compressed.
    brotli: Option<&'static [u8]>,
    /// Its entity tag (RFC 9110 section 8.8.3), quotes included; weak, since it is the same for the
    /// compressed form.
    tag: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/table.rs"));

const PAGE: &str = "index.html";

/// Where files lie whose names change with their content.
const HASHED: &str = "assets/";

/// What is shown where the interface was not built in.
const ABSENT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <title>Portguard</title>\n<h1>Portguard</h1>\n\
    <p>This program was built without its web interface. In the folder of its sources:</p>\n\
    <pre>cargo xtask web\ncargo build --release -p portguard</pre>\n\
    <p>and start <code>portguard web</code> from there. Its API answers all the same: \
    <a href=\"/api/openapi.json\">description</a>.</p>\n</html>\n";

/// Answers for a path of the interface; a path without a dot, which no file has, is one of its pages.
pub(crate) fn serve(path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    let found = find(TABLE, if name.is_empty() { PAGE } else { name });
    let is_page = !name.contains('.') && !name.starts_with(HASHED);
    match found.or_else(|| is_page.then(|| find(TABLE, PAGE)).flatten()) {
        Some(asset) => answer(asset, headers),
        None if is_page => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            let fresh = HeaderValue::from_static("no-cache");
            ([(CONTENT_TYPE, html), (CACHE_CONTROL, fresh)], ABSENT).into_response()
        }
        None => Refusal::not_found("there is no such file").into_response(),
    }
}

fn find(table: &'static [Asset], name: &str) -> Option<&'static Asset> {
    table.iter().find(|asset| asset.path == name)
}

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let brotli = asset.brotli.filter(|_| takes_brotli(headers));
    let caching = if asset.path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|tags| has_tag(tags, asset.tag));
    let body = match (is_known, brotli) {
        (true, _) => Body::empty(),
        (false, brotli) => Bytes::from_static(brotli.unwrap_or(asset.bytes)).into(),
    };
    let mut response = Response::new(body);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let told = response.headers_mut();
    told.insert(CONTENT_TYPE, HeaderValue::from_static(kind(asset.path)));
    told.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    told.insert(ETAG, HeaderValue::from_static(asset.tag));
    told.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if brotli.is_some() && !is_known {
        told.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}

/// Returns whether the client takes brotli (RFC 9110 section 12.5.3); `br;q=0` says no.
fn takes_brotli(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("br") && weight != Some(0.0)
    })
}

fn has_tag(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',').any(|known| {
        let known = known.trim();
        known == "*" || known.trim_start_matches("W/") == tag.trim_start_matches("W/")
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHED_ASSET: Asset = Asset {
        path: "assets/a-1234.js",
        bytes: b"long",
        brotli: Some(b"br"),
        tag: "W/\"0123456789abcdef\"",
    };

    fn with(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn brotli_is_sent_to_those_who_take_it() {
        for (accepted, expected) in [
            ("gzip, br", true),
            ("br;q=0.5", true),
            ("BR", true),
            ("br;q=0", false),
            ("gzip, deflate", false),
            ("broken", false),
        ] {
            let response = answer(&HASHED_ASSET, &with(ACCEPT_ENCODING, accepted));
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), expected, "{accepted}");
        }
    }

    #[test]
    fn what_is_known_is_not_sent_again() {
        for (tags, expected) in [
            ("\"0123456789abcdef\"", StatusCode::NOT_MODIFIED),
            ("\"other\", W/\"0123456789abcdef\"", StatusCode::NOT_MODIFIED),
            ("\"other\"", StatusCode::OK),
        ] {
            let response = answer(&HASHED_ASSET, &with(IF_NONE_MATCH, tags));
            assert_eq!(response.status(), expected, "{tags}");
        }
    }

    #[test]
    fn only_names_that_change_with_their_content_are_kept_for_good() {
        let caching = |asset: &Asset| {
            answer(asset, &HeaderMap::new()).headers()[CACHE_CONTROL].to_str().unwrap().to_owned()
        };
        assert!(caching(&HASHED_ASSET).contains("immutable"));
        assert_eq!(caching(&Asset { path: PAGE, ..HASHED_ASSET }), "no-cache");
    }

    #[test]
    fn a_path_with_a_dot_gets_no_page_in_place_of_its_file() {
        let status = |path| serve(path, &HeaderMap::new()).status();
        assert_eq!(status("/assets/gone.js"), StatusCode::NOT_FOUND);
        assert_eq!(status("/assets/gone"), StatusCode::NOT_FOUND);
        assert_eq!(status("/../etc/passwd.txt"), StatusCode::NOT_FOUND);
        assert_eq!(status("/offenders"), StatusCode::OK);
        assert_eq!(status("/"), StatusCode::OK);
    }
}
