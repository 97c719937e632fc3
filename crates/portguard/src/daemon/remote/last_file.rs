//! What is remembered of the last control file that counted, in a file beside the ledger: it is on
//! the disk before the first of its orders is given, so that no replay counts, whatever happens.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use portguard_reach::control::{Mark, Serial};
use serde::{Deserialize, Serialize};

use crate::replace::{Durability, replace};

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastFile {
    /// The largest serial of a signed file.
    pub(crate) serial: Option<Serial>,
    /// The digest of the last file's text.
    pub(crate) digest: String,
    /// Who signed the last file; `None`: nobody.
    pub(crate) signer: Option<String>,
    /// When (RFC 3339).
    pub(crate) signed_at: Option<String>,
    /// Its lines that are still to be carried out.
    pub(crate) waiting: BTreeSet<u32>,
}

/// Why nothing is remembered; no file counts then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LastFileError {
    /// The file can not be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file holds something else.
    #[error("{} does not say which control file was the last; remove it to take any", .0.display())]
    Form(PathBuf),
    /// The file can not be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl LastFile {
    /// Reads what is remembered; nothing, if no file ever counted.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, LastFileError> {
        match fs::read(path) {
            Ok(bytes) => {
                let last = serde_json::from_slice(&bytes);
                last.map(Some).map_err(|_| LastFileError::Form(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LastFileError::Read(path.to_owned(), error)),
        }
    }

    /// Writes it whole or not at all, and returns once it is on the disk.
    pub(super) fn keep(&self, path: &Path) -> Result<(), LastFileError> {
        let fail = |error| LastFileError::Write(path.to_owned(), error);
        let bytes = serde_json::to_vec(self).map_err(|error| fail(error.into()))?;
        replace(path, bytes, Durability::OnDisk).map_err(fail)
    }

    /// Returns what a newer file is told from.
    pub(crate) fn mark(&self) -> Mark {
        Mark { serial: self.serial, digest: self.digest.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remote.json");
        assert_eq!(LastFile::read(&path).unwrap(), None);
        let last = LastFile {
            serial: Serial::new(12),
            digest: "00ff".to_owned(),
            signer: Some("anna".to_owned()),
            signed_at: None,
            waiting: [1, 3].into(),
        };
        last.keep(&path).unwrap();
        assert_eq!(LastFile::read(&path).unwrap(), Some(last));
    }

    #[test]
    fn what_can_not_be_read_is_no_permission() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remote.json");
        for text in ["", "{}", "{\"serial\":0,\"digest\":\"\",\"waiting\":[]}"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(LastFile::read(&path), Err(LastFileError::Form(_))), "{text}");
        }
        assert!(matches!(LastFile::read(folder.path()), Err(LastFileError::Read(..))));
    }
}
