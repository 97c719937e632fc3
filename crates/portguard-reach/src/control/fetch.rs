//! Brings a control file with its signatures: bounded in size and time, and only if it changed.
//!
//! It blocks, for a minute and a half at the very most, on whatever thread calls it; a name that
//! the system's resolver takes longer for is given up. Everything that it needs lives as long as
//! one call, the authorities of the system included, so that a daemon that waits for hours keeps
//! nothing of it.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use rustix::fs::OFlags;
use ureq::{
    Agent, Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
    tls::{RootCerts, TlsConfig},
};

use crate::plain::plain;

use super::{Kind, Place, Received, split};

/// Largest file, in bytes: a thousand lines with comments.
pub const LARGEST_FILE: u64 = 64 << 10;

/// How long a connection may take, the name's address aside.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long one answer may take in all, redirects included.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How old a version has to be until no other can have its validators: times are whole seconds, and
/// many servers make an `ETag` of time and size (RFC 9110, section 8.8.2.2).
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// How often an answer may point elsewhere.
const MOST_REDIRECTS: usize = 5;

/// Longest validator that is kept, in bytes.
const LONGEST_VALIDATOR: usize = 256;

/// What tells the server which version is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// What became of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is what it was.
    Unchanged,
    /// It came.
    New {
        /// The file and its signatures.
        received: Received,
        /// What to ask with the next time, if the file is taken.
        validators: Validators,
    },
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server has another answer.
    #[error("the server answers {0}")]
    Status(u16),
    /// It is too large.
    #[error("it is larger than {limit} KiB", limit = LARGEST_FILE / 1024)]
    Large,
    /// It takes too long.
    #[error("it did not come within {limit} s ({0})", limit = ANSWER_WITHIN.as_secs())]
    Slow(ureq::Timeout),
    /// The server points to something that is not fetched.
    #[error("the server points to `{0}`, which is not fetched")]
    Elsewhere(String),
    /// The server points from a safe place to an unsafe one.
    #[error("the server points from https to `{0}`")]
    Unsafe(String),
    /// The server points elsewhere again and again.
    #[error("the server pointed elsewhere more than {MOST_REDIRECTS} times")]
    Redirects,
    /// The connection or the protocol failed.
    #[error("it can not be fetched")]
    Web(#[source] Box<ureq::Error>),
    /// The file can not be read.
    #[error("it can not be read")]
    File(#[source] io::Error),
    /// It is a folder, a device or a pipe.
    #[error("it is no regular file")]
    Irregular,
}

/// Brings a control file, and the signatures beside it if it has none inside.
///
/// # Errors
/// When it does not come whole and in time.
pub fn fetch(place: &Place, known: &Validators, kinds: &[Kind]) -> Result<Fetched, FetchError> {
    let (file, validators) = match place {
        Place::File(path) => (read(path)?, Validators::default()),
        Place::Web(uri) => match answer(uri, known)? {
            Some(answer) => answer,
            None => return Ok(Fetched::Unchanged),
        },
    };
    let mut signatures = Vec::new();
    if split(&file).1.is_none() {
        for kind in kinds {
            signatures.extend(beside(&place.of_signature(*kind))?);
        }
    }
    Ok(Fetched::New { received: Received { file, signatures }, validators })
}

/// Brings what lies beside the file; that nothing does is no failure.
fn beside(place: &Place) -> Result<Option<Vec<u8>>, FetchError> {
    let found = match place {
        Place::File(path) => read(path),
        Place::Web(uri) => answer(uri, &Validators::default())
            .map(|answer| answer.map(|(file, _)| file).unwrap_or_default()),
    };
    match found {
        Ok(signature) => Ok(Some(signature)),
        // Some servers say `403` of what is not there.
        Err(FetchError::Status(400..=499)) => Ok(None),
        Err(FetchError::File(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    // A pipe is opened without a writer, so that nothing here waits for one.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(FetchError::File)?;
    if !file.metadata().map_err(FetchError::File)?.is_file() {
        return Err(FetchError::Irregular);
    }
    bounded(file)
}

fn bounded(file: File) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(FetchError::File)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST_FILE);
    if fits { Ok(bytes) } else { Err(FetchError::Large) }
}

/// Returns a client for one answer. It follows no server elsewhere by itself.
fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_WITHIN))
        .user_agent(concat!("portguard/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// Returns the body of an answer with its validators; `None` if nothing changed.
fn answer(uri: &Uri, known: &Validators) -> Result<Option<(Vec<u8>, Validators)>, FetchError> {
    let (agent, deadline) = (agent(), Instant::now() + ANSWER_WITHIN);
    let mut uri = uri.clone();
    for _ in 0..=MOST_REDIRECTS {
        let mut answer = ask(&agent, &uri, known, deadline)?;
        match answer.status() {
            StatusCode::OK => {
                let validators = validators(answer.headers());
                let body = answer.body_mut().with_config().limit(LARGEST_FILE).read_to_vec();
                return Ok(Some((body.map_err(failed)?, validators)));
            }
            StatusCode::NOT_MODIFIED if *known != Validators::default() => return Ok(None),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = answer.headers().get(header::LOCATION);
                let location = location.map(HeaderValue::as_bytes).unwrap_or_default();
                uri = redirected(&uri, &String::from_utf8_lossy(location))?;
            }
            status => return Err(FetchError::Status(status.as_u16())),
        }
    }
    Err(FetchError::Redirects)
}

fn ask(
    agent: &Agent,
    uri: &Uri,
    known: &Validators,
    deadline: Instant,
) -> Result<Response<Body>, FetchError> {
    let mut request = agent.get(uri).header(header::ACCEPT, "text/plain, */*");
    if let Some(etag) = &known.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(modified) = &known.modified {
        request = request.header(header::IF_MODIFIED_SINCE, modified);
    }
    // All answers on the way share the time of one.
    let left = deadline.saturating_duration_since(Instant::now());
    let request = request.config().timeout_global(Some(left)).build();
    request.call().map_err(failed)
}

/// Returns where a server points (RFC 3986, section 5.2, without dot segments, which the next server
/// resolves). From https nothing leads to http, and from the web nothing leads to a file.
fn redirected(from: &Uri, location: &str) -> Result<Uri, FetchError> {
    let elsewhere = || FetchError::Elsewhere(plain(location));
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let path = from.path();
    let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let named = location.split_once(':').filter(|(scheme, _)| scheme.chars().all(is_of_scheme));
    let whole = match (named, location) {
        (_, "") => return Err(elsewhere()),
        (Some((_, rest)), _) if rest.starts_with("//") => location.to_owned(),
        (Some(_), _) => return Err(elsewhere()),
        (None, rest) if rest.starts_with("//") => format!("{scheme}:{rest}"),
        (None, rest) if rest.starts_with('/') => format!("{scheme}://{authority}{rest}"),
        (None, rest) if rest.starts_with('?') => format!("{scheme}://{authority}{path}{rest}"),
        (None, rest) => format!("{scheme}://{authority}{folder}{rest}"),
    };
    match Place::read(&whole) {
        Ok(place @ Place::Web(_)) if scheme == "https" && !place.is_safe() => {
            Err(FetchError::Unsafe(plain(location)))
        }
        Ok(Place::Web(uri)) => Ok(uri),
        Ok(Place::File(_)) | Err(_) => Err(elsewhere()),
    }
}

/// Returns what tells the version of an answer; nothing for one that is so young that the next may
/// look the same.
fn validators(headers: &HeaderMap) -> Validators {
    let value = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.filter(|value| value.len() <= LONGEST_VALIDATOR).cloned()
    };
    if is_fresh(headers) {
        return Validators::default();
    }
    Validators { etag: value(header::ETAG), modified: value(header::LAST_MODIFIED) }
}

/// Returns whether the file was changed just before it was sent, by the server's own clock.
fn is_fresh(headers: &HeaderMap) -> bool {
    let time = |name| -> Option<Timestamp> {
        DateTimeParser::new().parse_timestamp(headers.get(name)?.as_bytes()).ok()
    };
    let times = time(header::LAST_MODIFIED).zip(time(header::DATE));
    times.is_some_and(|(modified, sent)| sent.duration_since(modified) < SETTLED_AFTER)
}

fn failed(error: ureq::Error) -> FetchError {
    match error {
        ureq::Error::BodyExceedsLimit(_) => FetchError::Large,
        ureq::Error::Timeout(which) => FetchError::Slow(which),
        error => FetchError::Web(Box::new(error)),
    }
}

#[cfg(test)]
mod tests;
