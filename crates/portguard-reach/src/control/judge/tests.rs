//! Files that count and files that do not.

use std::fmt::Write as _;

use super::*;
use crate::control::signature::tests::{ED25519, MINISIGN, TEXT, keys};

/// A minute after the vectors were signed.
const NOW: Timestamp = Timestamp::from_secs(1_795_892_460);
const DAY: Duration = Duration::from_secs(86_400);

fn rules() -> Rules {
    Rules { keys: keys(), revoked: Vec::new(), unsigned: false, max_age: Span::For(DAY) }
}

fn unsigned() -> Rules {
    Rules { keys: Vec::new(), unsigned: true, ..rules() }
}

fn beside(signature: &[u8]) -> Received {
    Received { file: TEXT.to_vec(), signatures: vec![signature.to_vec()] }
}

fn bare(text: &[u8]) -> Received {
    Received { file: text.to_vec(), signatures: Vec::new() }
}

fn why(received: &Received, rules: &Rules, last: Option<&Mark>, now: Timestamp) -> String {
    match judge(received, rules, last, now) {
        Ok(judged) => {
            let mut text = format!("{} orders", judged.reading.orders.len());
            for (is, word) in [(judged.is_known, ", known"), (judged.is_stale, ", stale")] {
                if is {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{word}");
                }
            }
            text
        }
        Err(rejection) => rejection.to_string(),
    }
}

fn mark(serial: u32, text: &[u8]) -> Mark {
    Mark { serial: Serial::new(serial), digest: digest(text) }
}

#[test]
fn a_signed_file_counts_beside_and_within_its_signature() {
    for signature in [ED25519, MINISIGN] {
        let inside = bare(&[TEXT, signature].concat());
        for received in [beside(signature), inside] {
            let judged = judge(&received, &rules(), None, NOW).unwrap();
            let serial = judged.stamp.map(|stamp| stamp.serial.get());
            // The text's own stamp goes before that of minisign's comment.
            assert_eq!((serial, judged.reading.orders.len()), (Some(12), 2));
            assert_eq!(judged.digest, digest(TEXT));
        }
    }
    // Of two signatures one is enough.
    let both = Received { signatures: vec![b"<html>".to_vec(), MINISIGN.to_vec()], ..bare(TEXT) };
    assert_eq!(why(&both, &rules(), None, NOW), "2 orders");
}

#[test]
fn what_is_not_signed_does_not_count() {
    let signed = beside(ED25519);
    for (received, rules, expected) in [
        (bare(TEXT), rules(), "it is not signed"),
        (bare(TEXT), unsigned(), "2 orders"),
        (signed.clone(), unsigned(), "2 orders"),
        (
            Received { file: b"open vpn".to_vec(), ..signed.clone() },
            Rules { unsigned: true, ..rules() },
            "its signature by ed25519 vector does not fit its text",
        ),
        (
            signed.clone(),
            Rules { revoked: keys(), ..rules() },
            "it is signed with ed25519 vector, which is revoked",
        ),
        (
            bare(b"\xef\xbb\xbf \r\n<!DOCTYPE html>"),
            rules(),
            "it is a page for browsers (HTML), not a control file",
        ),
        (bare(b"<html>"), unsigned(), "it is a page for browsers (HTML), not a control file"),
        (bare(b""), unsigned(), "0 orders"),
    ] {
        assert_eq!(why(&received, &rules, None, NOW), expected);
    }
}

#[test]
fn a_file_from_another_time_does_not_count() {
    let received = beside(ED25519);
    let signed = Timestamp::from_secs(1_795_892_400);
    let before = |span| Timestamp::from_millis(signed.as_millis() - millis(span));
    for (now, expected) in [
        (signed.plus(DAY), "2 orders"),
        (
            signed.plus(DAY + Duration::from_secs(1)),
            "it was signed 1d1s ago, more than remote.max_age (1d) by this host's clock",
        ),
        (before(AHEAD), "2 orders"),
        (before(DAY), "it was signed 1d in the future by this host's clock"),
    ] {
        assert_eq!(why(&received, &rules(), None, now), expected);
    }
    let forever = Rules { max_age: Span::Forever, ..rules() };
    assert_eq!(why(&received, &forever, None, signed.plus(DAY * 365)), "2 orders");
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

#[test]
fn a_file_counts_once() {
    let received = beside(ED25519);
    let later = NOW.plus(DAY * 2);
    for (last, now, expected) in [
        (mark(11, b"older"), NOW, "2 orders"),
        (mark(12, TEXT), NOW, "2 orders, known"),
        (mark(12, TEXT), later, "2 orders, known, stale"),
        (
            mark(12, b"another"),
            NOW,
            "its serial 12 is that of the last file, which says something else",
        ),
        (
            mark(13, b"newer"),
            NOW,
            "its serial 12 is not above 13, that of the last file: an old one again?",
        ),
    ] {
        assert_eq!(why(&received, &rules(), Some(&last), now), expected);
    }
    // A file without a signature is new if it is another one; its own stamp proves nothing.
    assert_eq!(why(&bare(TEXT), &unsigned(), Some(&mark(13, b"x")), NOW), "2 orders");
    assert_eq!(why(&bare(TEXT), &unsigned(), Some(&mark(13, TEXT)), NOW), "2 orders, known");
}
