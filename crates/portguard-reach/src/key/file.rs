//! New key pairs, in files that only their owner reads.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use russh::keys::ssh_key::{self, LineEnding, private::Ed25519Keypair};

use super::PublicKey;

/// Largest file that is read as a key, in bytes: a 16,384-bit RSA key has 13,000.
pub const LARGEST_KEY_FILE: u64 = 64 << 10;

/// A new pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The public half.
    pub key: PublicKey,
    /// The file of the public half.
    pub public: PathBuf,
}

/// Why there is no new pair.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// There is a file, and it may be a key in use.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A file can not be written, or the system gives no random bytes.
    #[error("cannot write the key {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

/// Makes an OpenSSH Ed25519 pair without a passphrase: the secret half in `path`, for its owner
/// alone, the public half beside it with `.pub` at the end of the name.
///
/// # Errors
/// When one of the two exists, or can not be written.
pub fn make(path: &Path, comment: &str) -> Result<Made, MakeError> {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".pub");
    let public = path.with_file_name(name);
    if let Some(taken) = [path, &public].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(MakeError::Exists(taken.to_owned()));
    }
    let fail = |path: &Path, error| MakeError::Write(path.to_owned(), error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| fail(folder, error))?;
    }
    let key = write_pair_half(path, comment).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => MakeError::Exists(path.to_owned()),
        _ => fail(path, error),
    })?;
    let key = PublicKey::OpenSsh(key.public_key().clone());
    let line = format!("{}\n", key.line());
    write_new(&public, 0o644, line.as_bytes()).map_err(|error| fail(&public, error))?;
    Ok(Made { key, public })
}

/// Makes a pair and writes its secret half into a new file.
pub(crate) fn write_pair_half(path: &Path, comment: &str) -> io::Result<ssh_key::PrivateKey> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    fs::File::open("/dev/urandom")?.read_exact(&mut *seed)?;
    let mut key = ssh_key::PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment(comment);
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    write_new(path, 0o600, text.as_bytes())?;
    Ok(key)
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::key::SecretKey;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_pair_is_made_for_its_owner_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key");
        let made = make(&path, "anna@example").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(made.public, path.with_file_name("key.pub"));
        let line = fs::read_to_string(&made.public).unwrap();
        assert_eq!(PublicKey::read(&line).unwrap(), made.key);
        assert_eq!(made.key.comment(), "anna@example");
        let secret = SecretKey::open(&path, &mut |_| panic!("it has no passphrase")).unwrap();
        assert_eq!(secret.public(), made.key);
        assert!(secret.ed25519_seed().is_some());

        assert!(matches!(make(&path, ""), Err(MakeError::Exists(taken)) if taken == path));
        fs::remove_file(&path).unwrap();
        let again = make(&path, "");
        assert!(matches!(again, Err(MakeError::Exists(taken)) if taken == made.public));
        assert!(!path.exists());
    }
}
