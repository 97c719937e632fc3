//! Reads the database of Port Trap (`datatrap.db`), an older program, for an import.
//!
//! The file is only read, never locked for long and never changed; its rows come out as they are
//! written, for the importer to judge.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, types::Value};
use thiserror::Error;

/// One touch of a trap, as Port Trap wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The row's number.
    pub id: i64,
    /// When it happened, in seconds since the Unix epoch.
    pub at: i64,
    /// When the ban that followed is over, in seconds since the Unix epoch.
    pub until: i64,
    /// The address, as text.
    pub address: String,
    /// Where the trap was: its port, or `address:port` for a trap bound to an address.
    pub place: String,
    /// What became of the ban: 1 in force, 0 over, 8 forever.
    pub state: i64,
}

/// Why a database of Port Trap gives nothing.
#[derive(Debug, Error)]
pub enum PortTrapError {
    /// It does not open as a database.
    #[error("cannot open the database")]
    Open(#[source] rusqlite::Error),
    /// It has no table of touches, or one of another shape.
    #[error("cannot read the table `ips`")]
    Read(#[source] rusqlite::Error),
}

/// Returns every touch in the database at `path`, oldest first, and how many rows do not read as
/// one.
///
/// # Errors
/// When the file is no database of Port Trap.
pub fn touches(path: &Path) -> Result<(Vec<Touch>, usize), PortTrapError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(PortTrapError::Open)?;
    let sql = "SELECT id, ts, delafter, ip, port, banned FROM ips ORDER BY ts, id";
    let mut statement = connection.prepare(sql).map_err(PortTrapError::Read)?;
    let mut rows = statement.query([]).map_err(PortTrapError::Read)?;
    let mut touches = Vec::new();
    let mut unreadable = 0;
    while let Some(row) = rows.next().map_err(PortTrapError::Read)? {
        match touch(row) {
            Ok(touch) => touches.push(touch),
            Err(_) => unreadable += 1,
        }
    }
    Ok((touches, unreadable))
}

fn touch(row: &Row<'_>) -> rusqlite::Result<Touch> {
    Ok(Touch {
        id: row.get(0)?,
        at: row.get(1)?,
        until: row.get(2)?,
        address: row.get(3)?,
        place: place(row.get(4)?),
        state: row.get(5)?,
    })
}

/// Port Trap's column is for numbers, but holds a text where the trap was bound to an address.
fn place(value: Value) -> String {
    match value {
        Value::Integer(port) => port.to_string(),
        Value::Text(place) => place,
        Value::Null | Value::Real(_) | Value::Blob(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("datatrap.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        (folder, path)
    }

    #[test]
    fn touches_come_oldest_first_and_broken_rows_are_counted() {
        let (_folder, path) = database(
            "CREATE TABLE ips (id INTEGER PRIMARY KEY, ts, delafter, ip, port, detected, banned, inet);
             INSERT INTO ips VALUES (1, 200, 3800, '192.0.2.7', 23, 'later', 1, 4);
             INSERT INTO ips VALUES (2, 100, 3700, '2001:db8::1', '192.0.2.1:83', 'first', 0, 6);
             INSERT INTO ips VALUES (3, 'soon', NULL, '192.0.2.8', 23, 'broken', 0, 4);",
        );
        let (touches, unreadable) = touches(&path).unwrap();
        let story: Vec<_> = touches
            .iter()
            .map(|touch| format!("{} {} {} {}", touch.at, touch.address, touch.place, touch.state))
            .collect();
        assert_eq!(story, ["100 2001:db8::1 192.0.2.1:83 0", "200 192.0.2.7 23 1"]);
        assert_eq!(unreadable, 1);
    }

    #[test]
    fn another_programs_database_is_refused() {
        let (_folder, path) = database("CREATE TABLE other (id INTEGER);");
        assert!(matches!(touches(&path), Err(PortTrapError::Read(_))));
    }
}
