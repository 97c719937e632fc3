//! Programs that the tests start as servers, with what they need: unpacked beside what is built and
//! never installed, because an installed one would start on this machine and serve, or ban.

use std::{fs, path::Path};

use super::as_root;
use crate::step::{self, StepError};

/// Packages of Debian and Ubuntu; those of one line may be installed together.
const SERVERS: &[&[&str]] = &[&["dovecot-imapd", "fail2ban", "vsftpd"], &["proftpd-core"]];

/// Where they lie, with the folders `usr` and `etc`; `tests/lab` knows it too.
const FOLDER: &str = "target/tools/servers";

/// Asks for the archives and for nothing else, without root and without the lock of the system's own
/// packages. One that is installed is asked for again: nobody knows what was done to its settings.
const FETCH: &[&str] = &[
    "install",
    "--download-only",
    "--reinstall",
    "--yes",
    "--quiet=2",
    "--no-install-recommends",
    "--option=Debug::NoLocking=1",
];

/// Gets and unpacks the servers, unless they are there.
///
/// # Errors
/// When there is no `apt-get`, or a package can not be had.
pub(super) fn unpack_all() -> Result<(), StepError> {
    let folder = step::root().join(FOLDER);
    let mark = folder.join("packages");
    let wanted = SERVERS.concat().join("\n");
    if fs::read_to_string(&mark).is_ok_and(|packages| packages == wanted) {
        return Ok(());
    }
    if !step::is_there("apt-get") {
        let names = wanted.replace('\n', ", ");
        return Err(StepError::Missing(format!(
            "apt-get, to unpack the packages {names} into {FOLDER}"
        )));
    }
    let archives = folder.join("archives");
    let written = |source| StepError::Write { path: folder.clone(), source };
    fs::create_dir_all(archives.join("partial")).map_err(written)?;
    fetch_all(&archives)?;
    let archives = files_in(&archives)?;
    for archive in &archives {
        step::run("dpkg-deb", &["--extract", archive, FOLDER])?;
    }
    fs::remove_dir_all(folder.join("archives")).map_err(written)?;
    fs::write(&mark, wanted).map_err(written)
}

/// Gets all archives; the lists of packages may have to be had first.
fn fetch_all(archives: &Path) -> Result<(), StepError> {
    let fetched = SERVERS.iter().try_for_each(|packages| fetch(archives, packages));
    fetched.or_else(|_| {
        as_root(&["apt-get", "update"])?;
        SERVERS.iter().try_for_each(|packages| fetch(archives, packages))
    })
}

fn fetch(archives: &Path, packages: &[&str]) -> Result<(), StepError> {
    let place = format!("--option=Dir::Cache::archives={}", archives.display());
    step::run("apt-get", &[FETCH, &[place.as_str()], packages].concat())
}

/// Returns the paths of the files of a folder.
fn files_in(folder: &Path) -> Result<Vec<String>, StepError> {
    let unread = |source| StepError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(unread)?;
    let paths: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unread)?;
    Ok(paths.iter().filter(|path| path.is_file()).map(|path| path.display().to_string()).collect())
}
