//! This host's habit, kept on disk so that a restart does not begin to learn anew.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portguard_core::anomaly::Habits;
use serde::{Deserialize, Serialize};

use crate::replace::{Durability, replace};

/// How often it is written. What came since is not in the habit of a daemon that starts again.
const WRITE_EVERY: Duration = Duration::from_secs(600);

/// The file.
pub(super) struct HabitFile {
    path: PathBuf,
    written: Instant,
}

/// What is kept.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    /// The hour that was seen first, in hours since 1970.
    since: u64,
    ports: BTreeMap<String, Counts>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Counts {
    /// The hour of the first count; each further one is of the hour before.
    hour: u64,
    counts: Vec<u32>,
}

impl HabitFile {
    /// Returns the file of what the firewall tells of.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("habits.json"), written: Instant::now() }
    }

    /// Returns the file of what is seen on an interface.
    pub(super) fn of_interface(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(format!("habits-{name}.json")), written: Instant::now() }
    }

    /// Returns what was written last; nothing if there is nothing that can be read.
    pub(super) fn read(&self) -> Habits {
        let kept = fs::read(&self.path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        kept.map(habits).unwrap_or_default()
    }

    /// Writes the habit if that is due.
    pub(super) fn keep(&mut self, habits: impl FnOnce() -> Habits) -> io::Result<()> {
        if self.written.elapsed() < WRITE_EVERY {
            return Ok(());
        }
        self.written = Instant::now();
        self.write(habits())
    }

    fn write(&self, habits: Habits) -> io::Result<()> {
        replace(&self.path, serde_json::to_vec(&kept(habits))?, Durability::Soon)
    }
}

fn kept(habits: Habits) -> Kept {
    let ports = habits.ports.into_iter();
    let ports = ports.map(|(port, (hour, counts))| (port.to_string(), Counts { hour, counts }));
    Kept { since: habits.since, ports: ports.collect() }
}

fn habits(kept: Kept) -> Habits {
    let port = |(port, Counts { hour, counts }): (String, Counts)| {
        Some((port.parse().ok()?, (hour, counts)))
    };
    Habits { since: kept.since, ports: kept.ports.into_iter().filter_map(port).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = HabitFile::in_folder(folder.path());
        assert_eq!(file.read(), Habits::default());
        let ports = BTreeMap::from([("udp/53".parse().unwrap(), (9, vec![3, 1, 4]))]);
        let habits = Habits { since: 7, ports };
        file.write(habits.clone()).unwrap();
        assert_eq!(file.read(), habits);
        fs::write(&file.path, "{ broken").unwrap();
        assert_eq!(file.read(), Habits::default());
    }
}
