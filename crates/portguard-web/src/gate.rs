//! What every request and every answer goes through: does a write come from our own page, is it
//! JSON, and what browsers are told to refuse.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{
            CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
            REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
            X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{face::Shared, problem::Refusal};

/// What a page of ours may do: nothing inline, nothing from elsewhere, no HTML made of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// What every answer says.
const ALWAYS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), usb=()",
    ),
];

/// Lets a request through, or refuses it.
pub(crate) async fn pass(State(face): State<Shared>, request: Request, next: Next) -> Response {
    let is_named_here = host(request.headers(), request.uri()).is_some_and(is_local_name);
    let mut response = match refusal(request.method(), request.headers(), request.uri()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is not said to be kept is nobody's but the reader's.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // For `localhost` it would hold for every other server on that machine.
    if face.is_secure && !is_named_here {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Returns why a request is not even looked at.
fn refusal(method: &Method, headers: &HeaderMap, uri: &Uri) -> Option<Refusal> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    if !is_from_our_page(headers, host(headers, uri)) {
        let refusal = Refusal::forbidden("the request comes from a page of another site");
        return Some(refusal.hint("only pages of this address may give orders here"));
    }
    if !is_json_or_nothing(headers) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Some(Refusal::new(status, "a body has to be `content-type: application/json`"));
    }
    None
}

/// Returns whether a write comes from a page of ours, or from no page at all. Browsers say where a
/// write comes from (`Origin`, `Sec-Fetch-Site`); other programs do not, and have no cookies that
/// somebody else could use.
fn is_from_our_page(headers: &HeaderMap, host: Option<&str>) -> bool {
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    // The scheme may differ: a tunnel ends TLS before us.
    authority.is_some_and(|authority| host.is_some_and(|host| authority.eq_ignore_ascii_case(host)))
}

/// Returns whether the body is JSON, or there is none. A form of another site is neither.
fn is_json_or_nothing(headers: &HeaderMap) -> bool {
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        return is_json(kind);
    }
    let length = headers.get(CONTENT_LENGTH);
    length.is_none_or(|length| length == "0") && !headers.contains_key(TRANSFER_ENCODING)
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Returns under which name we were asked: HTTP/2 has it in the request's own line.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let named = uri.authority().map(axum::http::uri::Authority::as_str);
    named.or_else(|| headers.get(HOST)?.to_str().ok())
}

fn is_local_name(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, lines: &[(&'static str, &'static str)], expect: Option<u16>) {
        let headers = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers: HeaderMap = headers.collect();
        let refused = refusal(method, &headers, &Uri::from_static("/auth/login"));
        let status = refused.map(|refusal| refusal.into_response().status().as_u16());
        assert_eq!(status, expect, "{method} {lines:?}");
    }

    #[test]
    fn writes_of_other_sites_are_refused() {
        const HERE: (&str, &str) = ("host", "guard.example:6060");
        const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
        let post = &Method::POST;
        check(post, &[HERE, JSON], None);
        check(post, &[HERE, JSON, ("origin", "http://guard.example:6060")], None);
        check(post, &[HERE, JSON, ("origin", "https://GUARD.example:6060")], None);
        check(post, &[HERE, JSON, ("origin", "http://guard.example")], Some(403));
        check(post, &[HERE, JSON, ("origin", "http://evil.example")], Some(403));
        check(post, &[HERE, JSON, ("origin", "null")], Some(403));
        check(post, &[HERE, JSON, ("sec-fetch-site", "same-origin")], None);
        check(post, &[HERE, JSON, ("sec-fetch-site", "cross-site")], Some(403));
        check(post, &[HERE, JSON, ("sec-fetch-site", "same-site")], Some(403));
        check(post, &[JSON, ("origin", "http://guard.example")], Some(403));
        check(&Method::DELETE, &[HERE, ("origin", "http://evil.example")], Some(403));
        check(&Method::GET, &[HERE, ("origin", "http://evil.example")], None);
    }

    #[test]
    fn bodies_are_json() {
        let post = &Method::POST;
        check(post, &[("content-length", "0")], None);
        check(post, &[], None);
        check(post, &[("content-length", "3")], Some(415));
        check(post, &[("transfer-encoding", "chunked")], Some(415));
        check(post, &[("content-type", "text/plain")], Some(415));
        check(post, &[("content-type", "application/x-www-form-urlencoded")], Some(415));
        check(post, &[("content-type", "application/jsonp")], Some(415));
        check(post, &[("content-type", "APPLICATION/JSON")], None);
    }
}
