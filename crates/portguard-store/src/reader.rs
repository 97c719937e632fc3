//! Answers questions from the ledger while another thread writes it.
//!
//! Each reader has a connection of its own and follows the ledger when the keeper has to move it.
//! Rows that do not read back as they were written (a flipped bit inside a sound page) are left out.

mod chart;
mod query;
pub(crate) mod rows;

use std::{path::Path, sync::Arc, time::Duration};

use portguard_core::{
    ListedDoor, ListedHold, Offender, Proposal, Ruling, Standing, Subject, Timestamp,
};
use rusqlite::{Connection, ErrorCode};
use thiserror::Error;

pub use chart::Counted;
pub use query::{EntryQuery, Order};

use crate::{
    StoredEntry, doors,
    opening::is_damage,
    place::{Access, Place, PlaceSlot},
    proposals,
};

/// Reads the ledger; belongs to one thread.
#[derive(Debug)]
pub struct Reader {
    slot: PlaceSlot,
    open: Option<(Arc<Place>, Connection)>,
}

/// How many rows a reading found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows handed over.
    pub read: usize,
    /// Rows left out because they do not read back as they were written.
    pub skipped: usize,
}

/// All that the ledger knows of a subject, of the networks around it and of those inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// What is in force, in the order of subjects; at most [`Story::LIMIT`].
    pub holds: Vec<ListedHold>,
    /// Who offended, in the order of subjects; at most [`Story::LIMIT`].
    pub offenders: Vec<(Subject, Offender)>,
    /// What happened, oldest first; the newest [`Story::LIMIT`].
    pub entries: Vec<StoredEntry>,
}

impl Story {
    /// How much of each kind a story tells: more than a person reads, and half a megabyte.
    pub const LIMIT: usize = 1_000;
}

/// Why a question could not be answered.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file's content is broken.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// Another program keeps the database locked.
    #[error("another program keeps the ledger locked")]
    Locked,
    /// The database failed in another way.
    #[error("cannot read the ledger")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for ReadError {
    fn from(why: rusqlite::Error) -> Self {
        match why.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ if is_damage(&why) => Self::Damaged(why.to_string()),
            _ => Self::Database(why),
        }
    }
}

impl Reader {
    /// Returns a reader of the ledger at `path`. [`Keeper::reader`](crate::Keeper::reader) gives one
    /// that follows the ledger when it moves.
    ///
    /// # Errors
    /// When there is no ledger, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut reader = Self::at(Place::Disk(path.to_owned()));
        reader.connection()?;
        Ok(reader)
    }

    /// Hands over what is in force at `now`, in the order of subjects, in chunks of up to
    /// [`Reader::CHUNK`].
    ///
    /// What is handed over is the state of one moment: writing goes on meanwhile, unseen.
    ///
    /// # Errors
    /// When the database fails; what came before has been handed over.
    pub fn holds(
        &mut self,
        now: Timestamp,
        each: impl FnMut(Vec<ListedHold>),
    ) -> Result<Tally, ReadError> {
        Ok(rows::each_hold(self.connection()?, now, each)?)
    }

    /// How many holds are handed over at once: 0.9 MiB of memory.
    pub const CHUNK: usize = rows::CHUNK;

    /// Returns up to `limit` offenders, those with the newest last offence first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn offenders(&mut self, limit: usize) -> Result<Vec<(Subject, Offender)>, ReadError> {
        Ok(rows::newest_offenders(self.connection()?, limit)?)
    }

    /// Returns the ports that operators opened or shut and that are so at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn doors(&mut self, now: Timestamp) -> Result<Vec<ListedDoor>, ReadError> {
        Ok(doors::doors(self.connection()?, now)?)
    }

    /// Returns the proposed rules that are not over at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn proposals(&mut self, now: Timestamp) -> Result<Vec<Proposal>, ReadError> {
        Ok(proposals::proposals(self.connection()?, now)?)
    }

    /// Returns what operators said of listening sockets.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rulings(&mut self) -> Result<Vec<Ruling>, ReadError> {
        Ok(doors::rulings(self.connection()?)?)
    }

    /// Returns what operators decided about the posture, and what waits for confirmation.
    ///
    /// # Errors
    /// When the database fails, or the row does not read back.
    pub fn standing(&mut self) -> Result<Standing, ReadError> {
        Ok(doors::standing(self.connection()?)?)
    }

    /// Returns the journal lines that `query` asks for.
    ///
    /// # Errors
    /// When the database fails.
    pub fn entries(&mut self, query: &EntryQuery) -> Result<Vec<StoredEntry>, ReadError> {
        Ok(query::entries(self.connection()?, query)?)
    }

    /// Returns the number of the newest journal line; 0 if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn newest_entry(&mut self) -> Result<i64, ReadError> {
        let newest = "SELECT coalesce(max(id), 0) FROM entries";
        Ok(self.connection()?.query_row(newest, [], |row| row.get(0))?)
    }

    /// Returns what the journal counts in each of `steps` steps of this length from `begin` on.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counted(
        &mut self,
        begin: Timestamp,
        step: Duration,
        steps: usize,
    ) -> Result<Vec<Counted>, ReadError> {
        Ok(chart::counted(self.connection()?, begin, step, steps)?)
    }

    /// Returns all that is known of `subject`, of the networks around it and of those inside it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn story(&mut self, subject: Subject) -> Result<Story, ReadError> {
        let connection = self.connection()?;
        // One transaction, so that the parts tell of the same moment.
        let moment = connection.unchecked_transaction()?;
        let story = query::story(&moment, subject)?;
        moment.finish()?;
        Ok(story)
    }

    pub(crate) fn at(place: Place) -> Self {
        Self::following(PlaceSlot::new(place))
    }

    pub(crate) fn following(slot: PlaceSlot) -> Self {
        Self { slot, open: None }
    }

    /// Returns a connection to where the ledger is.
    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        let newest = self.slot.newest();
        let connection = match self.open.take() {
            Some((place, connection)) if Arc::ptr_eq(&place, &newest) => connection,
            _ => newest.connect(Access::Read)?,
        };
        Ok(&self.open.insert((newest, connection)).1)
    }
}
