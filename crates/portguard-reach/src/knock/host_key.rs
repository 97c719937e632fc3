//! The host's key: a secret that stays in a file of root's, and its public half as people pass it on.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use data_encoding::{BASE32_NOPAD, BASE64};
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::cipher::Ephemeral;

/// What a public key begins with.
const MARK: &str = "pgk1";

/// Bytes behind the key that tell a mistyped one: the first of its SHA-256.
const SUM: usize = 4;

/// What the file of a secret begins with.
const SECRET_MARK: &str = "portguard-knock-host-1";

/// Largest file that is read, in bytes; one has 68.
const LARGEST_FILE: u64 = 4_096;

/// A host's X25519 public key (RFC 7748).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostKey([u8; 32]);

/// A host's X25519 secret.
pub struct HostSecret(StaticSecret);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// The text is none.
    #[error("`{0}` is no host key; it is `{MARK}` with 58 letters and digits behind it")]
    Form(String),
    /// The text has a slip of the pen.
    #[error("`{0}` is mistyped: its last letters do not belong to the others")]
    Mistyped(String),
    /// The key is of a kind that agrees with any other on the same secret.
    #[error("`{0}` is no key of a host")]
    Weak(String),
    /// The file of the secret can not be read.
    #[error("cannot read the knock's host key {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file holds something else.
    #[error("{} holds no host key; move it away to get a new one", .0.display())]
    NoSecret(PathBuf),
    /// The file can not be made.
    #[error("cannot make the knock's host key {}", .0.display())]
    Make(PathBuf, #[source] io::Error),
}

impl HostKey {
    /// Returns the key as RFC 7748 has it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.0.as_slice(), &sum(&self.0)].concat();
        write!(f, "{MARK}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for HostKey {
    type Err = HostKeyError;

    fn from_str(text: &str) -> Result<Self, HostKeyError> {
        let form = || HostKeyError::Form(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let rest = lower.strip_prefix(MARK).ok_or_else(form)?.to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(rest.as_bytes()).map_err(|_| form())?;
        let (key, found) = bytes.split_first_chunk::<32>().ok_or_else(form)?;
        if found.len() != SUM {
            return Err(form());
        }
        if found != sum(key) {
            return Err(HostKeyError::Mistyped(text.to_owned()));
        }
        // A key of a small order agrees with every other on nothing, so that any secret tells it.
        let shared = StaticSecret::from([1; 32]).diffie_hellman(&PublicKey::from(*key));
        if !shared.was_contributory() {
            return Err(HostKeyError::Weak(text.to_owned()));
        }
        Ok(Self(*key))
    }
}

fn sum(key: &[u8; 32]) -> [u8; SUM] {
    let digest = digest::digest(&digest::SHA256, key);
    let mut sum = [0; SUM];
    sum.copy_from_slice(&digest.as_ref()[..SUM]);
    sum
}

impl HostSecret {
    /// Returns the secret of these bytes (RFC 7748 5).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(StaticSecret::from(bytes))
    }

    /// Reads the secret from its file, or makes one if there is no file: whole or not at all, for
    /// the owner alone.
    ///
    /// # Errors
    /// When the file can not be read or made, or holds something else.
    pub fn open_or_make(path: &Path) -> Result<Self, HostKeyError> {
        match Self::open(path) {
            Err(HostKeyError::Read(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                make(path).map_err(|error| HostKeyError::Make(path.to_owned(), error))?;
                Self::open(path)
            }
            found => found,
        }
    }

    /// Reads the secret from its file.
    ///
    /// # Errors
    /// When the file can not be read, or holds something else.
    pub fn open(path: &Path) -> Result<Self, HostKeyError> {
        let fail = |error| HostKeyError::Read(path.to_owned(), error);
        let mut text = Zeroizing::new(String::new());
        let file = fs::File::open(path).map_err(fail)?;
        file.take(LARGEST_FILE).read_to_string(&mut text).map_err(fail)?;
        let none = || HostKeyError::NoSecret(path.to_owned());
        let secret = text.trim().strip_prefix(SECRET_MARK).ok_or_else(none)?.trim();
        let bytes = Zeroizing::new(BASE64.decode(secret.as_bytes()).map_err(|_| none())?);
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| none())?;
        Ok(Self::from_bytes(bytes))
    }

    /// Returns the public half.
    pub fn public(&self) -> HostKey {
        HostKey(PublicKey::from(&self.0).to_bytes())
    }

    pub(super) fn agree(&self, ephemeral: &Ephemeral) -> SharedSecret {
        self.0.diffie_hellman(&PublicKey::from(*ephemeral))
    }
}

impl fmt::Debug for HostSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostSecret")
    }
}

/// Returns random bytes for a secret.
///
/// # Errors
/// When the system gives none.
pub fn random() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map(|()| bytes).map_err(|_| io::Error::other("the system gives no random bytes"))
}

/// Writes a new secret beside the path and moves it there, unless somebody else was faster.
fn make(path: &Path) -> io::Result<()> {
    let secret = random()?;
    let line = Zeroizing::new(format!("{SECRET_MARK} {}\n", BASE64.encode(&*secret)));
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_new(&beside, line.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
    // It is of no use any more, under this name.
    let _ = fs::remove_file(&beside);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.exists() => Ok(()),
        written => written,
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_public_key_comes_back_from_its_text_and_a_slip_of_the_pen_is_told() {
        let key = HostSecret::from_bytes([7; 32]).public();
        let text = key.to_string();
        assert_eq!(text.len(), 62);
        assert_eq!(text.parse::<HostKey>().unwrap(), key);
        assert_eq!(text.to_uppercase().parse::<HostKey>().unwrap(), key);
        for at in MARK.len()..text.len() {
            let mut slip = text.clone().into_bytes();
            slip[at] = if slip[at] == b'a' { b'b' } else { b'a' };
            let slip = String::from_utf8(slip).unwrap();
            assert!(slip.parse::<HostKey>().is_err(), "{slip}");
        }
        for none in
            ["", "pgk1", "pgk1!", &text[..61], &text[4..], "RWQf6LRCGA9i53mlYecO4IzT51TGPpvW"]
        {
            assert!(matches!(none.parse::<HostKey>(), Err(HostKeyError::Form(_))), "{none}");
        }
        let weak = HostKey([0; 32]).to_string();
        assert!(matches!(weak.parse::<HostKey>(), Err(HostKeyError::Weak(_))));
    }

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("knock_key");
        let made = HostSecret::open_or_make(&path).unwrap().public();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(HostSecret::open_or_make(&path).unwrap().public(), made);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        make(&path).unwrap();
        assert_eq!(HostSecret::open(&path).unwrap().public(), made);
        fs::write(&path, "something else").unwrap();
        assert!(matches!(HostSecret::open_or_make(&path), Err(HostKeyError::NoSecret(_))));
    }
}
