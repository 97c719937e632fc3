//! The tables, and the steps that lead from one version of them to the next.
//!
//! Steps only go forward and are never edited once released: a file in the field has been through
//! them. A new one is appended, and the file's `user_version` counts those it has been through.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::OpenError;

/// Marks a SQLite file as a ledger of ours (`PGLD`).
const APPLICATION_ID: i32 = 0x5047_4C44;

/// One step from a version of the tables to the next.
type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// All steps, oldest first; the first one starts from an empty file.
const STEPS: [Step; 5] =
    [create_tables, create_doors, create_proposals, create_chart_index, add_pause];

/// What a file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It holds nothing.
    Empty,
    /// It is a ledger whose tables have been through this many steps.
    Ledger(usize),
}

/// Returns what the file says about itself; only reads it.
///
/// # Errors
/// When it cannot be read, or belongs to another program.
pub(crate) fn mark(connection: &Connection) -> Result<Mark, OpenError> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (id, tables) {
        (0, 0) => Ok(Mark::Empty),
        (APPLICATION_ID, _) => Ok(Mark::Ledger(usize::try_from(version).unwrap_or(usize::MAX))),
        _ => Err(OpenError::Foreign),
    }
}

/// Returns whether this program may write a file that says this about itself.
///
/// # Errors
/// When the file comes from a newer program.
pub(crate) fn check_version(mark: Mark) -> Result<(), OpenError> {
    due_steps(mark, &STEPS).map(drop)
}

/// Brings the tables up to what this program knows.
///
/// # Errors
/// When the file comes from a newer program, or a step fails; a failed step changes nothing.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    take_steps(connection, &STEPS)
}

/// Returns whether the tables are the ones that this program knows.
pub(crate) fn is_current(mark: Mark) -> bool {
    mark == Mark::Ledger(STEPS.len())
}

fn take_steps(connection: &mut Connection, steps: &[Step]) -> Result<(), OpenError> {
    let due = due_steps(mark(connection)?, steps)?;
    if due.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in due {
        step(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(steps.len()).unwrap_or(i64::MAX),
    )?;
    Ok(transaction.commit()?)
}

fn due_steps(mark: Mark, steps: &[Step]) -> Result<&[Step], OpenError> {
    let taken = match mark {
        Mark::Empty => 0,
        Mark::Ledger(version) => version,
    };
    steps.get(taken..).ok_or(OpenError::Newer { found: taken, known: steps.len() })
}

/// Version 1. Moments are milliseconds since the epoch; an `until` of 2^63-1 is "forever". A subject
/// stands in a list at most twice: once for all ports and once limited to some.
fn create_tables(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute(
        "CREATE TABLE holds (
            subject    BLOB    NOT NULL,
            list       TEXT    NOT NULL,
            is_limited INTEGER NOT NULL,
            ports      BLOB    NOT NULL,
            since      INTEGER NOT NULL,
            until      INTEGER NOT NULL,
            nth_ban    INTEGER NOT NULL,
            author     TEXT    NOT NULL,
            reason     TEXT    NOT NULL,
            PRIMARY KEY (subject, list, is_limited)
        ) STRICT, WITHOUT ROWID",
        [],
    )?;
    transaction.execute(
        "CREATE TABLE offenders (
            subject  BLOB    NOT NULL PRIMARY KEY,
            offences INTEGER NOT NULL,
            bans     INTEGER NOT NULL,
            first    INTEGER NOT NULL,
            last     INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        [],
    )?;
    transaction.execute("CREATE INDEX offenders_by_last ON offenders (last)", [])?;
    transaction.execute(
        "CREATE TABLE entries (
            id       INTEGER PRIMARY KEY,
            at       INTEGER NOT NULL,
            kind     TEXT    NOT NULL,
            level    TEXT    NOT NULL,
            subject  BLOB,
            measure  TEXT,
            ports    BLOB    NOT NULL,
            until    INTEGER,
            nth_ban  INTEGER NOT NULL,
            author   TEXT,
            text     TEXT    NOT NULL,
            details  TEXT,
            evidence TEXT
        ) STRICT",
        [],
    )?;
    transaction.execute("CREATE INDEX entries_by_time ON entries (at)", [])?;
    transaction.execute(
        "CREATE INDEX entries_by_subject ON entries (subject) WHERE subject IS NOT NULL",
        [],
    )?;
    Ok(())
}

