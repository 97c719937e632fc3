//! The configuration file as text: which text it is, and how it is replaced whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::replace::{Durability, replace};

/// Returns what names this very text: the 128 bits of FNV-1a, as hexadecimal digits.
///
/// It tells whether somebody else has written the file meanwhile; whoever may write the file needs no
/// collision. It stays the same across versions of this program and of its libraries.
pub(crate) fn version(text: &str) -> String {
    // Offset basis and prime of FNV-1a with 128 bits (draft-eastlake-fnv, section 5).
    let (basis, prime) =
        (0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, 0x0000_0000_0100_0000_0000_0000_0000_013b);
    let hash = text.bytes().fold(basis, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(prime));
    format!("{hash:032x}")
}

/// Returns the file that a path leads to, through links.
pub(crate) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the text of a file; `None` if there is no file.
///
/// # Errors
/// When it can not be read, or is no UTF-8.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the file whole or not at all, with the mode and the owner that it had.
///
/// # Errors
/// When it is read-only, or the system refuses.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|before| before.permissions().readonly()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    replace(path, text, Durability::OnDisk)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_version_names_one_text() {
        // The values of the draft's test vectors for 128 bits.
        assert_eq!(version(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(version("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_ne!(version("[guard]\n"), version("[guard]\n\n"));
    }

    #[test]
    fn a_read_only_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portguard.toml");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(write(&path, "two").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(read(&path).unwrap().as_deref(), Some("one"));
    }
}
