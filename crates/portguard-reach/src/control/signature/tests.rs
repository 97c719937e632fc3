//! Vectors that `ssh-keygen -Y sign` and `minisign -S` made, and ours with their keys.

use std::path::Path;

use super::*;

pub(in crate::control) const TEXT: &[u8] = include_bytes!("../vectors/text.txt");
pub(in crate::control) const ED25519: &[u8] = include_bytes!("../vectors/ed25519.sig");
const ECDSA: &[u8] = include_bytes!("../vectors/ecdsa.sig");
const RSA: &[u8] = include_bytes!("../vectors/rsa.sig");
const OF_ANOTHER_NAMESPACE: &[u8] = include_bytes!("../vectors/namespace.sig");
pub(in crate::control) const MINISIGN: &[u8] = include_bytes!("../vectors/text.minisig");
const LEGACY: &[u8] = include_bytes!("../vectors/legacy.minisig");

pub(in crate::control) fn keys() -> Vec<PublicKey> {
    let lines = [
        include_str!("../vectors/ed25519.pub"),
        include_str!("../vectors/ecdsa.pub"),
        include_str!("../vectors/rsa.pub"),
        include_str!("../vectors/minisign.pub"),
    ];
    lines.iter().map(|line| PublicKey::read(line).unwrap()).collect()
}

fn check(signature: &[u8], text: &[u8]) -> Result<Signed, SignatureError> {
    Signature::read(signature)?.check(text, &keys(), &[])
}

fn secret(name: &str) -> SecretKey {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/control/vectors"));
    let passphrase = |_: &Path| Ok("vector".to_owned().into());
    SecretKey::open(&folder.join(name), &mut { passphrase }).unwrap()
}

#[test]
fn signatures_of_the_real_programs_count() {
    for (signature, index) in [(ED25519, 0), (ECDSA, 1), (RSA, 2), (MINISIGN, 3), (LEGACY, 3)] {
        let signed = check(signature, TEXT).unwrap();
        assert_eq!(signed.key, keys()[index]);
        let bad = SignatureError::Bad(keys()[index].to_string());
        assert_eq!(check(signature, b"open ssh\n"), Err(bad.clone()));
        assert_eq!(check(signature, &[TEXT, b"\n"].concat()), Err(bad));
    }
    let stamp = check(MINISIGN, TEXT).unwrap().stamp.unwrap();
    assert_eq!(stamp.time, Timestamp::from_secs(1_795_892_400));
    assert_eq!(check(ED25519, TEXT).unwrap().stamp, None);
}

#[test]
fn a_key_that_is_not_listed_or_revoked_signs_nothing() {
    let all = keys();
    for (signature, key) in [(ED25519, &all[0]), (RSA, &all[2]), (MINISIGN, &all[3])] {
        let signature = Signature::read(signature).unwrap();
        let others: Vec<PublicKey> = all.iter().filter(|other| *other != key).cloned().collect();
        let unknown = SignatureError::Unknown(key.fingerprint());
        assert_eq!(signature.check(TEXT, &others, &[]), Err(unknown.clone()));
        assert_eq!(signature.check(TEXT, &[], &[]), Err(unknown));
        let revoked = SignatureError::Revoked(key.to_string());
        assert_eq!(signature.check(TEXT, &all, std::slice::from_ref(key)), Err(revoked.clone()));
        assert_eq!(signature.check(TEXT, &others, std::slice::from_ref(key)), Err(revoked));
    }
}

#[test]
fn a_signature_for_something_else_is_none() {
    let namespace = SignatureError::Namespace("file".to_owned());
    assert_eq!(check(OF_ANOTHER_NAMESPACE, TEXT), Err(namespace));
}

#[test]
fn a_signature_with_any_byte_changed_does_not_count() {
    for (signature, index) in [(ED25519, 0), (ECDSA, 1), (RSA, 2), (MINISIGN, 3)] {
        let comment = signature.iter().position(|byte| *byte == b'\n').unwrap();
        for place in comment..signature.len() {
            for bit in [1, 0x20] {
                let mut changed = signature.to_vec();
                changed[place] ^= bit;
                // What is not significant may change: space, and what base64 leaves open.
                if let Ok(signed) = check(&changed, TEXT) {
                    assert_eq!(signed.key, keys()[index]);
                    let is_open = |byte: u8| byte.is_ascii_whitespace() || byte == b'=';
                    let near = place.saturating_sub(1)..(place + 3).min(signature.len());
                    assert!(signature[near].iter().any(|byte| is_open(*byte)), "{place}");
                }
            }
        }
        for end in 0..signature.len() - 2 {
            assert!(check(&signature[..end], TEXT).is_err(), "{end}");
        }
    }
}

#[test]
fn a_short_global_signature_is_refused_before_the_library_sees_it() {
    let text = str::from_utf8(MINISIGN).unwrap();
    let global = text.lines().nth(3).unwrap();
    for short in ["", "QUJD", &global[..44], &global[..84]] {
        let changed = text.replace(global, short);
        assert_eq!(check(changed.as_bytes(), TEXT), Err(SignatureError::Form), "{short}");
    }
}

#[test]
fn a_signature_at_the_end_is_told_from_the_text() {
    for signature in [ED25519, RSA, MINISIGN] {
        let file = [TEXT, signature].concat();
        let (text, found) = split(&file);
        assert_eq!((text, found), (TEXT, Some(signature)));
    }
    assert_eq!(split(TEXT), (TEXT, None));
    // Whatever stands before the last one was signed with it, or not.
    let twice = [TEXT, ED25519, MINISIGN].concat();
    assert_eq!(split(&twice), (&*[TEXT, ED25519].concat(), Some(MINISIGN)));
    assert!(check(MINISIGN, split(&twice).0).is_err());
}

#[test]
fn what_we_sign_we_take() {
    for key in [secret("locked.key"), secret("minisign.key")] {
        let made = sign(&key, TEXT).unwrap();
        let signature = Signature::read(made.as_bytes()).unwrap();
        let signed = signature.check(TEXT, &[key.public()], &[]).unwrap();
        assert_eq!(signed.key, key.public());
        assert!(signature.check(b"open ssh", &[key.public()], &[]).is_err());
    }
}
