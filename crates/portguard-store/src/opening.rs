//! Gets a usable connection to the ledger's file, and puts a damaged file out of the way.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use portguard_core::Timestamp;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use thiserror::Error;

use crate::{
    place::{Access, Place},
    record::Writer,
    schema::{self, Mark},
};

/// Why a ledger cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file comes from a newer program.
    #[error(
        "a newer version of this program wrote the ledger: its tables are of version {found}, \
         this program knows {known}"
    )]
    Newer {
        /// The version of the tables in the file.
        found: usize,
        /// The newest version that this program knows.
        known: usize,
    },
    /// The file is a database, but none of ours.
    #[error("the file is another program's database")]
    Foreign,
    /// The file can be read, but not understood.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The file, or the file system under it, can only be read.
    #[error("the ledger's file is read-only")]
    ReadOnly,
    /// The directory or the file cannot be made or looked at.
    #[error("cannot make or open {path}")]
    File {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database does not open.
    #[error("cannot open the ledger's database")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(why: rusqlite::Error) -> Self {
        if is_damage(&why) { Self::Damaged(why.to_string()) } else { Self::Database(why) }
    }
}

/// Whether a ledger was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was one.
    Ledger,
    /// There was none.
    Nothing,
}

/// How many damaged files are kept; beyond it the oldest is deleted, so that a failing disk does
/// not fill itself with copies of up to the ledger's full size.
const DAMAGED_KEPT: usize = 3;

/// What SQLite keeps beside a database: the file itself, its write-ahead log, the log's index.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// Returns a connection ready for use: tables up to date, the state tables checked.
///
/// # Errors
/// When the file cannot be made, opened, read, understood or written.
pub(crate) fn open_on_disk(path: &Path) -> Result<(Connection, Found), OpenError> {
    make_file(path)?;
    let mut connection = Place::Disk(path.to_owned()).connect(Access::Write)?;
    let mark = schema::mark(&connection)?;
    schema::check_version(mark)?;
    if connection.is_readonly(MAIN_DB)? {
        return Err(OpenError::ReadOnly);
    }
    let found = match mark {
        Mark::Empty => Found::Nothing,
        Mark::Ledger(_) => Found::Ledger,
    };
    match found {
        Found::Nothing => prepare_empty(&connection)?,
        Found::Ledger => check_state(&connection)?,
    }
    configure(&connection)?;
    schema::migrate(&mut connection)?;
    Writer::new(&connection).map_err(|why| OpenError::Damaged(why.to_string()))?;
    Ok((connection, found))
}

/// Returns a connection to an empty ledger in memory.
pub(crate) fn open_in_memory() -> (Connection, Place) {
    let place = Place::in_memory();
    let open = || -> Result<Connection, OpenError> {
        let mut connection = place.connect(Access::Write)?;
        prepare_empty(&connection)?;
        configure(&connection)?;
        schema::migrate(&mut connection)?;
        Ok(connection)
    };
    (open().expect("a database in memory needs nothing but memory"), place)
}

/// Renames the file and its companions to `<name>.damaged-<seconds since the epoch>`, and returns
/// the new path.
///
/// # Errors
/// When the file itself cannot be renamed.
pub(crate) fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, OpenError> {
    let mut second = now.as_millis() / 1000;
    let mut target = with_suffix(path, &format!("{DAMAGED}{second}"));
    while target.exists() {
        second += 1;
        target = with_suffix(path, &format!("{DAMAGED}{second}"));
    }
    for companion in COMPANIONS {
        let (from, to) = (with_suffix(path, companion), with_suffix(&target, companion));
        match fs::rename(&from, to) {
            Err(source) if companion.is_empty() || source.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::File { path: from, source });
            }
            _ => {}
        }
    }
    forget_oldest_damaged(path);
    Ok(target)
}

/// Stands between the ledger's name and the moment at which it was put aside.
const DAMAGED: &str = ".damaged-";

/// Returns whether SQLite says that the file's content is broken.
pub(crate) fn is_damage(why: &rusqlite::Error) -> bool {
    matches!(why.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Makes the directory and the file where they are missing, for the owner's eyes only: the
/// evidence in it (user names, addresses) is nobody else's business.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| OpenError::File { path, source }
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(parent).map_err(failed(parent))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).map_err(failed(path))?.permissions().mode();
            if mode & 0o077 != 0 {
                // A file that somebody else owns cannot be narrowed; it is still a good ledger.
                let _ = fs::set_permissions(path, Permissions::from_mode(0o600));
            }
            Ok(())
        }
        // A directory that takes no new file is the same to us as a read-only file in it.
        Err(why) if why.kind() == io::ErrorKind::ReadOnlyFilesystem => Err(OpenError::ReadOnly),
        Err(source) => Err(failed(path)(source)),
    }
}

/// Checks the two tables that the guarding depends on. The journal is left out: it can be as large
/// as the whole allowance, and a broken page of it shows when it is touched.
fn check_state(connection: &Connection) -> Result<(), OpenError> {
    for table in ["holds", "offenders"] {
        let verdict: String = connection
            .query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))
            .map_err(|why| match why.sqlite_error_code() {
                // "No such table": somebody else's hands were in the file.
                Some(ErrorCode::Unknown) => OpenError::Damaged(why.to_string()),
                _ => why.into(),
            })?;
        if verdict != "ok" {
            return Err(OpenError::Damaged(verdict));
        }
    }
    Ok(())
}

/// Lets the file shrink later; has to come before anything is written to it.
fn prepare_empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", "incremental")
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(())
}

/// How many pages the write-ahead log may grow by before it is worked into the file: 32 MiB.
///
/// With SQLite's own 1,000 pages every burst of some thousand decisions waits for that; with these
/// few do. Reading the log back after `kill -9` takes 1.6 ms for each MiB.
const LOG_PAGES: i64 = 8_192;

/// How much of the log's space stays allocated between bursts, in bytes.
const LOG_KEPT: i64 = 8 << 20;

/// More statements than there are in this crate that are asked for by the same text.
const STATEMENTS_KEPT: usize = 32;

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Deletes all but the newest damaged files. What cannot be listed or deleted stays: this is
/// tidying up, and the next damage tries again.
fn forget_oldest_damaged(path: &Path) {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
    let mut prefix = name.to_owned();
    prefix.push(DAMAGED);
    let Ok(listing) = fs::read_dir(parent) else { return };
    let mut seconds: Vec<u64> = listing
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix(prefix.to_str()?)?.parse().ok()
        })
        .collect();
    seconds.sort_unstable();
    let surplus = seconds.len().saturating_sub(DAMAGED_KEPT);
    for second in &seconds[..surplus] {
        for companion in COMPANIONS {
            let old = with_suffix(path, &format!("{DAMAGED}{second}{companion}"));
            // Absent companions are the usual case.
            let _ = fs::remove_file(old);
        }
    }
}
