//! Log files as the tail sees them.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use portguard_linux::tail::Tail;
use tempfile::TempDir;

/// How long a test waits for lines that have to come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Logs {
    folder: TempDir,
    tail: Tail,
    lines: Vec<String>,
}

impl Logs {
    /// Follows files of a new folder in which `app.log` has a line already.
    fn following(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.log"), "before\n").unwrap();
        let path = |name: &&str| folder.path().join(name).to_str().unwrap().to_owned();
        let tail = Tail::open(&names.iter().map(path).collect::<Vec<_>>(), &[]).unwrap();
        Self { folder, tail, lines: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends the tail, does something, and begins another one where it stopped.
    fn meanwhile(&mut self, what: impl FnOnce(&Self)) {
        let positions = self.tail.positions();
        what(self);
        let name = self.path("app.log").to_str().unwrap().to_owned();
        self.tail = Tail::open(&[name], &positions).unwrap();
    }

    fn append(&self, name: &str, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until these lines have come, and no others.
    fn expect(&mut self, expected: &[&str]) {
        let until = Instant::now() + PATIENCE;
        while self.lines.len() < expected.len() && Instant::now() < until {
            self.wait(Duration::from_millis(100));
        }
        assert_eq!(self.lines, expected);
        self.lines.clear();
    }

    fn wait(&mut self, limit: Duration) {
        let lines = &mut self.lines;
        let mut take =
            |_: &Path, line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        self.tail.wait(limit, &mut take).unwrap();
    }
}

#[test]
fn what_is_appended_is_given_and_what_was_there_is_not() {
    let mut logs = Logs::following(&["app.log"]);
    logs.append("app.log", "one\r\ntw");
    logs.expect(&["one"]);
    logs.append("app.log", "o\n\n");
    logs.expect(&["two", ""]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut logs = Logs::following(&["app.log"]);
    let mut writer = OpenOptions::new().append(true).open(logs.path("app.log")).unwrap();
    logs.append("app.log", "one\n");
    fs::rename(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    logs.append("app.log", "three\n");
    writer.write_all(b"two\n").unwrap();
    logs.expect(&["one", "two", "three"]);
    writer.write_all(b"late\n").unwrap();
    logs.expect(&["late"]);
}

#[test]
fn an_emptied_file_is_read_from_its_beginning() {
    let mut logs = Logs::following(&["app.log"]);
    logs.append("app.log", "one\n");
    logs.expect(&["one"]);
    fs::copy(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    File::create(logs.path("app.log")).unwrap();
    // Longer than before when it is looked at next.
    logs.append("app.log", "something longer\nthan before\n");
    logs.expect(&["something longer", "than before"]);
}

#[test]
fn files_that_come_later_are_read_from_their_beginning() {
    let mut logs = Logs::following(&["*.log", "later.txt"]);
    logs.append("new.log", "one\n");
    logs.append("other.txt", "no\n");
    logs.append("later.txt", "two\n");
    let until = Instant::now() + PATIENCE;
    while logs.lines.len() < 2 && Instant::now() < until {
        logs.wait(Duration::from_millis(100));
    }
    logs.lines.sort();
    logs.expect(&["one", "two"]);
    fs::remove_file(logs.path("new.log")).unwrap();
    logs.append("new.log", "again\n");
    logs.expect(&["again"]);
}

#[test]
fn what_is_no_file_of_lines_is_named() {
    let mut logs = Logs::following(&["folder", "pipe", "link", "inside", "gone"]);
    fs::create_dir(logs.path("folder")).unwrap();
    assert!(
        std::process::Command::new("mkfifo").arg(logs.path("pipe")).status().unwrap().success()
    );
    symlink("/etc/hostname", logs.path("link")).unwrap();
    symlink("app.log", logs.path("inside")).unwrap();
    logs.append("app.log", "one\n");
    logs.wait(Duration::from_millis(100));
    let why = |name: &str| logs.tail.troubles().get(&logs.path(name)).cloned().unwrap_or_default();
    assert_eq!(why("folder"), "it is no file of lines");
    assert_eq!(why("pipe"), "it is no file of lines");
    assert!(why("link").starts_with("it leads out of its folder"), "{}", why("link"));
    assert!(why("gone").starts_with("No such file"), "{}", why("gone"));
    assert_eq!((why("inside"), logs.tail.followed()), (String::new(), 1));
}

#[test]
fn a_device_is_named_and_not_even_opened() {
    let devices = ["/dev/zero", "/dev/null", "/dev/full", "/dev/random", "/dev/tty", "/dev/ptmx"];
    let mut tail = Tail::open(&devices.map(str::to_owned), &[]).unwrap();
    tail.wait(Duration::ZERO, &mut |path, _| panic!("a line of {}", path.display())).unwrap();
    let told: Vec<_> = tail.troubles().values().map(String::as_str).collect();
    assert_eq!((told, tail.followed()), (vec!["it is no file of lines"; devices.len()], 0));
}

#[test]
fn a_pipe_is_left_alone_so_that_its_writer_goes_on_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let name = pipe.to_str().unwrap().to_owned();
    let mut tail = Tail::open(&[name], &[]).unwrap();
    tail.wait(Duration::ZERO, &mut |_, _| {}).unwrap();
    // Who opens it to write without waiting is told that nobody reads (fifo(7)).
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(&pipe);
    assert_eq!(opened.unwrap_err().raw_os_error(), Some(rustix::io::Errno::NXIO.raw_os_error()));
}

#[test]
fn a_tail_goes_on_where_another_one_stopped() {
    let mut logs = Logs::following(&["app.log"]);
    logs.append("app.log", "one\nhalf");
    logs.expect(&["one"]);
    logs.meanwhile(|logs| logs.append("app.log", " line\ntwo\n"));
    logs.expect(&["half line", "two"]);
    logs.meanwhile(|logs| {
        logs.append("app.log", "three\n");
        fs::rename(logs.path("app.log"), logs.path("app.log.1")).unwrap();
        logs.append("app.log", "four\n");
    });
    logs.expect(&["three", "four"]);
    // Both files are still known.
    logs.meanwhile(|_| {});
    logs.append("app.log", "more\n");
    logs.expect(&["more"]);
    logs.meanwhile(|logs| fs::write(logs.path("app.log"), "quite another file\n").unwrap());
    logs.expect(&["quite another file"]);
    logs.meanwhile(|_| {});
    logs.append("app.log", "five\n");
    logs.expect(&["five"]);
}

#[test]
fn no_line_is_lost_or_given_twice_through_many_rotations() {
    const LINES: usize = 20_000;
    let mut logs = Logs::following(&["app.log"]);
    let folder = logs.folder.path().to_owned();
    let writer = thread::spawn(move || {
        let path = folder.join("app.log");
        let open = || OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let mut file = open();
        for number in 0..LINES {
            if number % (LINES / 20) == 0 {
                fs::rename(&path, folder.join(format!("app.log.{number}"))).unwrap();
                file = open();
            }
            writeln!(file, "line {number}").unwrap();
        }
    });
    let until = Instant::now() + PATIENCE;
    while logs.lines.len() < LINES && Instant::now() < until {
        logs.wait(Duration::from_millis(50));
    }
    writer.join().unwrap();
    logs.wait(Duration::from_millis(50));
    let mut numbers: Vec<usize> =
        logs.lines.iter().map(|line| line[5..].parse().unwrap()).collect();
    assert_eq!(numbers.len(), LINES);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), LINES);
}
