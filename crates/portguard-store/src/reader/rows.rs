//! Rows of the state tables as words of the domain.

use std::{collections::HashSet, sync::Arc};

use portguard_core::{ListedHold, Offender, Subject, Timestamp};
use rusqlite::{Connection, Params, Row, params};

use crate::{Tally, column::Column};

/// How many rows are handed over at once.
pub(crate) const CHUNK: usize = 10_000;

/// The columns of a hold, in the order in which [`hold`] wants them.
pub(crate) const HOLD_COLUMNS: &str = "subject, list, ports, since, until, nth_ban, author, reason";

/// The columns of an offender, in the order in which [`offender`] wants them.
pub(crate) const OFFENDER_COLUMNS: &str = "subject, offences, bans, first, last";

/// Hands over the holds that are in force at `now`, in chunks.
pub(crate) fn each_hold(
    connection: &Connection,
    now: Timestamp,
    each: impl FnMut(Vec<ListedHold>),
) -> rusqlite::Result<Tally> {
    let mut reasons = Reasons::default();
    let sql = format!("SELECT {HOLD_COLUMNS} FROM holds WHERE until > ?1 ORDER BY subject");
    in_chunks(connection, &sql, [Column(now)], |row| hold(row, &mut reasons), each)
}

/// Hands over all offenders, in chunks.
pub(crate) fn each_offender(
    connection: &Connection,
    each: impl FnMut(Vec<(Subject, Offender)>),
) -> rusqlite::Result<Tally> {
    let sql = format!("SELECT {OFFENDER_COLUMNS} FROM offenders ORDER BY subject");
    in_chunks(connection, &sql, [], offender, each)
}

/// Returns up to `limit` offenders, those with the newest last offence first.
pub(crate) fn newest_offenders(
    connection: &Connection,
    limit: usize,
) -> rusqlite::Result<Vec<(Subject, Offender)>> {
    let sql = format!("SELECT {OFFENDER_COLUMNS} FROM offenders ORDER BY last DESC LIMIT ?1");
    let mut found = Vec::new();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    in_chunks(connection, &sql, params![limit], offender, |chunk| found.extend(chunk))?;
    Ok(found)
}

/// Runs a question and hands over its rows in chunks; a row that does not read back is counted.
/// Where the database fails, what came before has been handed over.
pub(crate) fn in_chunks<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    mut each: impl FnMut(Vec<T>),
) -> rusqlite::Result<Tally> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut tally = Tally::default();
    let mut chunk = Vec::new();
    let end = loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break Ok(()),
            Err(why) => break Err(why),
        };
        match read(row) {
            Ok(value) => chunk.push(value),
            Err(_) => tally.skipped += 1,
        }
        if chunk.len() == CHUNK {
            tally.read += CHUNK;
            each(std::mem::take(&mut chunk));
        }
    };
    if !chunk.is_empty() {
        tally.read += chunk.len();
        each(chunk);
    }
    end.map(|()| tally)
}

/// Reads a row of [`HOLD_COLUMNS`].
pub(crate) fn hold(row: &Row<'_>, reasons: &mut Reasons) -> rusqlite::Result<ListedHold> {
    Ok(ListedHold {
        subject: row.get::<_, Column<_>>(0)?.0,
        list: row.get::<_, Column<_>>(1)?.0,
        ports: row.get::<_, Column<_>>(2)?.0,
        since: row.get::<_, Column<_>>(3)?.0,
        until: row.get::<_, Column<_>>(4)?.0,
        nth_ban: row.get(5)?,
        author: row.get::<_, Column<_>>(6)?.0,
        reason: reasons.shared(row.get_ref(7)?.as_str()?),
    })
}

/// Reads a row of [`OFFENDER_COLUMNS`].
pub(crate) fn offender(row: &Row<'_>) -> rusqlite::Result<(Subject, Offender)> {
    let offender = Offender {
        offences: row.get(1)?,
        bans: row.get(2)?,
        first: row.get::<_, Column<_>>(3)?.0,
        last: row.get::<_, Column<_>>(4)?.0,
    };
    Ok((row.get::<_, Column<_>>(0)?.0, offender))
}

/// Reasons already read: a million holds have some dozen different ones, kept once each.
#[derive(Debug, Default)]
pub(crate) struct Reasons(HashSet<Arc<str>>);

impl Reasons {
    /// How many are remembered; reasons with an address or a time in them are all different, and
    /// sharing gains nothing there.
    const LIMIT: usize = 1_024;

    fn shared(&mut self, reason: &str) -> Arc<str> {
        if let Some(known) = self.0.get(reason) {
            return Arc::clone(known);
        }
        let new: Arc<str> = reason.into();
        if self.0.len() < Self::LIMIT {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}
