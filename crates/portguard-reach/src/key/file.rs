//! New key pairs, in files that only their owner reads.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use russh::keys::ssh_key::{self, LineEnding, private::Ed25519Keypair};

use super::{PublicKey, PublicKeyError, SecretKey};

/// Largest file that is read as a key, in bytes: a 16,384-bit RSA key has 13,000.
pub const LARGEST_KEY_FILE: u64 = 64 << 10;

/// Why a file shows no public key.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// It can not be read.
    #[error("cannot read the key {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It holds something else.
    #[error("{} holds no key of OpenSSH or minisign", .0.display())]
    Form(PathBuf),
    /// It is minisign's secret key with a passphrase, which hides its public half too.
    #[error("{} shows its public half with its passphrase alone", .0.display())]
    Hidden(PathBuf),
    /// It holds a public key that can not be used.
    #[error("the key in {}", .0.display())]
    Key(PathBuf, #[source] PublicKeyError),
}

/// Returns the public half of the key in a file, be it the secret or the public one.
///
/// # Errors
/// When there is none to see.
pub fn show(path: &Path) -> Result<PublicKey, ShowError> {
    let fail = |error| ShowError::Read(path.to_owned(), error);
    let mut text = zeroize::Zeroizing::new(String::new());
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST_KEY_FILE).read_to_string(&mut text))
        .map_err(fail)?;
    let line =
        |line: &str| PublicKey::read(line).map_err(|error| ShowError::Key(path.to_owned(), error));
    if text.starts_with("-----BEGIN") {
        let key = ssh_key::PrivateKey::from_openssh(text.as_bytes());
        let key = key.map_err(|_| ShowError::Form(path.to_owned()))?;
        // Its public half stands in it as it is, and its comment does not if it has a passphrase.
        return line(&key.public_key().to_openssh().unwrap_or_default());
    }
    if !text.starts_with("untrusted comment:") {
        return line(&text);
    }
    match line(text.lines().nth(1).unwrap_or_default()) {
        Err(ShowError::Key(_, PublicKeyError::Secret)) => {
            let mut hidden = |_: &Path| Err(io::ErrorKind::Unsupported.into());
            let key = SecretKey::open(path, &mut hidden);
            key.map(|key| key.public()).map_err(|_| ShowError::Hidden(path.to_owned()))
        }
        shown => shown,
    }
}

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
        for path in [&path, &made.public] {
            assert_eq!(show(path).unwrap(), made.key);
        }

        assert!(matches!(make(&path, ""), Err(MakeError::Exists(taken)) if taken == path));
        fs::remove_file(&path).unwrap();
        let again = make(&path, "");
        assert!(matches!(again, Err(MakeError::Exists(taken)) if taken == made.public));
        assert!(!path.exists());
    }

    #[test]
    fn keys_show_their_public_half() {
        let vectors = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/control/vectors"));
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = folder.path().join("key");
            fs::write(&path, text).unwrap();
            path
        };
        let minisign = show(&vectors.join("minisign.key")).unwrap();
        assert_eq!(show(&vectors.join("minisign.pub")).unwrap(), minisign);
        let public = format!("untrusted comment: minisign public key\n{}\n", minisign.line());
        assert_eq!(show(&file(&public)).unwrap(), minisign);
        assert!(matches!(show(&vectors.join("locked.key")), Ok(PublicKey::OpenSsh(_))));
        let locked = fs::read_to_string(vectors.join("minisign.key")).unwrap();
        let locked = file(&locked.replace("RWQAAEIy", "RWRTY0Iy"));
        assert!(matches!(show(&locked), Err(ShowError::Hidden(_))));
        assert!(matches!(show(&file("nothing")), Err(ShowError::Key(..))));
        assert!(matches!(show(&file("-----BEGIN nothing")), Err(ShowError::Form(_))));
    }
}
