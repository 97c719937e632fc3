//! Signatures of control files: those of `ssh-keygen -Y sign` in the namespace `portguard`, and
//! minisign's; beside the file or at its end.
//!
//! Which bytes are signed is told without reading them: all before the signature.

use std::num::NonZeroU32;

use minisign::SignatureBox;
use portguard_core::Timestamp;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
};
use russh::keys::{
    Algorithm, HashAlg,
    ssh_key::{self, LineEnding, SshSig, public::KeyData},
};

use crate::key::{PublicKey, SecretKey};

use super::Stamp;

/// The namespace of OpenSSH's signatures: one that was made for something else is none.
pub const NAMESPACE: &str = "portguard";

/// What a signature of OpenSSH begins with (PROTOCOL.sshsig).
const OPENSSH: &[u8] = b"-----BEGIN SSH SIGNATURE-----";

/// What a signature of minisign begins with (minisign(1)).
const MINISIGN: &[u8] = b"untrusted comment:";

/// Whose signature it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenSSH's.
    OpenSsh,
    /// minisign's.
    Minisign,
}

/// A signature that was read, and not checked yet.
#[derive(Clone)]
pub struct Signature(Form);

#[derive(Clone)]
enum Form {
    OpenSsh(Box<SshSig>),
    Minisign(Box<SignatureBox>),
}

/// Who signed a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// With which key.
    pub key: PublicKey,
    /// The stamp that minisign puts into each signature, in seconds; OpenSSH puts none.
    pub stamp: Option<Stamp>,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has the form of neither.
    #[error("what should be its signature is none of OpenSSH or minisign")]
    Form,
    /// It was made for something else.
    #[error("its signature was made for `{0}`, not for `{NAMESPACE}`")]
    Namespace(String),
    /// It was made with a key that is not listed.
    #[error("it is signed with {0}, which is not in remote.keys")]
    Unknown(String),
    /// It was made with a key that must not be used any more.
    #[error("it is signed with {0}, which is revoked")]
    Revoked(String),
    /// It does not fit the text.
    #[error("its signature by {0} does not fit its text")]
    Bad(String),
}

/// Why a text can not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// OpenSSH's key does not do it.
    #[error("cannot sign")]
    OpenSsh(#[from] ssh_key::Error),
    /// minisign's key does not do it.
    #[error("cannot sign")]
    Minisign(#[from] minisign::PError),
}

impl Kind {
    /// Returns what the name of a signature's file has behind that of the text.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::OpenSsh => ".sig",
            Self::Minisign => ".minisig",
        }
    }

    /// Returns whose signatures are checked with a key.
    pub const fn of(key: &PublicKey) -> Self {
        match key {
            PublicKey::OpenSsh(_) => Self::OpenSsh,
            PublicKey::Minisign(_) => Self::Minisign,
        }
    }
}

/// Returns the signed text of a file, and the signature at its end if it has one.
pub fn split(file: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut begin = 0;
    let mut place = None;
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(OPENSSH) || line.starts_with(MINISIGN) {
            place = Some(begin);
        }
        begin += line.len();
    }
    match place {
        Some(place) => (&file[..place], Some(&file[place..])),
        None => (file, None),
    }
}

