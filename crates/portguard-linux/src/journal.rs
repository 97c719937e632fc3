//! Follows the systemd journal through `journalctl`, which knows all forms of its files: each entry
//! once and in order, also across a restart.

use std::{
    io::{self, Read as _},
    os::fd::AsFd as _,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use serde_json::Value;

/// What it is called.
const PROGRAM: &str = "journalctl";

/// The fields that make a line of an entry.
const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_HOSTNAME";

/// The longest entry that is read, in bytes; of a longer one nothing is.
const LONGEST_ENTRY: usize = 1 << 20;

/// How much is read at a time, in bytes.
const CHUNK: usize = 16 << 10;

/// Which entries to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Each is an alternative: fields with their values, all of which must fit
    /// (`_SYSTEMD_UNIT=ssh.service _COMM=sshd`). None: all entries.
    pub matches: Vec<String>,
    /// A folder of journal files, in place of this system's journal.
    pub folder: Option<PathBuf>,
}

/// Follows the journal.
#[derive(Debug)]
pub struct Journal {
    child: Child,
    out: ChildStdout,
    pending: Vec<u8>,
    /// The entry that is read is too long.
    skips: bool,
    cut: u64,
    begin: String,
}

impl Journal {
    /// Begins to follow at a cursor, or with the next entry that is written. The entry at the cursor
    /// itself is handed over again, if it is still there: of one that was thrown away meanwhile
    /// `journalctl --after-cursor` would leave out the next.
    ///
    /// # Errors
    /// When `journalctl` does not start, or there is no cursor and no entry yet.
    pub fn follow(wanted: &Wanted, cursor: Option<&str>) -> io::Result<Self> {
        let begin = cursor.map_or_else(|| last(wanted), |cursor| Ok(cursor.to_owned()))?;
        let mut command = command(wanted);
        command.args(["--follow", "--all", "--no-tail"]);
        command.arg(format!("--output-fields={FIELDS}")).arg(format!("--cursor={begin}"));
        command.arg("--");
        for (index, alternative) in wanted.matches.iter().enumerate() {
            if index > 0 {
                command.arg("+");
            }
            command.args(alternative.split_whitespace());
        }
        let mut child = command.spawn()?;
        let out = child.stdout.take().expect("it was asked for");
        Ok(Self { child, out, pending: Vec::new(), skips: false, cut: 0, begin })
    }

    /// Returns the cursor at which this begins.
    pub fn begin(&self) -> &str {
        &self.begin
    }

    /// Waits for entries, for so long at most, and hands each over as `journalctl` wrote it.
    ///
    /// # Errors
    /// When `journalctl` ended.
    pub fn wait(&mut self, span: Duration, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let span = Timespec::try_from(span).map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(self.out.as_fd(), PollFlags::IN)], Some(&span)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut chunk = [0; CHUNK];
        let length = self.out.read(&mut chunk)?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "journalctl ended"));
        }
        for part in chunk[..length].split_inclusive(|byte| *byte == b'\n') {
            self.add(part, &mut take);
        }
        Ok(())
    }

    /// Returns how many entries were too long.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    fn add(&mut self, part: &[u8], take: &mut impl FnMut(&[u8])) {
        if !self.skips {
            self.pending.extend_from_slice(part);
        }
        if self.pending.len() > LONGEST_ENTRY {
            (self.skips, self.cut) = (true, self.cut + 1);
            self.pending = Vec::new();
        }
        if part.ends_with(b"\n") {
            if !std::mem::take(&mut self.skips) {
                take(&self.pending);
            }
            self.pending.clear();
        }
    }
}

/// Returns a command that writes entries as JSON.
fn command(wanted: &Wanted) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--quiet", "--no-pager", "--output=json"]);
    if let Some(folder) = &wanted.folder {
        command.arg("--directory").arg(folder);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Returns the cursor of the last entry, whether it is wanted or not: what comes behind it is new.
fn last(wanted: &Wanted) -> io::Result<String> {
    // Every entry has a cursor; of its fields the shortest is asked for.
    let output = command(wanted).args(["--lines=1", "--output-fields=_PID"]).output()?;
    let entry: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let cursor = entry["__CURSOR"].as_str().map(str::to_owned);
    cursor.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no entry yet"))
}

impl Drop for Journal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
