//! The web face's own folder: who may come in, who is signed in, the certificate that was made.
//! Files are replaced whole and readable for their owner alone.
//!
//! The command line writes there too while the face runs (`portguard web token`), so that changes
//! are made under a lock, and what was read is read again once the file is another one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Serialize, de::DeserializeOwned};

use crate::{access::Access, session::Sessions};

const ACCESS: &str = "access.json";
const SESSIONS: &str = "sessions.json";

/// Largest file that is read, in bytes: far above what the caps of its content allow.
const LARGEST: u64 = 4 << 20;

/// Why the folder can not be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refuses.
    #[error("cannot use {}", .path.display())]
    Use {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is not what we wrote.
    #[error("{} is damaged; move it away to begin anew", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    known: Mutex<Option<(Stamp, Arc<Access>)>>,
}

/// What tells one version of a file from the next: it is replaced, never written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

impl Folder {
    /// Opens the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// When it can not be made or is no folder.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| FolderError::Use { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), known: Mutex::new(None) })
    }

    /// Returns who may come in, as of this moment.
    ///
    /// # Errors
    /// When the file can not be read.
    pub(crate) fn access(&self) -> Result<Arc<Access>, FolderError> {
        let path = self.file(ACCESS);
        let stamp = match fs::symlink_metadata(&path) {
            Ok(data) => Stamp { inode: data.ino(), changed: (data.ctime(), data.ctime_nsec()) },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Arc::new(Access::default()));
            }
            Err(source) => return Err(FolderError::Use { path, source }),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, access)) = known.as_ref().filter(|(of, _)| *of == stamp) {
            return Ok(access.clone());
        }
        let access: Arc<Access> = Arc::new(self.read(ACCESS)?.unwrap_or_default());
        *known = Some((stamp, access.clone()));
        Ok(access)
    }

    /// Changes who may come in, while nobody else does; an error of the change changes nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Access) -> Result<T, E>,
    ) -> Result<Result<T, E>, FolderError> {
        let path = self.file("lock");
        let options =
            OpenOptions::new().write(true).create(true).mode(0o600).no_follow().open(&path);
        let locked = options.and_then(|file| {
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        let _lock = locked.map_err(|source| FolderError::Use { path, source })?;
        let mut access: Access = self.read(ACCESS)?.unwrap_or_default();
        let changed = change(&mut access);
        if changed.is_ok() {
            self.write_json(ACCESS, &access)?;
        }
        Ok(changed)
    }

    /// Returns the sessions that were signed in during this boot.
    ///
    /// # Errors
    /// When the file can not be read.
    pub(crate) fn sessions(&self, boot: &str) -> Result<Sessions, FolderError> {
        let kept: Option<(String, Sessions)> = self.read(SESSIONS)?;
        Ok(kept.filter(|(of, _)| of == boot).map(|(_, sessions)| sessions).unwrap_or_default())
    }

    /// Keeps the sessions.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn keep_sessions(&self, boot: &str, sessions: &Sessions) -> Result<(), FolderError> {
        self.write_json(SESSIONS, &(boot, sessions))
    }

    /// Returns the path of a file here.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FolderError> {
        let path = self.file(name);
        let mut text = String::new();
        let opened = OpenOptions::new().read(true).no_follow().open(&path);
        match opened.and_then(|file| file.take(LARGEST).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FolderError::Use { path, source }),
        }
        let value = serde_json::from_str(&text);
        value.map(Some).map_err(|source| FolderError::Damaged { path, source })
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let text = serde_json::to_vec(value)
            .map_err(|source| FolderError::Damaged { path: self.file(name), source })?;
        self.write(name, &text)
    }

    /// Replaces a file as a whole, so that a loss of power leaves the old one or the new one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.file(name);
        self.replace(&path, bytes).map_err(|source| FolderError::Use { path, source })
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(&self.path)?.sync_all()
    }
}

trait NoFollow {
    /// Refuses a link in the file's place.
    fn no_follow(&mut self) -> &mut Self;
}

impl NoFollow for OpenOptions {
    fn no_follow(&mut self) -> &mut Self {
        self.custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{
        access::{Role, Unchanged},
        clock::Moment,
        secret::Digest,
        session::Entrance,
    };

    #[test]
    fn what_another_process_changes_is_seen_at_once() {
        let home = tempfile::tempdir().unwrap();
        let (face, command) =
            (Folder::open(home.path()).unwrap(), Folder::open(home.path()).unwrap());
        assert!(!face.access().unwrap().has_password());
        for name in ["anna", "otto"] {
            let added =
                command.change(|access| access.set_user(name, Role::Viewer, Some("x".to_owned())));
            added.unwrap().unwrap();
            assert!(face.access().unwrap().users.contains_key(name));
        }
        let mode = fs::metadata(face.file(ACCESS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let refused = folder.change(|access| access.remove_user("nobody")).unwrap();
        assert_eq!(refused, Err(Unchanged::Unknown("nobody".to_owned())));
        assert!(!folder.file(ACCESS).exists());
    }

    #[test]
    fn sessions_live_on_in_the_same_boot_only() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let mut sessions = Sessions::default();
        sessions.begin(Digest::of("x"), ("anna", 0), Entrance::Password, Moment::default());
        folder.keep_sessions("this", &sessions).unwrap();
        assert_eq!(folder.sessions("this").unwrap().count("anna"), 1);
        assert_eq!(folder.sessions("next").unwrap().count("anna"), 0);
    }

    #[test]
    fn a_damaged_file_is_told_and_a_link_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        fs::write(folder.file(ACCESS), "{").unwrap();
        assert!(matches!(folder.access(), Err(FolderError::Damaged { .. })));
        fs::remove_file(folder.file(ACCESS)).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.file(ACCESS)).unwrap();
        assert!(matches!(folder.access(), Err(FolderError::Use { .. })));
    }
}