impl Signature {
    /// Reads a signature as `ssh-keygen` and `minisign` write it.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(bytes: &[u8]) -> Result<Self, SignatureError> {
        let text = str::from_utf8(bytes).map_err(|_| SignatureError::Form)?.trim();
        if text.as_bytes().starts_with(OPENSSH) {
            let signature = SshSig::from_pem(text).map_err(|_| SignatureError::Form)?;
            return Ok(Self(Form::OpenSsh(Box::new(signature))));
        }
        // The library checks a global signature that is shorter out of its bounds.
        let global = text.lines().nth(3).unwrap_or_default().trim();
        if global.len() != BASE64_OF_SIGNATURE || !global.ends_with("==") {
            return Err(SignatureError::Form);
        }
        let signature = SignatureBox::from_string(text).map_err(|_| SignatureError::Form)?;
        Ok(Self(Form::Minisign(Box::new(signature))))
    }

    /// Returns who signed the text, if that is one of `keys` and none of `revoked`.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(
        &self,
        text: &[u8],
        keys: &[PublicKey],
        revoked: &[PublicKey],
    ) -> Result<Signed, SignatureError> {
        let mut claimed = keys.iter().chain(revoked).filter(|key| self.claims(key)).peekable();
        let Some(first) = claimed.peek().copied() else {
            return Err(SignatureError::Unknown(self.signer()));
        };
        if let Form::OpenSsh(signature) = &self.0
            && signature.namespace() != NAMESPACE
        {
            let namespace = crate::plain::plain(signature.namespace());
            return Err(SignatureError::Namespace(namespace));
        }
        let Some(key) = claimed.find(|key| self.fits(text, key)) else {
            return Err(SignatureError::Bad(first.to_string()));
        };
        if revoked.contains(key) {
            return Err(SignatureError::Revoked(key.to_string()));
        }
        Ok(Signed { key: key.clone(), stamp: self.stamp() })
    }

    /// Returns whether it says that it was made with this key.
    fn claims(&self, key: &PublicKey) -> bool {
        match (&self.0, key) {
            (Form::OpenSsh(signature), PublicKey::OpenSsh(key)) => {
                signature.public_key() == key.key_data()
            }
            (Form::Minisign(signature), PublicKey::Minisign(key)) => {
                signature.keynum() == key.keynum()
            }
            _ => false,
        }
    }

    /// Returns whether it is this key's signature of the text.
    fn fits(&self, text: &[u8], key: &PublicKey) -> bool {
        match (&self.0, key) {
            (Form::OpenSsh(signature), PublicKey::OpenSsh(key)) => match key.key_data() {
                KeyData::Rsa(_) => is_of_rsa(signature, text),
                _ => key.verify(NAMESPACE, text, signature).is_ok(),
            },
            (Form::Minisign(signature), PublicKey::Minisign(key)) => {
                let text = std::io::Cursor::new(text);
                minisign::verify(key, signature, text, true, false, true).is_ok()
            }
            _ => false,
        }
    }

    /// Returns what identifies the key that it says it was made with.
    fn signer(&self) -> String {
        match &self.0 {
            Form::OpenSsh(signature) => {
                let key = ssh_key::PublicKey::from(signature.public_key().clone());
                PublicKey::OpenSsh(key).fingerprint()
            }
            Form::Minisign(signature) => {
                let hex = signature.keynum().iter().rev().map(|byte| format!("{byte:02X}"));
                format!("minisign:{}", hex.collect::<String>())
            }
        }
    }

    /// Returns the time in minisign's trusted comment (`timestamp:1795892400`), which it signs.
    fn stamp(&self) -> Option<Stamp> {
        let Form::Minisign(signature) = &self.0 else { return None };
        let comment = signature.trusted_comment().ok()?;
        let seconds =
            comment.split_whitespace().find_map(|word| word.strip_prefix("timestamp:"))?;
        let serial: NonZeroU32 = seconds.parse().ok()?;
        Some(Stamp { serial, time: Timestamp::from_secs(serial.get().into()) })
    }
}

/// Base64 of the 64 bytes of an Ed25519 signature.
const BASE64_OF_SIGNATURE: usize = 88;

/// Returns whether a signature is that of its own RSA key. OpenSSH's are PKCS #1 v1.5 with SHA-2
/// (RFC 8332); `ring` takes 2,048 to 8,192 bits.
fn is_of_rsa(signature: &SshSig, text: &[u8]) -> bool {
    let KeyData::Rsa(key) = signature.public_key() else { return false };
    let (Some(n), Some(e)) = (key.n().as_positive_bytes(), key.e().as_positive_bytes()) else {
        return false;
    };
    let parameters = match signature.signature().algorithm() {
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) } => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) } => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    let Ok(signed) = SshSig::signed_data(signature.namespace(), signature.hash_alg(), text) else {
        return false;
    };
    RsaPublicKeyComponents { n, e }.verify(parameters, &signed, signature.signature_bytes()).is_ok()
}

/// Signs a text, as `ssh-keygen -Y sign -n portguard` and `minisign -S` do.
///
/// # Errors
/// When the key does not do it.
pub fn sign(key: &SecretKey, text: &[u8]) -> Result<String, SignError> {
    Ok(match key {
        SecretKey::OpenSsh(key) => {
            key.sign(NAMESPACE, HashAlg::Sha512, text)?.to_pem(LineEnding::LF)?
        }
        SecretKey::Minisign(key) => {
            // With the public half the library checks what it made: the file may be damaged.
            let public = minisign::PublicKey::from_secret_key(key)?;
            let (text, comment) = (std::io::Cursor::new(text), "signature from portguard");
            minisign::sign(Some(&public), key, text, None, Some(comment))?.into_string()
        }
    })
}

#[cfg(test)]
pub(in crate::control) mod tests;
