//! How a batch of records is written in one transaction.

use portguard_core::{ListedHold, Record};
use rusqlite::{CachedStatement, Connection, ErrorCode, Transaction, TransactionBehavior, params};
use thiserror::Error;

use crate::{
    PruneError, StoredEntry,
    column::{Column, SubjectKey},
    doors::{self, DoorWriter},
    opening::is_damage,
    proposals::{self, ProposalWriter},
};

/// Why a batch could not be recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// No space is left where the file is.
    #[error("the disk is full")]
    NoSpace,
    /// Another program keeps the database locked.
    #[error("another program keeps the ledger locked")]
    Locked,
    /// The file's content is broken.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The database failed in another way.
    #[error("cannot write the ledger")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for RecordError {
    fn from(why: rusqlite::Error) -> Self {
        match why.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoSpace,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ if is_damage(&why) => Self::Damaged(why.to_string()),
            _ => Self::Database(why),
        }
    }
}

impl From<PruneError> for RecordError {
    fn from(why: PruneError) -> Self {
        why.0.into()
    }
}

/// Writes a batch in one transaction.
pub(crate) fn record(connection: &mut Connection, batch: &[Record]) -> Result<(), RecordError> {
    let transaction = begin(connection)?;
    write_all(&transaction, batch)?;
    Ok(transaction.commit()?)
}

/// Deletes all state (everything but the journal) and writes `state` in one transaction.
pub(crate) fn replace_state(
    connection: &mut Connection,
    state: &[Record],
) -> Result<(), RecordError> {
    let transaction = begin(connection)?;
    transaction.execute("DELETE FROM holds", [])?;
    transaction.execute("DELETE FROM offenders", [])?;
    for table in SMALL_TABLES {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    write_all(&transaction, state)?;
    Ok(transaction.commit()?)
}

/// The tables of what there are few of.
pub(crate) const SMALL_TABLES: [&str; 4] = ["doors", "rulings", "standing", "proposals"];

/// Returns what they hold as records, for another ledger.
pub(crate) fn small_records(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    Ok([doors::records(connection)?, proposals::records(connection)?].concat())
}

/// Begins a transaction that has the right to write from its first moment, so that it cannot fail
/// half-way because somebody else wrote in between.
pub(crate) fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn write_all(connection: &Connection, batch: &[Record]) -> rusqlite::Result<()> {
    let mut writer = Writer::new(connection)?;
    batch.iter().try_for_each(|record| writer.write(record))
}

/// The statements that write records, one for each kind.
pub(crate) struct Writer<'c> {
    entry: CachedStatement<'c>,
    hold: CachedStatement<'c>,
    hold_ended: CachedStatement<'c>,
    offender: CachedStatement<'c>,
    doors: DoorWriter<'c>,
    proposals: ProposalWriter<'c>,
}

impl<'c> Writer<'c> {
    /// Returns the statements, prepared; fails where a table is not as expected.
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            entry: connection.prepare_cached(
                "INSERT INTO entries (at, kind, level, subject, measure, ports, until, nth_ban, \
                 author, text, details, evidence) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?,
            hold: connection.prepare_cached(
                "INSERT OR REPLACE INTO holds \
                 (subject, list, is_limited, ports, since, until, nth_ban, author, reason) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            hold_ended: connection.prepare_cached(
                "DELETE FROM holds WHERE subject = ?1 AND list = ?2 AND is_limited = ?3",
            )?,
            offender: connection.prepare_cached(
                "INSERT OR REPLACE INTO offenders (subject, offences, bans, first, last) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            doors: DoorWriter::new(connection)?,
            proposals: ProposalWriter::new(connection)?,
        })
    }

    /// Writes one record.
    pub(crate) fn write(&mut self, record: &Record) -> rusqlite::Result<()> {
        match record {
            Record::Entry(entry) => self.write_entry(&StoredEntry::from(entry)),
            Record::Hold(hold) => self.write_hold(hold),
            Record::HoldEnded { list, subject, ports } => self
                .hold_ended
                .execute(params![SubjectKey::exactly(*subject), Column(*list), !ports.is_empty()])
                .map(drop),
            Record::Offender(subject, offender) => self
                .offender
                .execute(params![
                    SubjectKey::exactly(*subject),
                    offender.offences,
                    offender.bans,
                    Column(offender.first),
                    Column(offender.last)
                ])
                .map(drop),
            Record::Door(listed) => self.doors.write_door(listed),
            Record::DoorEnded(door) => self.doors.end_door(*door),
            Record::Ruling(ruling) => self.doors.write_ruling(ruling),
            Record::RulingEnded(of) => self.doors.end_ruling(of),
            Record::Proposal(proposal) => self.proposals.write(proposal),
            Record::ProposalEnded(id) => self.proposals.end(*id),
            Record::Standing(standing) => self.doors.write_standing(standing),
        }
    }

    /// Writes a journal line under the next free id.
    pub(crate) fn write_entry(&mut self, entry: &StoredEntry) -> rusqlite::Result<()> {
        self.entry
            .execute(params![
                Column(entry.at),
                entry.kind,
                Column(entry.level),
                entry.subject.map(SubjectKey::exactly),
                entry.measure.map(Column),
                Column(entry.ports.as_slice()),
                entry.until.map(Column),
                entry.nth_ban,
                entry.author.map(Column),
                entry.text,
                Column(&entry.details),
                Column(&entry.evidence)
            ])
            .map(drop)
    }

    fn write_hold(&mut self, hold: &ListedHold) -> rusqlite::Result<()> {
        self.hold
            .execute(params![
                SubjectKey::exactly(hold.subject),
                Column(hold.list),
                !hold.ports.is_empty(),
                Column(hold.ports.as_slice()),
                Column(hold.since),
                Column(hold.until),
                hold.nth_ban,
                Column(hold.author),
                &*hold.reason
            ])
            .map(drop)
    }
}
