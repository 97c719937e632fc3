//! Logs as nobody would write them, and what is no log at all: each is told of, hurts no other, and
//! takes no memory without end.

use std::{fs, os::unix::fs::symlink, process::Command};

use lab::{deadline::PATIENCE, eventually};

use crate::{
    story::{Story, wait_for},
    watches::{line, log_ins},
};

/// How many sources fail once each, in networks of their own: two million.
const SOURCES: u32 = 31 << 16;

/// Devices that give bytes without end, none, or wait for somebody.
const DEVICES: [&str; 6] =
    ["/dev/zero", "/dev/null", "/dev/full", "/dev/random", "/dev/tty", "/dev/ptmx"];

#[test]
fn what_is_no_log_degrades_its_own_watch_only() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(place("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(place("pipe")).status().unwrap().success());
    symlink("/etc/hostname", place("link")).unwrap();
    symlink("/dev/zero", place("endless")).unwrap();
    let no_file = "it is no file of lines";
    let ours = [("folder", no_file), ("pipe", no_file)];
    let out = [("link", "it leads out of its folder"), ("endless", "it leads out of its folder")];
    let ours = ours.into_iter().chain(out).map(|(name, why)| (place(name), why));
    let cases: Vec<_> =
        DEVICES.iter().map(|path| ((*path).to_owned(), no_file)).chain(ours).collect();
    let more = cases.iter().fold(String::new(), |text, (path, _)| {
        text + &format!("[[watch]]\nname = \"{path}\"\nfiles = [\"{path}\"]\nrule = \"door\"\n")
    });
    let logs = log_ins(&more);
    for (path, why) in &cases {
        let name = format!("watch {path}");
        let expected = format!("{path}: {why}");
        wait_for(&format!("{name} to be told of"), || {
            let status = logs.story.json(&["status"]);
            let mut sources = status["sources"].as_array().unwrap().iter();
            let watch = sources.find(|source| source["name"] == name.as_str()).cloned();
            watch.is_some_and(|watch| {
                watch["health"] == "degraded" && watch.to_string().contains(&expected)
            })
        });
    }
    logs.append(&vec![line("refused", "x", "203.0.113.9"); 3]);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
    let resident = resident(&logs.story);
    assert!(resident < 64 << 20, "{resident} bytes");
}

#[test]
fn bytes_that_are_no_text_hide_nobody() {
    let logs = log_ins("");
    let failed = |user: &[u8], source: &str, end: &str| {
        [b"door: refused ", user, b" from ", source.as_bytes(), end.as_bytes()].concat().repeat(3)
    };
    logs.append_bytes(&failed(b"\xff\xfe\x80", "203.0.113.5", "\n"));
    logs.append_bytes(&failed(b"a\0b", "203.0.113.6", "\r\n"));
    logs.append_bytes(&failed("\u{202e}\u{1b}[2J".as_bytes(), "203.0.113.7", "\n"));
    for source in ["203.0.113.5", "203.0.113.6", "203.0.113.7"] {
        logs.story.wait_for_verdict(source, "banned");
        let why = logs.story.cli(&["why", source]).stdout;
        assert!(!why.contains(['\0', '\u{1b}']), "{why:?}");
    }
}

#[test]
fn what_strangers_write_does_not_fill_the_journal() {
    let logs = log_ins("");
    for _ in 0..30 {
        let before = logs.lines();
        logs.append(&["x".repeat(70 << 10) + "\n"]);
        wait_for("the line to be read", || logs.lines() > before);
    }
    wait_for("the lines to be told", || logs.health().contains("10 and more lines were longer"));
    let told = logs.story.daemon.log().matches("watch door: degraded").count();
    assert!(told <= 12, "{told} times");
}

#[test]
fn lines_that_nobody_expects_stop_no_watch() {
    let logs = log_ins("");
    let huge = "x".repeat(10 << 20) + "\n";
    let far_ahead = "2099-01-01T00:00:00Z door: refused x from 203.0.113.8\n".to_owned();
    let no_time = "Feb 31 25:61:61 door: refused x from 203.0.113.7\r\n".to_owned();
    let with_nul = "door: refused a\0b from 203.0.113.6\r\n".to_owned();
    for odd in [far_ahead, no_time, with_nul] {
        logs.append(&[huge.clone(), odd.clone(), odd.clone(), odd]);
    }
    // What is from the future counts now, and what has no time counts when it comes.
    for source in ["203.0.113.6", "203.0.113.7", "203.0.113.8"] {
        logs.story.wait_for_verdict(source, "banned");
    }
    wait_for("the long lines to be told", || logs.health().contains("3 lines were longer"));
    let resident = resident(&logs.story);
    assert!(resident < 64 << 20, "{resident} bytes");
}

/// Returns how much memory the daemon holds, in bytes.
fn resident(story: &Story) -> u64 {
    let pid = story.daemon.pid().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn sources_without_end_take_no_memory_without_end() {
    let logs = log_ins("");
    // Many times more than are counted at a time, none of them a neighbour of another.
    for high in 0..SOURCES >> 16 {
        let text = (0..1_u32 << 16).fold(String::new(), |text, low| {
            let source = format!("2001:{high:x}:{low:x}::1");
            text + "2026-11-20T10:00:00Z " + &line("refused", &format!("u{high}-{low}"), &source)
        });
        logs.append(&[text]);
    }
    logs.append(&vec![line("refused", "root", "203.0.113.9"); 3]);
    let patience = PATIENCE * 10;
    eventually("the last source to be banned", patience, || {
        (logs.story.verdict("203.0.113.9") == "banned").then_some(())
    });
    let resident = resident(&logs.story);
    assert!(resident < 128 << 20, "{resident} bytes");
}
