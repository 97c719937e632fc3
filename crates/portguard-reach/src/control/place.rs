//! Where a control file lies: `https:`, `http:` or `file:`.

use std::{
    ffi::OsString,
    fmt,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use ureq::http::Uri;

use super::Kind;

/// Longest address, in bytes.
const LONGEST: usize = 2_048;

/// Where a control file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a server.
    Web(Uri),
    /// On this host.
    File(PathBuf),
}

/// Why a text is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is no address.
    #[error("is no address; write it like https://files.example.net/ports.txt")]
    Form,
    /// It is one of another kind.
    #[error("begins with `{0}:`; what is fetched are https, http and file")]
    Scheme(String),
    /// A file on another host.
    #[error("must name a file of this host: write it like file:///srv/ports.txt")]
    File,
}

impl Place {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none that is fetched from.
    pub fn read(text: &str) -> Result<Self, PlaceError> {
        let (scheme, rest) = text.split_once(':').ok_or(PlaceError::Form)?;
        if text.len() > LONGEST || text.contains(|c: char| c.is_control() || c == ' ') {
            return Err(PlaceError::Form);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" => {
                let address = text.split('#').next().unwrap_or_default();
                let uri: Uri = address.parse().map_err(|_| PlaceError::Form)?;
                let has_host = uri.host().is_some_and(|host| !host.is_empty());
                if has_host { Ok(Self::Web(uri)) } else { Err(PlaceError::Form) }
            }
            "file" => file(rest).map(Self::File),
            _ => Err(PlaceError::Scheme(crate::plain::plain(scheme))),
        }
    }

    /// Returns where a signature of this kind lies beside the file.
    #[must_use]
    pub fn of_signature(&self, kind: Kind) -> Self {
        match self {
            Self::File(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(kind.suffix());
                Self::File(name.into())
            }
            Self::Web(uri) => {
                let mut parts = uri.clone().into_parts();
                let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                let path = format!("{}{}{query}", uri.path(), kind.suffix());
                parts.path_and_query = path.parse().ok();
                Self::Web(Uri::from_parts(parts).unwrap_or_else(|_| uri.clone()))
            }
        }
    }

    /// Returns whether nobody on the way can read or change what is fetched.
    pub fn is_safe(&self) -> bool {
        match self {
            Self::Web(uri) => uri.scheme_str() == Some("https"),
            Self::File(_) => true,
        }
    }
}

/// Returns the path of a `file:` address (RFC 8089): without a host, or with `localhost`.
fn file(rest: &str) -> Result<PathBuf, PlaceError> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    let bytes = unescaped(path.as_bytes()).ok_or(PlaceError::Form)?;
    let path = PathBuf::from(OsString::from_vec(bytes));
    let is_file = path.is_absolute() && path != Path::new("/");
    if is_file { Ok(path) } else { Err(PlaceError::File) }
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next()?, rest.next()?];
                u8::from_str_radix(str::from_utf8(&hex).ok()?, 16).ok().filter(|byte| *byte != 0)?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

/// The address without a password in it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Web(uri) => {
                let authority = uri.authority().map_or("", |authority| authority.as_str());
                let host = authority.rsplit('@').next().unwrap_or_default();
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                write!(f, "{}://{host}{path}", uri.scheme_str().unwrap_or("http"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_has_signatures_beside_it() {
        for (text, shown, signature) in [
            (
                "https://files.example.net/ports.txt",
                "https://files.example.net/ports.txt",
                "https://files.example.net/ports.txt.sig",
            ),
            (
                "HTTP://me:secret@[2001:db8::1]:8080/a?dl=1#top",
                "http://[2001:db8::1]:8080/a?dl=1",
                "http://[2001:db8::1]:8080/a.sig?dl=1",
            ),
            ("file:///srv/a%20b.txt", "file:///srv/a b.txt", "file:///srv/a b.txt.sig"),
            ("file:/srv/ports", "file:///srv/ports", "file:///srv/ports.sig"),
            ("file://localhost/srv/ports", "file:///srv/ports", "file:///srv/ports.sig"),
        ] {
            let place = Place::read(text).unwrap();
            assert_eq!(place.to_string(), shown);
            assert_eq!(place.of_signature(Kind::OpenSsh).to_string(), signature);
        }
        assert!(Place::read("https://a/").unwrap().is_safe());
        assert!(!Place::read("http://a/").unwrap().is_safe());
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (text, expected) in [
            ("ports.txt", PlaceError::Form),
            ("https://", PlaceError::Form),
            ("https:///ports", PlaceError::Form),
            ("https://a b/", PlaceError::Form),
            ("ftp://a/b", PlaceError::Scheme("ftp".to_owned())),
            ("file:ports", PlaceError::File),
            ("file://host/ports", PlaceError::File),
            ("file:///", PlaceError::File),
            ("file:///a%00b", PlaceError::Form),
            ("file:///a%2", PlaceError::Form),
        ] {
            assert_eq!(Place::read(text), Err(expected), "{text}");
        }
    }
}
