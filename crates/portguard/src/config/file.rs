//! The configuration file as text: which text it is, and how it is replaced whole.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

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
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|before| before.permissions().readonly()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // It does not end in `.toml`, so it is never read as a drop-in.
    let new: PathBuf = path.with_extension("toml.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    if let Some(before) = before {
        fs::set_permissions(&new, fs::Permissions::from_mode(before.mode()))?;
        let made = file.metadata()?;
        // Without a reason to, it may not be tried: the daemon may change no owners.
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            chown(&new, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_one_text() {
        // The values of the draft's test vectors for 128 bits.
        assert_eq!(version(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(version("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_ne!(version("[guard]\n"), version("[guard]\n\n"));
    }

    #[test]
    fn a_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portguard.toml");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
