//! The file of classic log lines: appended to, and emptied when it has grown too large.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portguard_core::Timestamp;
use portguard_read::{
    Headers,
    log_line::{self, Envelope},
};

/// How often it is looked whether the file was moved away or deleted, and how soon one that could
/// not be written is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Most text that waits for a file that can not be written; what comes then is not written.
const MOST_WAITING: usize = 1 << 20;

/// A file of log lines.
pub(super) struct TextFile {
    path: PathBuf,
    most: u64,
    host: String,
    /// The beginning of a line, and the second it was made in.
    stamp: (u64, String),
    waiting: String,
    unwritten: u64,
    file: Option<(File, u64)>,
    looked: Option<Instant>,
    trouble: Option<String>,
}

impl TextFile {
    pub(super) fn new(path: PathBuf, most: u64) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            path,
            most,
            host,
            stamp: (u64::MAX, String::new()),
            waiting: String::new(),
            unwritten: 0,
            file: None,
            looked: None,
            trouble: None,
        }
    }

    /// Returns whether it is this file, cut at this size.
    pub(super) fn is_at(&self, path: &Path, most: u64) -> bool {
        self.path == path && self.most == most
    }

    /// Returns why lines are missing, if some are.
    pub(super) fn trouble(&self) -> Option<String> {
        let place = self.path.display();
        match (&self.trouble, self.unwritten) {
            (None, 0) => None,
            (None, lines) => Some(format!("{lines} lines are missing in {place}")),
            (Some(why), _) => Some(format!("{place} can not be written: {why}")),
        }
    }

    /// Adds a line; it is in the file after the next [`TextFile::flush`].
    pub(super) fn add(&mut self, envelope: &Envelope<'_>, headers: &Headers, now: Timestamp) {
        if self.waiting.len() > MOST_WAITING {
            self.unwritten += 1;
            return;
        }
        let second = now.as_millis() / 1000;
        if self.stamp.0 != second {
            self.stamp = (second, stamp(second, &self.host));
        }
        self.waiting.push_str(&self.stamp.1);
        log_line::write_line(&mut self.waiting, envelope, headers);
        self.waiting.push('\n');
    }

    /// Writes what waits; a failure is told and tried again.
    pub(super) fn flush(&mut self) {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if self.waiting.is_empty() || (self.trouble.is_some() && !is_due) {
            return;
        }
        match self.write(is_due) {
            Ok(()) => {
                self.trouble = None;
                self.waiting.clear();
            }
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.file = None;
            }
        }
    }

    fn write(&mut self, look: bool) -> io::Result<()> {
        if look {
            self.looked = Some(Instant::now());
            self.forget_moved_file();
        }
        if self.file.is_none() {
            let file = open(&self.path)?;
            let size = file.metadata()?.len();
            self.file = Some((file, size));
        }
        let Some((file, size)) = &mut self.file else { return Ok(()) };
        if *size + self.waiting.len() as u64 > self.most {
            file.set_len(0)?;
            *size = 0;
        }
        let lines = last_lines(self.waiting.as_bytes(), self.most);
        file.write_all(lines)?;
        *size += lines.len() as u64;
        Ok(())
    }

    /// Opens anew what others moved away or deleted, and learns the size of what they cut.
    fn forget_moved_file(&mut self) {
        let Some((file, size)) = &mut self.file else { return };
        let ours = file.metadata().map(|ours| (ours.dev(), ours.ino(), ours.len()));
        let there = std::fs::metadata(&self.path).map(|there| (there.dev(), there.ino()));
        match (ours, there) {
            (Ok((device, inode, length)), Ok(there)) if there == (device, inode) => *size = length,
            _ => self.file = None,
        }
    }
}

/// Returns the last whole lines of a text, as many as fit into so many bytes; those before them would
/// be cut away at once.
fn last_lines(text: &[u8], most: u64) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let Some(over) = text.len().checked_sub(most).filter(|over| *over > 0) else { return text };
    let end = text[over - 1..].iter().position(|byte| *byte == b'\n');
    end.map_or(&[], |end| &text[over + end..])
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Returns what stands before the kernel's own words in a line of the system log.
fn stamp(second: u64, host: &str) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    let local = moment.to_zoned(jiff::tz::TimeZone::system());
    format!("{} {host} kernel: ", local.strftime("%b %e %H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use portguard_read::{Verdict, headers::read_headers};

    use super::*;

    /// An IPv4 header with a UDP header behind it.
    const PACKET: [u8; 28] = [
        0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 7, 198, 51, 100, 1, 0, 7, 0, 53, 0, 8,
        0, 0,
    ];

    fn add_line(text: &mut TextFile) {
        let envelope = Envelope {
            verdict: Verdict::Blocked,
            in_interface: "eth0",
            out_interface: "",
            link_header: &[],
            mark: 0,
        };
        text.add(&envelope, &read_headers(&PACKET).unwrap(), Timestamp::from_secs(86_400));
        text.flush();
    }

    fn lines(path: &Path) -> usize {
        std::fs::read_to_string(path).unwrap().lines().count()
    }

    #[test]
    fn a_line_begins_as_the_system_log_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packets.log");
        let mut text = TextFile::new(path.clone(), 1 << 20);
        add_line(&mut text);
        let line = std::fs::read_to_string(path).unwrap();
        let (before, kernel) = line.split_once(" kernel: ").unwrap();
        assert_eq!(
            kernel,
            "IPTABLES-BLOCKED: IN=eth0 OUT= MAC= SRC=192.0.2.7 DST=198.51.100.1 LEN=28 TOS=0x00 \
             PREC=0x00 TTL=64 ID=1 PROTO=UDP SPT=7 DPT=53 LEN=8\n"
        );
        assert!(before.starts_with("Jan "), "{line}");
    }

    #[test]
    fn the_file_is_emptied_when_it_would_grow_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packets.log");
        let mut text = TextFile::new(path.clone(), 1_000);
        for _ in 0..20 {
            add_line(&mut text);
            assert!(path.metadata().unwrap().len() <= 1_000);
        }
        assert!(lines(&path) > 0);
        assert_eq!(text.trouble(), None);
    }

    #[test]
    fn of_more_than_fits_the_last_whole_lines_are_kept() {
        let cases: [(&str, u64, &str); 6] = [
            ("one\ntwo\n", 8, "one\ntwo\n"),
            ("one\ntwo\n", 7, "two\n"),
            ("one\ntwo\n", 4, "two\n"),
            ("one\ntwo\n", 3, ""),
            ("one\ntwo\n", 0, ""),
            ("", 0, ""),
        ];
        for (text, most, expected) in cases {
            let kept = last_lines(text.as_bytes(), most);
            assert_eq!(kept, expected.as_bytes(), "{text:?} in {most} bytes");
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packets.log");
        let mut text = TextFile::new(path.clone(), 1 << 20);
        add_line(&mut text);
        std::fs::rename(&path, folder.path().join("packets.log.1")).unwrap();
        text.looked = None;
        add_line(&mut text);
        assert_eq!(lines(&path), 1);
    }

    #[test]
    fn a_file_that_can_not_be_written_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("packets.log");
        let mut text = TextFile::new(path.clone(), 1 << 20);
        add_line(&mut text);
        assert!(text.trouble().unwrap().contains("No such file"), "{:?}", text.trouble());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        text.looked = None;
        add_line(&mut text);
        assert_eq!((text.trouble(), lines(&path)), (None, 2));
    }
}