/// Version 2: what operators decided about ports. The source of a door is no bytes for everybody.
fn create_doors(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute(
        "CREATE TABLE doors (
            act      TEXT    NOT NULL,
            source   BLOB    NOT NULL,
            protocol INTEGER NOT NULL,
            port     INTEGER NOT NULL,
            since    INTEGER NOT NULL,
            until    INTEGER NOT NULL,
            author   TEXT    NOT NULL,
            service  TEXT    NOT NULL,
            PRIMARY KEY (act, source, protocol, port)
        ) STRICT, WITHOUT ROWID",
        [],
    )?;
    transaction.execute(
        "CREATE TABLE rulings (
            of       TEXT    NOT NULL PRIMARY KEY,
            approved INTEGER NOT NULL,
            since    INTEGER NOT NULL,
            author   TEXT    NOT NULL
        ) STRICT, WITHOUT ROWID",
        [],
    )?;
    transaction.execute(
        "CREATE TABLE standing (
            id       INTEGER PRIMARY KEY,
            posture  TEXT,
            rejected TEXT,
            pending  TEXT,
            detail   TEXT,
            ports    BLOB NOT NULL,
            since    INTEGER,
            deadline INTEGER,
            author   TEXT
        ) STRICT",
        [],
    )?;
    Ok(())
}

/// Version 3: rules that anomalies lead to.
fn create_proposals(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute(
        "CREATE TABLE proposals (
            id         INTEGER PRIMARY KEY,
            subject    BLOB    NOT NULL,
            measure    TEXT    NOT NULL,
            ports      BLOB    NOT NULL,
            span       TEXT    NOT NULL,
            origin     TEXT    NOT NULL,
            severity   TEXT    NOT NULL,
            confidence INTEGER NOT NULL,
            evidence   TEXT,
            since      INTEGER NOT NULL,
            until      INTEGER NOT NULL,
            times      INTEGER NOT NULL,
            dismissed  INTEGER NOT NULL
        ) STRICT",
        [],
    )?;
    Ok(())
}

/// Version 4: charts count without reading the lines themselves.
fn create_chart_index(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute(
        "CREATE INDEX entries_for_charts ON entries (at, kind, measure) \
         WHERE kind IN ('offence', 'decision')",
        [],
    )?;
    Ok(())
}

/// Version 5: until when nobody is turned away.
fn add_pause(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute("ALTER TABLE standing ADD COLUMN paused INTEGER", []).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_colour(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("ALTER TABLE offenders ADD COLUMN colour TEXT", []).map(drop)
    }

    fn fail_half_way(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("DROP TABLE offenders", [])?;
        transaction.execute("this is no SQL", []).map(drop)
    }

    fn ledger_of_version_1() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        take_steps(&mut connection, &[create_tables]).unwrap();
        connection
            .execute("INSERT INTO offenders VALUES (x'04c000020720', 3, 1, 1000, 2000)", [])
            .unwrap();
        connection
    }

    #[test]
    fn a_step_keeps_what_is_there() {
        let mut connection = ledger_of_version_1();
        take_steps(&mut connection, &[create_tables, add_colour]).unwrap();
        assert_eq!(mark(&connection).unwrap(), Mark::Ledger(2));
        let row: (u32, Option<String>) = connection
            .query_row("SELECT offences, colour FROM offenders", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, (3, None));
    }

    #[test]
    fn steps_already_taken_are_not_taken_again() {
        let mut connection = ledger_of_version_1();
        take_steps(&mut connection, &[fail_half_way]).unwrap();
        assert_eq!(mark(&connection).unwrap(), Mark::Ledger(1));
    }

    #[test]
    fn a_failed_step_changes_nothing() {
        let mut connection = ledger_of_version_1();
        assert!(take_steps(&mut connection, &[create_tables, add_colour, fail_half_way]).is_err());
        assert_eq!(mark(&connection).unwrap(), Mark::Ledger(1));
        let offences: u32 =
            connection.query_row("SELECT offences FROM offenders", [], |row| row.get(0)).unwrap();
        assert_eq!(offences, 3);
    }

    #[test]
    fn tables_of_a_newer_program_are_refused_by_number() {
        let mut connection = ledger_of_version_1();
        take_steps(&mut connection, &[create_tables, add_colour]).unwrap();
        let why = take_steps(&mut connection, &[create_tables]).unwrap_err();
        assert!(matches!(why, OpenError::Newer { found: 2, known: 1 }), "{why}");
    }
}
