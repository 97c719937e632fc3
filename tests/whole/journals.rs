//! The systemd journal: entries that fit are read once, also across a restart. The journal is one of
//! files, as a host has them that collects the journals of others.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::UNIX_EPOCH,
};

use tempfile::TempDir;

use crate::story::{Story, wait_for};

/// Writes journal files, from entries in the journal's export format.
const WRITER: &str = "/usr/lib/systemd/systemd-journal-remote";

struct Journal {
    folder: TempDir,
    written: u64,
    rotated: u64,
}

impl Journal {
    fn new() -> Self {
        let mut journal = Self { folder: tempfile::tempdir().unwrap(), written: 0, rotated: 0 };
        journal.write("boot", "init", "the host came up", 1);
        journal
    }

    fn configuration(&self) -> String {
        format!(
            "[[watch]]\nname = \"sshd\"\njournal = [\"_SYSTEMD_UNIT=ssh.service\", \
             \"_SYSTEMD_UNIT=sshd.service SYSLOG_IDENTIFIER=sshd\"]\njournal_dir = \"{}\"\n\
             rule = \"sshd\"\nhowmany = 3\nwithin = \"1h\"\n",
            self.folder.path().display()
        )
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("remote.journal")
    }

    /// Writes a message so many times.
    fn write(&mut self, unit: &str, program: &str, message: &str, times: usize) {
        let mut entries = String::new();
        for _ in 0..times {
            self.written += 1;
            let now = UNIX_EPOCH.elapsed().unwrap().as_micros();
            write!(
                entries,
                "__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={}\n\
                 _BOOT_ID=4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a\n_HOSTNAME=host\n\
                 _SYSTEMD_UNIT={unit}.service\nSYSLOG_IDENTIFIER={program}\n_PID=7\n\
                 MESSAGE={message}\n\n",
                1_000_000 + self.written,
            )
            .unwrap();
        }
        let mut writer = Command::new(WRITER)
            .arg("--output")
            .arg(self.path())
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(entries.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
    }

    /// Has what was written so far lie in a file of the past, as journald does when one is full; returns
    /// its path.
    fn rotate(&mut self) -> PathBuf {
        self.rotated += 1;
        let (id, number) = ("5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b", self.rotated);
        let name = format!("remote@{id}-{number:016x}-{number:016x}.journal");
        let past = self.folder.path().join(name);
        fs::rename(self.path(), &past).unwrap();
        past
    }

    /// Has the real `journalctl` throw away what lies in files of the past.
    fn vacuum(&self) {
        let folder = format!("--directory={}", self.folder.path().display());
        let ran = Command::new("journalctl").args([&folder, "--vacuum-files=1"]).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    fn refuse(&mut self, unit: &str, program: &str, source: &str, times: usize) {
        let message = format!("Failed password for root from {source} port 4242 ssh2");
        self.write(unit, program, &message, times);
    }
}

/// Returns how the watch does.
fn health(story: &Story) -> String {
    let status = story.json(&["status"]);
    let sources = status["sources"].as_array().unwrap();
    let watch = sources.iter().find(|source| source["name"] == "watch sshd");
    watch.map(ToString::to_string).unwrap_or_default()
}

#[test]
fn entries_that_fit_are_read_and_a_restart_reads_on() {
    let mut journal = Journal::new();
    journal.refuse("ssh", "sshd", "203.0.113.7", 3);
    let mut story = Story::new(&journal.configuration());
    wait_for("the watch to be well", || health(&story).contains("good"));
    journal.refuse("cron", "sshd", "203.0.113.8", 3);
    journal.refuse("sshd", "other", "203.0.113.8", 3);
    journal.refuse("ssh", "sshd", "203.0.113.9", 3);
    story.wait_for_verdict("203.0.113.9", "banned");
    assert_eq!(story.verdict("203.0.113.7"), "none", "what was there before is the past");
    assert_eq!(story.verdict("203.0.113.8"), "none", "another unit's or program's entries");

    assert!(story.daemon.stop().success());
    journal.refuse("sshd", "sshd", "2001:db8:7::9", 3);
    story.start_again();
    story.wait_for_verdict("2001:db8:7::9", "banned");
    let why = story.cli(&["why", "203.0.113.9"]).stdout;
    assert!(why.contains("1 offences, 1 bans"), "an entry was read twice: {why}");
}

#[test]
fn what_came_while_nothing_ran_is_read_though_nothing_was_read_before() {
    let mut journal = Journal::new();
    let mut story = Story::new(&journal.configuration());
    wait_for("the watch to be well", || health(&story).contains("good"));
    assert!(story.daemon.stop().success());
    journal.refuse("ssh", "sshd", "203.0.113.9", 3);
    story.start_again();
    story.wait_for_verdict("203.0.113.9", "banned");
}

#[test]
fn rotation_loses_no_entry_and_reads_none_twice() {
    let mut journal = Journal::new();
    let mut story = Story::new(&journal.configuration());
    wait_for("the watch to be well", || health(&story).contains("good"));
    journal.refuse("ssh", "sshd", "203.0.113.9", 2);
    journal.rotate();
    journal.refuse("ssh", "sshd", "203.0.113.9", 1);
    story.wait_for_verdict("203.0.113.9", "banned");

    assert!(story.daemon.stop().success());
    journal.refuse("ssh", "sshd", "203.0.113.10", 2);
    journal.rotate();
    journal.refuse("ssh", "sshd", "203.0.113.10", 1);
    journal.refuse("ssh", "sshd", "203.0.113.11", 2);
    story.start_again();
    story.wait_for_verdict("203.0.113.10", "banned");
    journal.refuse("ssh", "sshd", "203.0.113.12", 3);
    story.wait_for_verdict("203.0.113.12", "banned");
    assert_eq!(story.verdict("203.0.113.11"), "none", "an entry was read twice");
    let why = story.cli(&["why", "203.0.113.9"]).stdout;
    assert!(why.contains("1 offences, 1 bans"), "an entry was read twice: {why}");
}

#[test]
fn what_is_left_after_a_vacuum_is_read_from_its_first_entry() {
    let mut journal = Journal::new();
    let mut story = Story::new(&journal.configuration());
    wait_for("the watch to be well", || health(&story).contains("good"));
    journal.refuse("ssh", "sshd", "203.0.113.9", 3);
    story.wait_for_verdict("203.0.113.9", "banned");
    assert!(story.daemon.stop().success());
    let past = journal.rotate();
    journal.refuse("ssh", "sshd", "203.0.113.10", 3);
    journal.vacuum();
    assert!(!past.exists(), "the entry that was read last is gone");
    story.start_again();
    story.wait_for_verdict("203.0.113.10", "banned");
    let why = story.cli(&["why", "203.0.113.9"]).stdout;
    assert!(why.contains("1 offences, 1 bans"), "{why}");
}

#[test]
fn a_vacuum_while_the_journal_is_followed_stops_nothing() {
    let mut journal = Journal::new();
    let story = Story::new(&journal.configuration());
    wait_for("the watch to be well", || health(&story).contains("good"));
    for number in 1..=3 {
        let source = format!("203.0.113.{number}");
        journal.refuse("ssh", "sshd", &source, 3);
        story.wait_for_verdict(&source, "banned");
        journal.rotate();
        journal.write("boot", "init", "a line of the next file", 1);
        journal.vacuum();
    }
    assert!(health(&story).contains("good"), "{}", health(&story));
}

#[test]
fn a_match_that_is_none_is_refused() {
    let story = Story::new("");
    let text = "[[watch]]\nname = \"x\"\nrule = \"sshd\"\njournal = [\"--file=/etc/shadow\"]\n";
    let file = story.daemon.home().join("bad.toml");
    fs::write(&file, text).unwrap();
    let ran = story.cli(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`--file=/etc/shadow` is no match of the journal"),
        "{}",
        ran.stderr
    );
}
