//! Carries what one ledger knows into another: out of a damaged or read-only file, or from memory
//! back to the disk.

use portguard_core::{ListedHold, Record, Timestamp};
use rusqlite::Connection;

use crate::{
    RecordError, StoredEntry, doors,
    journal::ENTRY_COLUMNS,
    proposals,
    reader::rows,
    record::{SMALL_TABLES, Writer, begin, record, small_records},
};

/// What could be saved of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salvage {
    /// How many holds and offenders were.
    pub(crate) saved: usize,
    /// Whether they were all that the file has.
    pub(crate) is_whole: bool,
}

/// Carries over the holds and offenders that can be read, up to the first broken page of each
/// table.
pub(crate) fn salvage(from: &Connection, to: &mut Connection) -> Salvage {
    let mut salvage = Salvage { saved: 0, is_whole: true };
    let mut keep = |records: Vec<Record>| {
        let is_kept = record(to, &records).is_ok();
        salvage.saved += if is_kept { records.len() } else { 0 };
        salvage.is_whole &= is_kept;
    };
    let small = [doors::records(from), proposals::records(from)].map(|all| all.map(&mut keep));
    let read = [
        rows::each_hold(from, Timestamp::default(), |holds| keep(as_records(holds))),
        rows::each_offender(from, |offenders| {
            keep(offenders.into_iter().map(|(who, what)| Record::Offender(who, what)).collect());
        }),
    ];
    salvage.is_whole &= small.iter().all(Result::is_ok);
    salvage.is_whole &= read.iter().all(|tally| tally.as_ref().is_ok_and(|it| it.skipped == 0));
    salvage
}

/// Carries everything over in one transaction. With `from_knows_all`, holds and offenders that
/// `from` does not have are deleted: they ended meanwhile.
pub(crate) fn move_over(
    from: &Connection,
    to: &mut Connection,
    from_knows_all: bool,
) -> Result<(), RecordError> {
    let transaction = begin(to)?;
    if from_knows_all {
        transaction.execute("DELETE FROM holds", [])?;
        transaction.execute("DELETE FROM offenders", [])?;
        for table in SMALL_TABLES {
            transaction.execute(&format!("DELETE FROM {table}"), [])?;
        }
    }
    let mut writer = Writer::new(&transaction)?;
    let mut failure = Ok(());
    let mut keep = |records: Vec<Record>| {
        if failure.is_ok() {
            failure = records.iter().try_for_each(|record| writer.write(record));
        }
    };
    rows::each_hold(from, Timestamp::default(), |holds| keep(as_records(holds)))?;
    rows::each_offender(from, |offenders| {
        keep(offenders.into_iter().map(|(who, what)| Record::Offender(who, what)).collect());
    })?;
    keep(small_records(from)?);
    failure?;
    let mut lines = from.prepare(&format!("SELECT {ENTRY_COLUMNS} FROM entries ORDER BY id"))?;
    for line in lines.query_map([], StoredEntry::read)? {
        writer.write_entry(&line?)?;
    }
    drop(writer);
    Ok(transaction.commit()?)
}

fn as_records(holds: Vec<ListedHold>) -> Vec<Record> {
    holds.into_iter().map(Record::Hold).collect()
}
