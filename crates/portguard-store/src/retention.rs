//! Forgets: what is too old, and the oldest of what is too much, in slices of some 40 ms.

use portguard_core::{Span, Timestamp};
use rusqlite::{Connection, params};
use thiserror::Error;

use crate::{Ledger, column::Column};

/// Whether a call of [`Ledger::prune`] has left something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pruned {
    /// Nothing that is due is left.
    Done,
    /// The slice was full; there is more.
    MoreIsDue,
}

/// Why old rows could not be deleted.
#[derive(Debug, Error)]
#[error("cannot delete old rows from the ledger")]
pub struct PruneError(#[from] pub(crate) rusqlite::Error);

/// How many rows one call deletes: 40 ms of work among a million (`benches/ledger`).
const SLICE: u32 = 5_000;

/// How many free pages one call gives back to the file system: 4 MiB.
const PAGES_SLICE: i64 = 1_024;

/// One page in so many may be free before space is given back, so that a ledger in balance does not
/// shrink and grow all the time.
const FREE_SHARE: i64 = 8;

/// How large a ledger in memory may get before its oldest entries go, in bytes. It stands in for
/// a disk that cannot be used, on a machine whose memory is meant for other things.
const MEMORY_SIZE: u64 = 32 << 20;

/// Deletes one slice of the first kind of row that is due, then gives space back.
pub(crate) fn prune(ledger: &mut Ledger, now: Timestamp) -> Result<Pruned, PruneError> {
    let retention = ledger.retention;
    let connection = &ledger.connection;
    if !ledger.is_swept {
        ledger.is_swept = delete_ended_holds(connection, now)? < SLICE as usize;
        if !ledger.is_swept {
            return Ok(Pruned::MoreIsDue);
        }
    }
    if let Some(limit) = before(now, retention.keep_entries)
        && delete_entries_before(connection, limit)? == SLICE as usize
    {
        return Ok(Pruned::MoreIsDue);
    }
    if let Some(limit) = before(now, retention.keep_offenders)
        && delete_offenders_before(connection, limit)? == SLICE as usize
    {
        return Ok(Pruned::MoreIsDue);
    }
    let max_size = if ledger.is_in_memory() {
        retention.max_size.min(MEMORY_SIZE)
    } else {
        retention.max_size
    };
    Ok(shrink(connection, max_size)?)
}

/// Returns the moment before which things are too old, if there is one.
fn before(now: Timestamp, keep: Span) -> Option<Timestamp> {
    let Span::For(keep) = keep else { return None };
    let keep = u64::try_from(keep.as_millis()).ok()?;
    now.as_millis().checked_sub(keep).map(Timestamp::from_millis)
}

/// Nobody deletes a hold or a door that ended while the daemon was away: the guard never hears of
/// it. There are few doors, so they go all at once; proposed rules too.
fn delete_ended_holds(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM doors WHERE until <= ?1", [Column(now)])?;
    connection.execute("DELETE FROM proposals WHERE until <= ?1", [Column(now)])?;
    connection
        .prepare_cached(
            "DELETE FROM holds WHERE (subject, list, is_limited) IN \
             (SELECT subject, list, is_limited FROM holds WHERE until <= ?1 LIMIT ?2)",
        )?
        .execute(params![Column(now), SLICE])
}

/// The newest entry stays however old it is, so that its id is never given out again.
fn delete_entries_before(connection: &Connection, limit: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM entries WHERE id IN \
             (SELECT id FROM entries WHERE at < ?1 ORDER BY at LIMIT ?2) \
             AND id < (SELECT max(id) FROM entries)",
        )?
        .execute(params![Column(limit), SLICE])
}

fn delete_offenders_before(connection: &Connection, limit: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM offenders WHERE subject IN \
             (SELECT subject FROM offenders WHERE last < ?1 ORDER BY last LIMIT ?2)",
        )?
        .execute(params![Column(limit), SLICE])
}

/// Brings the file nearer to its allowance: first by giving free pages back, then by deleting the
/// oldest entries.
fn shrink(connection: &Connection, max_size: u64) -> rusqlite::Result<Pruned> {
    let pages = Pages::of(connection)?;
    let is_too_large = pages.total > pages.allowed(max_size);
    if pages.free > 0 && (is_too_large || pages.free > pages.total / FREE_SHARE) {
        give_back(connection)?;
        let left = Pages::of(connection)?;
        let is_still_too_large = left.total > left.allowed(max_size);
        let is_more_due = left.total < pages.total && (left.free > 0 || is_still_too_large);
        return Ok(if is_more_due { Pruned::MoreIsDue } else { Pruned::Done });
    }
    if is_too_large && delete_entries_before(connection, Timestamp::MAX)? > 0 {
        return Ok(Pruned::MoreIsDue);
    }
    Ok(Pruned::Done)
}

/// How a file's pages are used.
struct Pages {
    total: i64,
    free: i64,
    size: i64,
}

impl Pages {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Self {
            total: number("page_count")?,
            free: number("freelist_count")?,
            size: number("page_size")?,
        })
    }

    fn allowed(&self, max_size: u64) -> i64 {
        i64::try_from(max_size).unwrap_or(i64::MAX) / self.size.max(1)
    }
}

fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_SLICE})"))?;
    let mut steps = statement.query([])?;
    // Each step gives one page back.
    while steps.next()?.is_some() {}
    Ok(())
}
