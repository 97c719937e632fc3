//! Rules by their names, from the files of this host.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portguard_read::fail2ban::{self, Files, Filter, Reference};

/// What stands in front of the name of one of fail2ban's filters.
pub(crate) const FAIL2BAN: &str = "fail2ban:";

/// The files of the disk.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

/// Returns the rule of a name (`fail2ban:sshd[mode=aggressive]`), or why there is none.
pub(crate) fn load(rule: &str, folders: &[PathBuf]) -> Result<Filter, String> {
    let reference = rule.strip_prefix(FAIL2BAN).ok_or_else(|| format!("no rule `{rule}`"))?;
    let reference: Reference = reference.parse().map_err(|why| format!("{why}"))?;
    fail2ban::load(&reference, folders, &Disk).map_err(|why| why.to_string())
}
