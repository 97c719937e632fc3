//! The ledger: one writing connection, on disk or in memory.
//!
//! Belongs to one thread. Everything that is written goes through [`Ledger::record`] and
//! [`Ledger::prune`].

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use portguard_core::{Record, Span, Timestamp};
use rusqlite::{Connection, config::DbConfig};
use thiserror::Error;

use crate::{
    PruneError, Pruned, Reader, RecordError, carry,
    opening::{self, Found, OpenError},
    place::{self, Access, Place},
    record, retention, schema,
};

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long journal entries are kept.
    pub keep_entries: Span,
    /// How long an offender is remembered after its last offence.
    pub keep_offenders: Span,
    /// How large the file may get, in bytes; beyond it the oldest entries go. What is in force and
    /// who offended is kept even if that alone is more.
    pub max_size: u64,
}

/// What was there when a ledger was opened.
#[derive(Debug)]
pub enum Opening {
    /// Nothing; it begins empty.
    Fresh,
    /// A ledger in good order.
    Existing,
    /// A damaged file, which was put aside for a fresh one.
    Recovered {
        /// Where the damaged file is.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: OpenError,
        /// How many holds and offenders could be carried over into the fresh one.
        salvaged: usize,
    },
    /// The disk cannot be used; the ledger is in memory and ends with the process.
    InMemory {
        /// What is wrong with the disk.
        why: OpenError,
        /// How many holds and offenders could be read from the file all the same.
        salvaged: usize,
    },
}

/// What is in force, who offended, and the journal.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) connection: Connection,
    pub(crate) retention: Retention,
    /// Whether holds that ended while nobody was there have been deleted.
    pub(crate) is_swept: bool,
    home: PathBuf,
    place: Place,
    /// Which file the connection has open: device and inode. `None` in memory.
    file: Option<(u64, u64)>,
    /// In memory: whether all that the file on disk held is here too.
    knows_the_file: bool,
}

impl Ledger {
    /// Opens the ledger at `path`; never fails, but may have to do with memory.
    ///
    /// A missing directory and file are made, for the owner's eyes only. A damaged file is put
    /// aside, with `now` in its name, and what can still be read of its holds and offenders
    /// goes into a fresh one. A file of a newer or another program is left alone.
    pub fn open(path: &Path, retention: Retention, now: Timestamp) -> (Self, Opening) {
        match opening::open_on_disk(path) {
            Ok((connection, found)) => {
                let opening = match found {
                    Found::Ledger => Opening::Existing,
                    Found::Nothing => Opening::Fresh,
                };
                (Self::on_disk(path, connection, retention), opening)
            }
            Err(why @ OpenError::Damaged(_)) => Self::recover(path, retention, now, why),
            Err(why) => Self::in_memory(path, retention, why),
        }
    }

    /// Records a batch: all of it, or nothing.
    ///
    /// # Errors
    /// When the database does not take it; nothing of the batch is kept then.
    pub fn record(&mut self, batch: &[Record]) -> Result<(), RecordError> {
        record::record(&mut self.connection, batch)
    }

    /// Puts `state` (holds and offenders) in the place of all that the ledger has of them, at once.
    ///
    /// # Errors
    /// When the database does not take it; the ledger has what it had then.
    pub fn replace_state(&mut self, state: &[Record]) -> Result<(), RecordError> {
        record::replace_state(&mut self.connection, state)
    }

    /// Deletes a slice of what is too old or too much at `now`, and gives freed space back.
    ///
    /// A call takes tens of milliseconds; while it returns [`Pruned::MoreIsDue`] it should be called again,
    /// other work in between.
    ///
    /// # Errors
    /// When the database does not take the change.
    pub fn prune(&mut self, now: Timestamp) -> Result<Pruned, PruneError> {
        retention::prune(self, now)
    }

    /// Returns a reader for another thread.
    pub fn reader(&self) -> Reader {
        Reader::at(self.place.clone())
    }

    /// Returns whether the ledger ends with the process.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns whether the open file is still the one at the ledger's path. Writing to a deleted
    /// file goes well and keeps nothing.
    pub(crate) fn is_in_place(&self) -> bool {
        self.file.is_none() || self.file == identity(&self.home)
    }

