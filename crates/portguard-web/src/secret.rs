//! Secrets that are handed out once, and what is kept of them.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::ConstantTimeEq as _;

/// Bytes of a secret: nobody guesses 256 bits, so that a plain SHA-256 of them is enough to keep.
const LENGTH: usize = 32;

/// A secret as it is handed out: 64 hexadecimal digits, perhaps after a prefix.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Returns a new one.
    ///
    /// # Errors
    /// When the kernel gives no random numbers.
    pub(crate) fn new(prefix: &str) -> Result<Self, NoRandom> {
        let mut bytes = [0; LENGTH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(Self(format!("{prefix}{}", hex(&bytes))))
    }

    /// Returns the text that its owner shows.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Returns what is kept of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// The kernel gives no random numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the kernel gives no random numbers")]
pub(crate) struct NoRandom;

/// The SHA-256 of a secret, compared in constant time.
#[derive(Clone, Copy, Eq)]
pub(crate) struct Digest([u8; LENGTH]);

impl Digest {
    /// Returns the digest of what somebody shows as a secret.
    pub(crate) fn of(text: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0[..4]))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = unhex(&text).ok_or_else(|| de::Error::custom("no SHA-256 in hexadecimal"))?;
        Ok(Self(bytes))
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("half a byte");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<[u8; LENGTH]> {
    let digits = text.as_bytes();
    let mut bytes = [0; LENGTH];
    if digits.len() != 2 * LENGTH || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_kept_as_text_and_no_secret_is_given_twice() {
        let (one, other) = (Secret::new("pg_").unwrap(), Secret::new("pg_").unwrap());
        assert_eq!(one.text().len(), 67);
        assert_ne!(one.digest(), other.digest());
        let kept = serde_json::to_string(&one.digest()).unwrap();
        assert!(!kept.contains(one.text()));
        assert_eq!(serde_json::from_str::<Digest>(&kept).unwrap(), Digest::of(one.text()));
        for broken in ["\"\"", "\"zz\"", "\"é\"", "3"] {
            assert!(serde_json::from_str::<Digest>(broken).is_err(), "{broken}");
        }
    }
}
