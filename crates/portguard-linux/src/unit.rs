//! Where the control groups of systemd units are: their numbers and depths, which the firewall
//! compares sockets with. A unit that starts anew has a new group.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    mem::MaybeUninit,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use portguard_core::UnitGroup;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fd::OwnedFd,
    fs::inotify::{self, CreateFlags, Reader, WatchFlags},
    io::Errno,
};

/// How deep a unit may lie: a unit of a user's own manager lies five deep.
const DEEPEST: u8 = 8;

/// Most groups that are looked at; a host has some hundred.
const MOST_GROUPS: usize = 16_384;

/// Finds the control groups of units, and tells when groups come and go.
#[derive(Debug)]
pub struct UnitWatch {
    root: PathBuf,
    events: OwnedFd,
    watched: BTreeSet<PathBuf>,
}

impl UnitWatch {
    /// Begins to watch the control groups.
    ///
    /// # Errors
    /// When there is no cgroup v2 hierarchy, or it can not be watched.
    pub fn open() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let root = hierarchy(&mounts)
            .ok_or_else(|| io::Error::other("no cgroup v2 hierarchy is mounted"))?;
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { root, events, watched: BTreeSet::new() })
    }

    /// Returns the control groups of these units that exist now.
    pub fn find(&mut self, units: &BTreeSet<Arc<str>>) -> BTreeMap<Arc<str>, BTreeSet<UnitGroup>> {
        let mut found: BTreeMap<Arc<str>, BTreeSet<UnitGroup>> = BTreeMap::new();
        let mut rest = vec![(self.root.clone(), 0_u8)];
        let mut seen = 0;
        while let Some((folder, level)) = rest.pop() {
            seen += 1;
            if seen > MOST_GROUPS {
                break;
            }
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(unit) = units.get(name)
                && let Ok(metadata) = fs::metadata(&folder)
            {
                let group = UnitGroup { group: metadata.ino(), level };
                found.entry(unit.clone()).or_default().insert(group);
            }
            if level < DEEPEST && has_groups_of_units(name, level) {
                self.watch(&folder);
                rest.extend(folders_in(&folder).map(|inner| (inner, level + 1)));
            }
        }
        self.watched.retain(|folder| folder.exists());
        found
    }

    /// Waits until a control group came or went, or the limit is over; returns whether one did.
    ///
    /// # Errors
    /// When the groups can not be watched any more.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 60, tv_nsec: 0 });
        let mut waited_for = [PollFd::new(&self.events, PollFlags::IN)];
        match rustix::event::poll(&mut waited_for, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut room = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(&self.events, &mut room);
        let mut is_news = false;
        while reader.next().is_ok() {
            is_news = true;
        }
        Ok(is_news)
    }

    fn watch(&mut self, folder: &Path) {
        if self.watched.contains(folder) {
            return;
        }
        let changes = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        // A folder that is gone again needs no watch; beyond the system's limit, looks find changes.
        if inotify::add_watch(&self.events, folder, changes).is_ok() {
            self.watched.insert(folder.to_owned());
        }
    }
}

/// Returns whether units can lie below a group: below the root, slices, and users' own managers.
fn has_groups_of_units(name: &str, level: u8) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    level == 0
        || extension != Some("scope") && (extension == Some("slice") || name.starts_with("user@"))
}

fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

/// Returns where the cgroup v2 hierarchy is mounted, from the text of `/proc/self/mounts`.
fn hierarchy(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_in_pure_and_in_hybrid_systems() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(hierarchy(hybrid), Some("/sys/fs/cgroup/unified".into()));
        let pure = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        assert_eq!(hierarchy(pure), Some("/sys/fs/cgroup".into()));
        assert_eq!(hierarchy("proc /proc proc rw 0 0\n"), None);
    }
}
