//! Secret keys as their owners keep them: OpenSSH's and minisign's files, with a passphrase or
//! without.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use russh::keys::ssh_key::{self, private::KeypairData};
use zeroize::Zeroizing;

use super::{LARGEST_KEY_FILE, PublicKey};

/// A key that signatures are made with.
pub enum SecretKey {
    /// One of OpenSSH, decrypted.
    OpenSsh(Box<ssh_key::PrivateKey>),
    /// One of minisign, decrypted.
    Minisign(Box<minisign::SecretKey>),
}

/// Asks for the passphrase of the key in this file.
pub type Passphrase<'a> = dyn FnMut(&Path) -> io::Result<Zeroizing<String>> + 'a;

/// Why there is no secret key.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file can not be read.
    #[error("cannot read the key {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file holds something else.
    #[error("{} holds no secret key of OpenSSH or minisign", .0.display())]
    Form(PathBuf),
    /// Nobody told the passphrase.
    #[error("cannot ask for the passphrase of {}", .0.display())]
    Ask(PathBuf, #[source] io::Error),
    /// The passphrase is another one.
    #[error("that is not the passphrase of {}", .0.display())]
    Passphrase(PathBuf),
    /// It is OpenSSH's, of a kind that nothing is signed with here.
    #[error("{} is a key of the kind {}, which nothing is signed with here", .0.display(), .1)]
    Algorithm(PathBuf, String),
}

impl SecretKey {
    /// Reads the key of a file, and asks for its passphrase if it has one.
    ///
    /// # Errors
    /// When the file holds no key that can be signed with.
    pub fn open(path: &Path, ask: &mut Passphrase<'_>) -> Result<Self, SecretKeyError> {
        let fail = |error| SecretKeyError::Read(path.to_owned(), error);
        let mut text = Zeroizing::new(String::new());
        let file = File::open(path).map_err(fail)?;
        file.take(LARGEST_KEY_FILE).read_to_string(&mut text).map_err(fail)?;
        if text.starts_with("untrusted comment:") {
            of_minisign(path, &text, ask)
        } else {
            openssh(path, &text, ask)
        }
    }

    /// Returns the public half.
    ///
    /// # Panics
    /// Never: the public half of minisign's key is part of the secret one.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::OpenSsh(key) => PublicKey::OpenSsh(key.public_key().clone()),
            Self::Minisign(key) => PublicKey::Minisign(
                minisign::PublicKey::from_secret_key(key).expect("a secret key contains its half"),
            ),
        }
    }

    /// Returns the seed of an OpenSSH Ed25519 key (RFC 8032), which knocks are made with.
    pub fn ed25519_seed(&self) -> Option<Zeroizing<[u8; 32]>> {
        match self {
            Self::OpenSsh(key) => {
                key.key_data().ed25519().map(|pair| Zeroizing::new(pair.private.to_bytes()))
            }
            Self::Minisign(_) => None,
        }
    }
}

fn openssh(path: &Path, text: &str, ask: &mut Passphrase<'_>) -> Result<SecretKey, SecretKeyError> {
    let form = |_| SecretKeyError::Form(path.to_owned());
    let key = ssh_key::PrivateKey::from_openssh(text).map_err(form)?;
    let key = if key.is_encrypted() {
        let passphrase = asked(path, ask)?;
        let wrong = |_| SecretKeyError::Passphrase(path.to_owned());
        key.decrypt(passphrase.as_bytes()).map_err(wrong)?
    } else {
        key
    };
    match key.key_data() {
        KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) => Ok(SecretKey::OpenSsh(Box::new(key))),
        _ => {
            let kind = key.algorithm().as_str().to_owned();
            Err(SecretKeyError::Algorithm(path.to_owned(), kind))
        }
    }
}

fn of_minisign(
    path: &Path,
    text: &str,
    ask: &mut Passphrase<'_>,
) -> Result<SecretKey, SecretKeyError> {
    let form = || SecretKeyError::Form(path.to_owned());
    let line = text.lines().nth(1).unwrap_or_default().trim();
    let bytes = Zeroizing::new(BASE64.decode(line.as_bytes()).map_err(|_| form())?);
    if bytes.len() != MINISIGN_LENGTH || !bytes.starts_with(ED25519) {
        return Err(form());
    }
    let key = match &bytes[2..4] {
        // The library wants a checksum, which minisign before 0.12 leaves out here.
        NO_PASSPHRASE => minisign::SecretKey::from_bytes(&bytes).map_err(|_| form())?,
        SCRYPT => {
            let passphrase = asked(path, ask)?;
            let key = minisign::SecretKeyBox::from_string(text).map_err(|_| form())?;
            let key = key.into_secret_key(Some(passphrase.as_str().to_owned()));
            key.map_err(|_| SecretKeyError::Passphrase(path.to_owned()))?
        }
        _ => return Err(form()),
    };
    Ok(SecretKey::Minisign(Box::new(key)))
}

/// Length of minisign's secret key: algorithms, salt, limits of scrypt, key and checksum.
const MINISIGN_LENGTH: usize = 158;

/// What it begins with, and what follows for a key with a passphrase and one without.
const ED25519: &[u8] = b"Ed";
const SCRYPT: &[u8] = b"Sc";
const NO_PASSPHRASE: &[u8] = &[0, 0];

fn asked(path: &Path, ask: &mut Passphrase<'_>) -> Result<Zeroizing<String>, SecretKeyError> {
    ask(path).map_err(|error| SecretKeyError::Ask(path.to_owned(), error))
}
