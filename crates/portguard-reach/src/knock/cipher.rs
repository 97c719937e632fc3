//! What is derived from keys: the check, the key of the message, and what is signed. Pure.

use ring::{
    aead::{self, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    digest, hkdf, hmac,
};
use x25519_dalek::SharedSecret;

use super::{HostKey, VERSION, message::BODY};

/// Each use of a key has a label of its own, so that nothing made for one counts for another.
const CHECK_LABEL: &[u8] = b"portguard knock 1 check";
const CIPHER_LABEL: &[u8] = b"portguard knock 1 cipher";
const SIGNATURE_LABEL: &[u8] = b"portguard knock 1 signature";

/// Length of what is signed: label, host key, ephemeral key, body.
const SIGNED: usize = SIGNATURE_LABEL.len() + 32 + 32 + BODY;

/// A knock's ephemeral public key (RFC 7748). New for every knock, it is its nonce as well.
pub(super) type Ephemeral = [u8; 32];

/// Returns the key of the check that only those can make who know the host's public key.
pub(super) fn check_key(host: HostKey) -> hmac::Key {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(CHECK_LABEL);
    context.update(host.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, context.finish().as_ref())
}

/// Returns the check of all that stands before it in a packet: the first half of an HMAC-SHA256
/// (RFC 2104).
pub(super) fn check(key: &hmac::Key, packet: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hmac::sign(key, packet).as_ref()[..16]);
    half
}

/// Encrypts a message in place and returns its tag.
pub(super) fn encrypt(key: &LessSafeKey, ephemeral: &Ephemeral, message: &mut [u8]) -> [u8; 16] {
    let sealed = key.seal_in_place_separate_tag(no_nonce(), associated(ephemeral), message);
    let tag = sealed.expect("a message of some hundred bytes can be encrypted");
    let mut bytes = [0; 16];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// Decrypts a message with its tag behind it in place, and returns it; `None` if anything of it was
/// changed, or it is for another host.
pub(super) fn decrypt<'a>(
    key: &LessSafeKey,
    ephemeral: &Ephemeral,
    sealed: &'a mut [u8],
) -> Option<&'a [u8]> {
    key.open_in_place(no_nonce(), associated(ephemeral), sealed).ok().map(|message| &*message)
}

/// Returns the message's key (RFC 5869), to which both public keys belong; `None` if the two keys
/// agree on nothing: the ephemeral one has a small order (RFC 7748 6.1).
pub(super) fn cipher(
    shared: &SharedSecret,
    host: HostKey,
    ephemeral: &Ephemeral,
) -> Option<LessSafeKey> {
    if !shared.was_contributory() {
        return None;
    }
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, CIPHER_LABEL).extract(shared.as_bytes());
    let keys: [&[u8]; 2] = [host.as_bytes(), ephemeral];
    let key = secret.expand(&keys, &CHACHA20_POLY1305).expect("32 bytes are not too many");
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

/// Returns what is signed.
pub(super) fn signed(host: HostKey, ephemeral: &Ephemeral, body: &[u8; BODY]) -> [u8; SIGNED] {
    let mut bytes = [0; SIGNED];
    let mut rest = &mut bytes[..];
    for part in [SIGNATURE_LABEL, host.as_bytes(), ephemeral, body] {
        let (here, behind) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = behind;
    }
    bytes
}

/// No key encrypts twice, so one nonce does for all (RFC 8439 2.8).
fn no_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

/// Returns what is in the clear and belongs to the message.
fn associated(ephemeral: &Ephemeral) -> aead::Aad<[u8; 33]> {
    let mut bytes = [VERSION; 33];
    bytes[1..].copy_from_slice(ephemeral);
    aead::Aad::from(bytes)
}
