//! Whether a control file counts: signed by whom, when, and newer than the last one.

use std::{fmt::Write as _, time::Duration};

use portguard_core::{Span, Timestamp};

use crate::key::PublicKey;

use super::{
    Reading, Serial, Signature, SignatureError, Stamp, StampError, read, signature::Signed, split,
    stamp_of,
};

/// How far a file may be ahead of this host's clock: what clocks differ by that are set at all.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// A file as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The file itself.
    pub file: Vec<u8>,
    /// What lies beside it as a signature.
    pub signatures: Vec<Vec<u8>>,
}

/// What a file has to fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whose signatures count.
    pub keys: Vec<PublicKey>,
    /// Whose do not count any more, listed or not.
    pub revoked: Vec<PublicKey>,
    /// Whether a file without a signature counts.
    pub unsigned: bool,
    /// How old a signed one may be.
    pub max_age: Span,
}

/// What is remembered of the file that counted last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The largest serial of a signed file.
    pub serial: Option<Serial>,
    /// The digest of the last file's text.
    pub digest: String,
}

/// A file that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Who signed it; `None` if nobody did and nobody has to.
    pub signer: Option<PublicKey>,
    /// Its stamp; that of an unsigned file proves nothing, and is left out.
    pub stamp: Option<Stamp>,
    /// What it says.
    pub reading: Reading,
    /// The digest of its text.
    pub digest: String,
    /// Whether it is the one that counted last.
    pub is_known: bool,
    /// Whether it has become too old since it counted: nothing of it is tried again.
    pub is_stale: bool,
}

/// Why a file does not count. All of it is rejected, and what was ordered before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is a page for browsers, such as that of a captive portal.
    #[error("it is a page for browsers (HTML), not a control file")]
    Page,
    /// It is not signed.
    #[error("it is not signed")]
    Unsigned,
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It has no stamp.
    #[error("it has no serial and no time, which `portguard remote sign` writes into it")]
    NoStamp,
    /// Its stamp can not be read.
    #[error(transparent)]
    Stamp(#[from] StampError),
    /// It is too old.
    #[error("it was signed {age} ago, more than remote.max_age ({most}) by this host's clock")]
    Old {
        /// How old it is.
        age: Span,
        /// How old it may be.
        most: Span,
    },
    /// It comes from the future.
    #[error("it was signed {0} in the future by this host's clock")]
    Future(Span),
    /// An older file was served again.
    #[error("its serial {serial} is not above {last}, that of the last file: an old one again?")]
    Replayed {
        /// Its serial.
        serial: Serial,
        /// The one that it had to be above.
        last: Serial,
    },
    /// Two files have one serial.
    #[error("its serial {0} is that of the last file, which says something else")]
    Twin(Serial),
}

/// Returns the digest by which texts are told apart: SHA-256 in hexadecimal.
pub fn digest(text: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Returns what a file says, if it counts at `now`.
///
/// # Errors
/// Why it does not.
pub fn judge(
    received: &Received,
    rules: &Rules,
    last: Option<&Mark>,
    now: Timestamp,
) -> Result<Judged, Rejection> {
    if is_page(&received.file) {
        return Err(Rejection::Page);
    }
    let (text, inside) = split(&received.file);
    let signed = signed(text, inside, received, rules)?;
    let digest = digest(text);
    let is_known = last.is_some_and(|last| last.digest == digest);
    let mut judged = Judged {
        signer: None,
        stamp: None,
        reading: read(text),
        digest,
        is_known,
        is_stale: false,
    };
    let Some(Signed { key, stamp }) = signed else { return Ok(judged) };
    let stamp = stamp_of(text)?.or(stamp).ok_or(Rejection::NoStamp)?;
    let in_time = check_time(stamp.time, rules.max_age, now);
    if is_known {
        judged.is_stale = in_time.is_err();
    } else {
        in_time?;
        check_serial(stamp.serial, last)?;
    }
    Ok(Judged { signer: Some(key), stamp: Some(stamp), ..judged })
}

/// Returns whether this is a page for browsers: nothing in it is a line.
fn is_page(file: &[u8]) -> bool {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    text.trim_ascii_start().first() == Some(&b'<')
}

/// Returns who signed a text; nobody, if nobody has to.
fn signed(
    text: &[u8],
    inside: Option<&[u8]>,
    received: &Received,
    rules: &Rules,
) -> Result<Option<Signed>, Rejection> {
    let beside = received.signatures.iter().map(Vec::as_slice);
    let mut failure = None;
    for bytes in inside.into_iter().chain(beside) {
        let check = |signature: Signature| signature.check(text, &rules.keys, &rules.revoked);
        match Signature::read(bytes).and_then(check) {
            Ok(signed) => return Ok(Some(signed)),
            // The first one's failure is told: the file's own, or that of the likelier kind.
            Err(error) => drop(failure.get_or_insert(error)),
        }
    }
    match failure {
        // Without keys there is nothing that a signature could be checked with.
        Some(_) if rules.unsigned && rules.keys.is_empty() && rules.revoked.is_empty() => Ok(None),
        Some(error) => Err(error.into()),
        None if rules.unsigned => Ok(None),
        None => Err(Rejection::Unsigned),
    }
}

fn check_time(time: Timestamp, most: Span, now: Timestamp) -> Result<(), Rejection> {
    let (age, ahead) = (now.since(time), time.since(now));
    if ahead > AHEAD {
        return Err(Rejection::Future(whole(ahead)));
    }
    match most {
        Span::For(length) if age > length => Err(Rejection::Old { age: whole(age), most }),
        _ => Ok(()),
    }
}

fn whole(length: Duration) -> Span {
    Span::For(Duration::from_secs(length.as_secs()))
}

fn check_serial(serial: Serial, last: Option<&Mark>) -> Result<(), Rejection> {
    match last.and_then(|last| last.serial) {
        Some(last) if serial == last => Err(Rejection::Twin(serial)),
        Some(last) if serial < last => Err(Rejection::Replayed { serial, last }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
