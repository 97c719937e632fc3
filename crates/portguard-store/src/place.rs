//! Where the ledger is, and how connections to it are made.
//!
//! The keeper may have to move (from a damaged file to a fresh one, from memory to the disk);
//! readers in other threads learn of it through a newest-wins slot.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

/// Where a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this file.
    Disk(PathBuf),
    /// In this process only, under this name of SQLite's `memdb` file system.
    Memory(String),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading alone.
    Read,
    /// Reading and writing.
    Write,
}

/// How long a question or a batch waits for another connection's lock.
///
/// Our own connections hold locks for milliseconds; what takes longer is another program, and
/// then the keeper tries again later.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

impl Place {
    /// Returns a place in memory that nothing else uses.
    pub(crate) fn in_memory() -> Self {
        static USED: AtomicU64 = AtomicU64::new(0);
        // Only names that start with a slash are shared between connections.
        Self::Memory(format!("/portguard-ledger-{}", USED.fetch_add(1, Ordering::Relaxed)))
    }

    /// Returns a connection to what is there; on disk the file must exist.
    pub(crate) fn connect(&self, access: Access) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = match (self, access) {
            (Self::Disk(path), Access::Read) => {
                Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)
            }
            (Self::Disk(path), Access::Write) => {
                Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
            }
            (Self::Memory(name), access) => {
                let access = match access {
                    Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
                    Access::Write => {
                        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
                    }
                };
                Connection::open_with_flags_and_vfs(name, flags | access, MEMORY_FILES)
            }
        }?;
        connection.busy_timeout(LOCK_PATIENCE)?;
        Ok(connection)
    }
}

/// SQLite's file system for databases in memory.
const MEMORY_FILES: &str = "memdb";

/// Returns a connection that takes the file as it is: no lock, no log beside it, nothing written.
///
/// The one way to read a ledger whose directory takes no new file.
pub(crate) fn connect_frozen(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(frozen_uri(path), flags)
}

/// Writes a path as SQLite's URI, every byte but the plainest escaped.
fn frozen_uri(path: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};

    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a string takes every text");
        }
    }
    uri + "?immutable=1"
}

/// The newest place; a reader compares the pointer to see that the ledger has moved, even if it
/// moved to the same path.
#[derive(Clone, Debug)]
pub(crate) struct PlaceSlot(Arc<Mutex<Arc<Place>>>);

impl PlaceSlot {
    /// Returns a slot that holds `place`.
    pub(crate) fn new(place: Place) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(place))))
    }

    /// Tells everybody of a new place.
    pub(crate) fn publish(&self, place: Place) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(place);
    }

    /// Returns the newest place.
    pub(crate) fn newest(&self) -> Arc<Place> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_odd_bytes_is_escaped() {
        let uri = frozen_uri(Path::new("/var/lib/port guard?/a%b#c.db"));
        assert_eq!(uri, "file:/var/lib/port%20guard%3F/a%25b%23c.db?immutable=1");
    }
}
