//! How far the logs of a watch were read, kept on disk so that a restart loses no line and reads none
//! twice.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portguard_linux::tail::Position;
use serde::{Deserialize, Serialize};

use crate::{
    eye::Drift,
    replace::{Durability, replace},
};

/// How often they are written at most. A daemon that is killed reads what came within this time
/// before its end once more.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// The bookmarks of one watch.
pub(super) struct Bookmarks {
    path: PathBuf,
    written: Option<Instant>,
    is_due: bool,
}

/// What is kept.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Kept {
    #[serde(default)]
    files: Vec<Bookmark>,
    /// The last entry of the journal that was read.
    #[serde(default)]
    pub(super) cursor: Option<String>,
    #[serde(default)]
    pub(super) drift: Drift,
}

/// A position as it is written.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Bookmark {
    path: PathBuf,
    device: u64,
    inode: u64,
    offset: u64,
    head: Vec<u8>,
}

impl Bookmarks {
    /// Returns the bookmarks of a watch in a folder.
    pub(super) fn of(folder: &Path, watch: &str) -> Self {
        let plain = |byte: u8| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("_{byte:02x}"),
        };
        let name: String = watch.bytes().map(plain).collect();
        Self { path: folder.join(format!("watch-{name}.json")), written: None, is_due: false }
    }

    /// Returns what was written last; nothing if there is nothing that can be read.
    pub(super) fn read(&self) -> Kept {
        serde_json::from_slice(&fs::read(&self.path).unwrap_or_default()).unwrap_or_default()
    }

    /// Says that lines were read.
    pub(super) fn touch(&mut self) {
        self.is_due = true;
    }

    /// Writes what is to be kept if lines were read since the last time, but not too often.
    ///
    /// # Errors
    /// When it can not be written.
    pub(super) fn write_soon(&mut self, kept: impl FnOnce() -> Kept) -> io::Result<()> {
        let is_late = self.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY);
        if self.is_due && is_late { self.write(&kept()) } else { Ok(()) }
    }

    /// Writes what is to be kept.
    ///
    /// # Errors
    /// When it can not be written.
    pub(super) fn write(&mut self, kept: &Kept) -> io::Result<()> {
        (self.written, self.is_due) = (Some(Instant::now()), false);
        replace(&self.path, serde_json::to_vec(kept)?, Durability::Soon)
    }
}

impl Kept {
    pub(super) fn of_files(positions: Vec<Position>, drift: Drift) -> Self {
        let bookmark = |Position { path, device, inode, offset, head }| Bookmark {
            path,
            device,
            inode,
            offset,
            head,
        };
        let files = positions.into_iter().map(bookmark).collect();
        Self { files, cursor: None, drift }
    }

    pub(super) fn of_journal(cursor: Option<String>, drift: Drift) -> Self {
        Self { files: Vec::new(), cursor, drift }
    }

    pub(super) fn positions(&self) -> Vec<Position> {
        let position = |Bookmark { path, device, inode, offset, head }: &Bookmark| Position {
            path: path.clone(),
            device: *device,
            inode: *inode,
            offset: *offset,
            head: head.clone(),
        };
        self.files.iter().map(position).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut bookmarks = Bookmarks::of(folder.path(), "sshd/\u{e4}");
        assert_eq!(bookmarks.read(), Kept::default());
        let position = Position {
            path: "/var/log/x".into(),
            device: 7,
            inode: 8,
            offset: 9,
            head: vec![0, 255],
        };
        bookmarks.write_soon(|| unreachable!("nothing was read")).unwrap();
        bookmarks.touch();
        let kept = || Kept::of_files(vec![position.clone()], Drift::default());
        bookmarks.write_soon(kept).unwrap();
        assert_eq!(bookmarks.read().positions(), [position]);
        fs::write(&bookmarks.path, "[{").unwrap();
        assert_eq!(bookmarks.read(), Kept::default());
    }
}