    /// Opens the ledger's path anew. The file that was open is damaged (and put aside) or gone.
    pub(crate) fn start_over(&mut self, standing: Standing, now: Timestamp) -> Opening {
        self.close_untidily();
        if let Standing::Damaged = standing
            && let Err(why) = opening::move_aside(&self.home, now)
        {
            let (connection, place) = opening::open_in_memory();
            *self = Self::at(&self.home, connection, self.retention, place);
            return Opening::InMemory { why, salvaged: 0 };
        }
        let (ledger, opening) = Self::open(&self.home, self.retention, now);
        *self = ledger;
        opening
    }

    /// Goes from memory back to the disk and takes everything along; a damaged file found there is
    /// put aside.
    ///
    /// # Errors
    /// When the disk still cannot be used; the ledger stays in memory then.
    pub(crate) fn return_to_disk(&mut self, now: Timestamp) -> Result<(), ReturnError> {
        let opened = match opening::open_on_disk(&self.home) {
            Err(OpenError::Damaged(_)) => {
                opening::move_aside(&self.home, now)?;
                opening::open_on_disk(&self.home)
            }
            opened => opened,
        };
        let (connection, _) = opened?;
        let mut disk = Self::on_disk(&self.home, connection, self.retention);
        carry::move_over(&self.connection, &mut disk.connection, self.knows_the_file)?;
        *self = disk;
        Ok(())
    }

    fn on_disk(path: &Path, connection: Connection, retention: Retention) -> Self {
        Self::at(path, connection, retention, Place::Disk(path.to_owned()))
    }

    fn at(home: &Path, connection: Connection, retention: Retention, place: Place) -> Self {
        let file = match &place {
            Place::Disk(path) => identity(path),
            Place::Memory(_) => None,
        };
        Self {
            connection,
            retention,
            is_swept: false,
            home: home.to_owned(),
            place,
            file,
            knows_the_file: false,
        }
    }

    fn recover(
        path: &Path,
        retention: Retention,
        now: Timestamp,
        why: OpenError,
    ) -> (Self, Opening) {
        let moved = opening::move_aside(path, now);
        let fresh = moved.and_then(|to| opening::open_on_disk(path).map(|(open, _)| (to, open)));
        match fresh {
            Ok((moved_to, connection)) => {
                let mut ledger = Self::on_disk(path, connection, retention);
                let salvaged = ledger.salvage(Place::Disk(moved_to.clone()).connect(Access::Read));
                (ledger, Opening::Recovered { moved_to, why, salvaged })
            }
            Err(worse) => Self::in_memory(path, retention, worse),
        }
    }

    fn in_memory(path: &Path, retention: Retention, why: OpenError) -> (Self, Opening) {
        let (connection, place) = opening::open_in_memory();
        let mut ledger = Self::at(path, connection, retention, place);
        let mut salvaged = ledger.salvage(Place::Disk(path.to_owned()).connect(Access::Read));
        if !ledger.knows_the_file {
            salvaged = ledger.salvage(place::connect_frozen(path));
        }
        (ledger, Opening::InMemory { why, salvaged })
    }

    /// Carries over what can be read of the holds and offenders of a file, and returns how many.
    fn salvage(&mut self, file: rusqlite::Result<Connection>) -> usize {
        let Ok(file) = file else { return 0 };
        let is_ours = schema::mark(&file).is_ok_and(schema::is_current);
        if !is_ours {
            return 0;
        }
        let salvage = carry::salvage(&file, &mut self.connection);
        self.knows_the_file = salvage.is_whole;
        salvage.saved
    }

    /// Closes the connection without the last checkpoint: that would delete the write-ahead log by
    /// its name, which may be another file's by then.
    fn close_untidily(&mut self) {
        // Without it the close is tidy, which is right in all but the rarest case.
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        let (memory, _) = opening::open_in_memory();
        self.connection = memory;
    }
}

/// Why a ledger in memory cannot go back to the disk.
#[derive(Debug, Error)]
pub(crate) enum ReturnError {
    /// The file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is in memory cannot be written there.
    #[error(transparent)]
    Write(#[from] RecordError),
}

/// What is wrong with the file that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its content is broken.
    Damaged,
    /// It is no longer at its path.
    Gone,
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
