//! This host's own key for providers that want one: made at first need, kept in a file that only
//! its owner reads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use russh::keys::PrivateKey;

use crate::key::write_pair_half;

/// What providers see behind the key.
const COMMENT: &str = "portguard";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    /// The file can not be read.
    #[error("cannot read this host's key {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file holds something else.
    #[error("{} holds no private key without a passphrase", .0.display())]
    Key(PathBuf),
    /// The file can not be written, or the system gives no random bytes.
    #[error("cannot write this host's key {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

/// Returns the key of the file, which is made if it does not exist.
///
/// # Errors
/// When there is a file that holds no key, or none can be made.
pub(super) fn open(path: &Path) -> Result<PrivateKey, IdentityError> {
    match fs::read_to_string(path) {
        Ok(text) => PrivateKey::from_openssh(&text)
            .ok()
            .filter(|key| !key.is_encrypted())
            .ok_or_else(|| IdentityError::Key(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_pair_half(path, COMMENT)
            .map_err(|error| IdentityError::Write(path.to_owned(), error)),
        Err(error) => Err(IdentityError::Read(path.to_owned(), error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = open(&path).unwrap();
        assert_eq!(open(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nothing of the kind").unwrap();
        assert!(matches!(open(&path), Err(IdentityError::Key(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "nothing of the kind");
    }
}
