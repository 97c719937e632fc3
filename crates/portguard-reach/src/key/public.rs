//! Public keys: one line each, as `ssh-keygen` and `minisign` write them.

use std::fmt;

use russh::keys::{
    HashAlg,
    ssh_key::{self, public::KeyData},
};

/// Longest line that is taken for a key, in bytes: one of 16,384-bit RSA has 2,800.
const LONGEST_LINE: usize = 4_096;

/// Fewest bits of an RSA key, as OpenSSH and NIST SP 800-131A have it, and most that `ring` takes.
const LEAST_RSA_BITS: u32 = 2_048;
const MOST_RSA_BITS: u32 = 8_192;

/// What secret keys begin with: OpenSSH's files, and minisign's with a passphrase and without.
const SECRET: [&str; 3] = ["PRIVATE KEY", "RWRTY0Iy", "RWQAAEIy"];

/// A key that signatures are checked with.
///
/// Two are equal if the key is the same, whatever the comment.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// One of OpenSSH (`ssh-ed25519 AAAA... comment`).
    OpenSsh(ssh_key::PublicKey),
    /// One of minisign (`RW...`).
    Minisign(minisign::PublicKey),
}

/// Why a line is no public key that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// It has the form of neither.
    #[error(
        "is no public key; write `ssh-ed25519 AAAA...` as in an OpenSSH .pub file, or minisign's \
         line `RW...`"
    )]
    Form,
    /// It is OpenSSH's, of a kind that is not checked here.
    #[error("is a key of the kind {0}, which can not be used; make one with `portguard key new`")]
    Algorithm(String),
    /// It is RSA and too short or too long.
    #[error("is an RSA key of {0} bits; {LEAST_RSA_BITS} to {MOST_RSA_BITS} can be used")]
    Bits(u32),
    /// It is a secret key.
    #[error("is a secret key; the public one belongs here, and this one should be made anew")]
    Secret,
}

impl PublicKey {
    /// Reads a line: an OpenSSH public key with or without a comment, or minisign's base64 line.
    ///
    /// # Errors
    /// When it is neither, or of a kind that signatures are not checked with.
    pub fn read(line: &str) -> Result<Self, PublicKeyError> {
        let line = line.trim();
        if SECRET.iter().any(|mark| line.contains(mark)) {
            return Err(PublicKeyError::Secret);
        }
        if line.is_empty() || line.len() > LONGEST_LINE || line.contains(['\n', '\r', '\0']) {
            return Err(PublicKeyError::Form);
        }
        if line.contains(char::is_whitespace) { openssh(line) } else { of_minisign(line) }
    }

    /// Returns what identifies the key to people: OpenSSH's `SHA256:...`, minisign's key id.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::OpenSsh(key) => key.fingerprint(HashAlg::Sha256).to_string(),
            Self::Minisign(key) => {
                // Written as a number, which minisign keeps with its lowest byte first.
                let hex = key.keynum().iter().rev().map(|byte| format!("{byte:02X}"));
                format!("minisign:{}", hex.collect::<String>())
            }
        }
    }

    /// Returns the comment behind the key; empty if there is none.
    pub fn comment(&self) -> &str {
        match self {
            Self::OpenSsh(key) => key.comment().as_str_lossy(),
            Self::Minisign(_) => "",
        }
    }

    /// Returns the key as one line that [`PublicKey::read`] takes.
    pub fn line(&self) -> String {
        match self {
            Self::OpenSsh(key) => key.to_openssh().unwrap_or_default().trim().to_owned(),
            Self::Minisign(key) => key.to_base64(),
        }
    }

    /// Returns the 32 bytes of an OpenSSH Ed25519 key (RFC 8032), which knocks are made with.
    pub fn ed25519(&self) -> Option<[u8; 32]> {
        match self {
            Self::OpenSsh(key) => key.key_data().ed25519().map(|key| key.0),
            Self::Minisign(_) => None,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::OpenSsh(one), Self::OpenSsh(other)) => one.key_data() == other.key_data(),
            (Self::Minisign(one), Self::Minisign(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for PublicKey {}

/// The comment, if there is one, else the fingerprint.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.comment() {
            "" => f.write_str(&self.fingerprint()),
            comment => f.write_str(comment),
        }
    }
}

fn openssh(line: &str) -> Result<PublicKey, PublicKeyError> {
    let key = ssh_key::PublicKey::from_openssh(line).map_err(|_| PublicKeyError::Form)?;
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => Ok(PublicKey::OpenSsh(key)),
        KeyData::Rsa(rsa) => match rsa.key_size() {
            LEAST_RSA_BITS..=MOST_RSA_BITS => Ok(PublicKey::OpenSsh(key)),
            bits => Err(PublicKeyError::Bits(bits)),
        },
        _ => Err(PublicKeyError::Algorithm(key.algorithm().as_str().to_owned())),
    }
}

fn of_minisign(line: &str) -> Result<PublicKey, PublicKeyError> {
    let key = minisign::PublicKey::from_base64(line).map_err(|_| PublicKeyError::Form)?;
    // The reader takes any two bytes for the algorithm and whatever follows the key.
    if key.to_base64() == line && line.starts_with("RW") {
        Ok(PublicKey::Minisign(key))
    } else {
        Err(PublicKeyError::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5OYwm6UNXx3chmQSVTG4";
    const MINISIGN: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn a_key_is_read_with_and_without_a_comment() {
        let bare = PublicKey::read(SSH).unwrap();
        let named = PublicKey::read(&format!("  {SSH} anna@example\n")).unwrap();
        assert_eq!(bare, named);
        assert_eq!((bare.comment(), named.comment()), ("", "anna@example"));
        assert_eq!(named.to_string(), "anna@example");
        assert_eq!(bare.to_string(), bare.fingerprint());
        assert!(bare.fingerprint().starts_with("SHA256:"));
        assert_eq!(named.line(), format!("{SSH} anna@example"));
        assert!(bare.ed25519().is_some());
    }

    #[test]
    fn a_key_of_minisign_is_read() {
        let key = PublicKey::read(MINISIGN).unwrap();
        // The id that minisign prints for its author's own key.
        assert_eq!(key.to_string(), "minisign:E7620F1842B4E81F");
        assert_eq!((key.line(), key.ed25519()), (MINISIGN.to_owned(), None));
        assert_ne!(key, PublicKey::read(SSH).unwrap());
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let long = format!("{SSH} {}", "x".repeat(LONGEST_LINE));
        for (line, expected) in [
            ("", PublicKeyError::Form),
            ("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO", PublicKeyError::Form),
            ("AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7", PublicKeyError::Form),
            ("ssh-ed25519 AAAA", PublicKeyError::Form),
            (&long, PublicKeyError::Form),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", PublicKeyError::Secret),
            ("RWRTY0IyAAAAAAAAAAAAAAAAAAAA", PublicKeyError::Secret),
        ] {
            assert_eq!(PublicKey::read(line), Err(expected), "{line}");
        }
    }
}
