//! Reads the database of fail2ban (`fail2ban.sqlite3`), for an import.
//!
//! The file is only read and never changed; its rows come out as they are written, for the importer
//! to judge.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use thiserror::Error;

/// A ban, as fail2ban wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JailBan {
    /// The jail.
    pub jail: String,
    /// The address or network, or whatever else the jail's filter tells apart.
    pub subject: String,
    /// When it began, in seconds since 1970.
    pub at: i64,
    /// How long it lasts, in seconds; below zero: forever.
    pub seconds: i64,
    /// Which ban of this subject it is.
    pub count: i64,
}

/// Why a database of fail2ban gives nothing.
#[derive(Debug, Error)]
pub enum Fail2banError {
    /// It does not open as a database.
    #[error("cannot open the database")]
    Open(#[source] rusqlite::Error),
    /// It has no table of bans, or one of another shape.
    #[error("cannot read the table of bans")]
    Read(#[source] rusqlite::Error),
}

/// Returns the bans that the database at `path` has, the newest of each subject and jail.
///
/// # Errors
/// When the file is no database of fail2ban.
pub fn bans(path: &Path) -> Result<Vec<JailBan>, Fail2banError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(Fail2banError::Open)?;
    // Since version 0.11 `bips` holds what is in force; `bans` held all there ever was.
    let current = "SELECT jail, ip, timeofban, bantime, bancount FROM bips";
    let all = "SELECT jail, ip, MAX(timeofban), bantime, bancount FROM bans GROUP BY jail, ip";
    let oldest = "SELECT jail, ip, MAX(timeofban), 600, 1 FROM bans GROUP BY jail, ip";
    let mut statement = [current, all, oldest]
        .into_iter()
        .map(|sql| connection.prepare(sql))
        .reduce(Result::or)
        .expect("there are three")
        .map_err(Fail2banError::Read)?;
    let rows = statement.query_map([], ban).map_err(Fail2banError::Read)?;
    rows.collect::<Result<_, _>>().map_err(Fail2banError::Read)
}

fn ban(row: &Row<'_>) -> rusqlite::Result<JailBan> {
    Ok(JailBan {
        jail: row.get(0)?,
        subject: row.get(1)?,
        at: row.get(2)?,
        seconds: row.get(3)?,
        count: row.get(4)?,
    })
}
