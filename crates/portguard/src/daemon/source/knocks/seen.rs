//! The knocks that have been here, kept in a file so that none opens twice after a restart.
//!
//! A line is written at the moment at which the guard is told of the knock, and behind that, so that a file
//! system that takes its time keeps nobody waiting: whoever kills the daemon has to hit the instant between
//! the two. Nobody waits for the disk: a machine that loses power may forget the last knock.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use portguard_core::Timestamp;
use portguard_reach::knock::{FRESH_FOR, Memory, Refusal};

/// Lines after which the file is written anew, with what still matters.
const MOST_LINES: usize = 4_096;

/// The memory and its file.
pub(super) struct Seen {
    memory: Memory,
    path: PathBuf,
    file: Option<fs::File>,
    /// Lines that were added since the file was written anew.
    lines: usize,
    /// Lines that are not in the file yet.
    unwritten: String,
    /// What waits for the disk.
    settling: Option<JoinHandle<io::Result<()>>>,
    /// Why the file is not what it should be.
    trouble: Option<String>,
}

impl Seen {
    /// Reads what was kept. If that can not be read, everything that could have been in it is refused.
    pub(super) fn open(path: PathBuf, now: Timestamp) -> Self {
        let (memory, trouble) = match read(&path) {
            Ok(memory) => (memory, None),
            Err(error) => {
                let mut memory = Memory::default();
                memory.forbid_until(now.plus(FRESH_FOR).as_millis());
                let why = format!(
                    "{} can not be read, so nobody gets in for a minute: {error}",
                    path.display()
                );
                (memory, Some(why))
            }
        };
        let mut seen = Self {
            memory,
            path,
            file: None,
            lines: 0,
            unwritten: String::new(),
            settling: None,
            trouble: None,
        };
        seen.renew(now);
        seen.trouble = trouble.or(seen.trouble);
        seen
    }

    /// Returns the key whose knock had this ephemeral key, if it was here.
    pub(super) fn key_of(&self, ephemeral: &[u8; 32]) -> Option<&[u8; 32]> {
        self.memory.key_of(ephemeral)
    }

    /// Remembers a fresh knock of a key, made at `at` in milliseconds since the Unix epoch. What it
    /// leads to and [`Seen::write`] have to follow at once.
    ///
    /// # Errors
    /// When it was here before, or its key has too many.
    pub(super) fn take(
        &mut self,
        key: &[u8; 32],
        ephemeral: [u8; 32],
        at: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.unwritten += &self.memory.take(key, ephemeral, at, now.as_millis())?;
        Ok(())
    }

    /// Writes down what was taken. A file that can not be written is told of by [`Seen::trouble`].
    pub(super) fn write(&mut self, now: impl FnOnce() -> Timestamp) {
        if self.unwritten.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.unwritten);
        self.lines += 1;
        let is_written = match &mut self.file {
            Some(file) if self.lines < MOST_LINES => file.write_all(lines.as_bytes()).is_ok(),
            _ => false,
        };
        if is_written {
            // Whoever was kept out by what could not be read is let in again.
            self.trouble = None;
        } else {
            self.renew(now());
        }
    }

    /// Lets what was written go to the disk, on a thread that ends with that; returns whether nothing
    /// is on its way there from before.
    pub(super) fn settle(&mut self) -> bool {
        if self.settling.as_ref().is_some_and(|settling| !settling.is_finished()) {
            return false;
        }
        // A thread that panicked has written nothing wrong.
        let before = self.settling.take().and_then(|settling| settling.join().ok());
        if let Some(Err(error)) = before {
            self.trouble = Some(told(&self.path, &error));
        }
        let file = self.file.as_ref().and_then(|file| file.try_clone().ok());
        self.settling = file.and_then(|file| {
            let settle = thread::Builder::new().name("knocks-disk".to_owned());
            settle.spawn(move || file.sync_data()).ok()
        });
        true
    }

    /// Forgets keys that are not wanted any more.
    pub(super) fn keep_keys(&mut self, is_wanted: impl Fn(&[u8; 32]) -> bool) {
        self.memory.keep_keys(is_wanted);
    }

    /// Returns why the file is not what it should be, if it is not.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Writes the file anew, whole or not at all.
    fn renew(&mut self, now: Timestamp) {
        self.lines = 0;
        match write(&self.path, &self.memory.text(now.as_millis())) {
            Ok(file) => (self.file, self.trouble) = (Some(file), None),
            Err(error) => (self.file, self.trouble) = (None, Some(told(&self.path, &error))),
        }
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    format!(
        "{path} can not be written, so a restart would let knocks of the last minute in again: {error}"
    )
}

fn read(path: &Path) -> io::Result<Memory> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    Memory::read(&text).map_err(io::Error::other)
}

/// Returns the file, to which lines are added from here on.
fn write(path: &Path, text: &str) -> io::Result<fs::File> {
    let new = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const KEY: [u8; 32] = [1; 32];

    fn number(index: usize) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(index as u64).to_be_bytes());
        bytes
    }

    #[test]
    fn what_was_seen_is_seen_after_a_restart_and_the_file_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("knock_seen");
        let mut now = NOW;
        let mut seen = Seen::open(path.clone(), now);
        for index in 0..10_000 {
            now = now.plus(std::time::Duration::from_secs(1));
            seen.take(&KEY, number(index), now.as_millis(), now).unwrap();
            seen.write(|| now);
            assert_eq!(seen.trouble(), None);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MOST_LINES + 100, "{lines}");
        let mut again = Seen::open(path, now);
        assert_eq!(again.key_of(&number(9_999)), Some(&KEY));
        for index in 0..10_000 {
            let at = NOW.as_millis() + 1_000 * (index as u64 + 1);
            assert_eq!(again.take(&KEY, number(index), at, now), Err(Refusal::Replayed));
        }
    }

    #[test]
    fn a_damaged_file_lets_nobody_in_who_could_have_been_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("knock_seen");
        fs::write(&path, "nonsense\n").unwrap();
        let mut seen = Seen::open(path, NOW);
        assert!(seen.trouble().is_some_and(|why| why.contains("line 1 can not be read")));
        let latest = NOW.plus(FRESH_FOR);
        assert_eq!(seen.take(&KEY, [1; 32], latest.as_millis(), NOW), Err(Refusal::Replayed));
        seen.take(&KEY, [1; 32], latest.as_millis() + 1, latest).unwrap();
        seen.write(|| latest);
        assert_eq!(seen.trouble(), None);
    }

    #[test]
    fn a_file_that_can_not_be_written_is_told_and_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::open(folder.path().join("gone/knock_seen"), NOW);
        seen.take(&KEY, [1; 32], NOW.as_millis(), NOW).unwrap();
        seen.write(|| NOW);
        assert!(seen.trouble().is_some_and(|why| why.contains("can not be written")));
        let again = seen.take(&KEY, [1; 32], NOW.as_millis(), NOW);
        assert_eq!(again, Err(Refusal::Replayed));
        fs::create_dir(folder.path().join("gone")).unwrap();
        seen.take(&KEY, [2; 32], NOW.as_millis(), NOW).unwrap();
        seen.write(|| NOW);
        assert_eq!(seen.trouble(), None);
        let kept = fs::read_to_string(folder.path().join("gone/knock_seen")).unwrap();
        assert_eq!(kept.lines().count(), 2);
    }
}
