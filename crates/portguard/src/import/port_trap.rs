//! Port Trap's folder as data: which traps, whom it spares, who offended. Reads files and decides
//! nothing; what can not be taken over is named with its file and line.

mod drop_in;
mod list;
mod past;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use portguard_core::{Family, ListedHold, Offender, Subject, Timestamp};
use portguard_store::port_trap::{PortTrapError, touches};
use thiserror::Error;

use crate::config::Config;

use list::Trap;

/// The file of the traps.
const PORTS: &str = "list_of_ports.txt";
/// The file of the allow list.
const WHITELIST: &str = "whitelist.txt";
/// The file with the number of the ban that is forever.
const PERMANENT: &str = "for_permanent_ban.txt";
/// The database of the touches.
const DATABASE: &str = "datatrap.db";

/// What a folder of Port Trap gives.
#[derive(Debug)]
pub(crate) struct PortTrapImport {
    /// A drop-in for the configuration: traps, ladder, allow list.
    pub(crate) drop_in: String,
    /// Who offended, and how often.
    pub(crate) offenders: Vec<(Subject, Offender)>,
    /// Bans that are still due.
    pub(crate) holds: Vec<ListedHold>,
    /// Whom the drop-in puts on the allow list, as written there.
    pub(crate) spared: Vec<String>,
    /// What was taken over, and what was not and why.
    pub(crate) report: Vec<String>,
}

/// Why a folder gives nothing.
#[derive(Debug, Error)]
pub(crate) enum ImportError {
    /// There is no list of ports, so it is none of Port Trap's folders.
    #[error("{} is no folder of Port Trap: it has no {PORTS}", .0.display())]
    NoFolder(PathBuf),
    /// A file is there but does not read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database does not read.
    #[error("cannot read {}", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PortTrapError,
    },
}

/// What is there already, and where no imported trap may stand.
#[derive(Debug)]
pub(crate) struct Present<'a> {
    /// The configuration without this import.
    pub(crate) config: &'a Config,
    /// Ports that an SSH server listens on.
    pub(crate) ssh_ports: &'a [u16],
}

/// Reads the folder.
///
/// # Errors
/// When it is no folder of Port Trap, or one of its files does not read.
pub(crate) fn read(
    folder: &Path,
    present: &Present<'_>,
    now: Timestamp,
) -> Result<PortTrapImport, ImportError> {
    let ports = text_of(folder, PORTS)?.ok_or_else(|| ImportError::NoFolder(folder.to_owned()))?;
    let mut report = Vec::new();
    let traps = list::read_traps(&ports, &mut report);
    let traps = list::settable(traps, present, &mut report);
    tell_traps(&traps, &mut report);
    let spared = match text_of(folder, WHITELIST)? {
        Some(text) => list::read_spared(&text, &mut report),
        None => absent(WHITELIST, "nobody is taken over to the allow list", &mut report),
    };
    let permanent_after = match text_of(folder, PERMANENT)? {
        Some(text) => list::read_permanent(&text, &mut report),
        None => absent(PERMANENT, "the ladder keeps its own number", &mut report),
    };
    let database = folder.join(DATABASE);
    let (offenders, holds) = if database.exists() {
        let (touches, unreadable) = touches(&database)
            .map_err(|source| ImportError::Database { path: database, source })?;
        if unreadable > 0 {
            report.push(format!("{DATABASE}: {unreadable} rows do not read and are skipped"));
        }
        past::judge(&touches, &spared, permanent_after, now, &mut report)
    } else {
        absent(DATABASE, "nobody's past is taken over", &mut report)
    };
    let drop_in = drop_in::write(&traps, &spared, permanent_after, present.config, &mut report);
    Ok(PortTrapImport { drop_in, offenders, holds, spared: spared.texts(), report })
}

fn text_of(folder: &Path, name: &str) -> Result<Option<String>, ImportError> {
    let path = folder.join(name);
    match fs::read(&path) {
        // The files are plain ASCII where they matter; a comment in another encoding harms nothing.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ImportError::File { path, source }),
    }
}

fn absent<T: Default>(file: &str, consequence: &str, report: &mut Vec<String>) -> T {
    report.push(format!("{file}: not there; {consequence}"));
    T::default()
}

fn tell_traps(traps: &[Trap], report: &mut Vec<String>) {
    let of = |family| traps.iter().filter(|trap| trap.family == family).count();
    let (v4, v6) = (of(Family::V4), of(Family::V6));
    report.push(format!("{PORTS}: {v4} traps for IPv4 and {v6} for IPv6 are taken over"));
}
