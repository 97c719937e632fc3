//! Sources that nobody saw before, each of which fails once: how much memory the daemon holds behind two
//! million of them, and how fast it reads them.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    time::{Duration, Instant},
};

use lab::{Daemon, Lab, eventually};

use crate::{figure::Report, load::resident_of, peers};

/// How many, each in an IPv6 network of its own and with a user's name of its own.
const STRANGERS: u32 = 2_000_000;

/// How many lines are written at a time.
const BLOCK: u32 = 100_000;

/// How long they may take: ten times as long as they do.
const LIMIT: Duration = Duration::from_secs(120);

/// Somebody who fails often enough behind all of them.
const LAST: &str = "203.0.113.9";

/// A watch that reads them.
pub(crate) fn sources(report: &mut Report) {
    let lab = Lab::new();
    let folder = peers::folder().join(format!("strangers-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("room for a log");
    let path = folder.join("auth.log");
    let mut log = File::create(&path).expect("room for a log");
    let configuration = format!(
        "[[watch]]\nname = \"sshd\"\nfiles = [\"{}\"]\nrule = \"sshd\"\nhowmany = 3\nwithin = \"1h\"\n",
        path.display()
    );
    let daemon = Daemon::start(lab.guarded(), &configuration);
    let before = resident_of(daemon.pid().expect("the daemon runs"));
    let start = Instant::now();
    for first in (0..STRANGERS).step_by(BLOCK as usize) {
        log.write_all(lines(first).as_bytes()).expect("room for a log");
    }
    log.write_all(failed("root", LAST).repeat(3).as_bytes()).expect("room for a log");
    eventually("the last source is banned", LIMIT, || {
        (daemon.ask(&["check", LAST])["verdict"] == "banned").then_some(())
    });
    let seconds = start.elapsed().as_secs_f64();
    let after = resident_of(daemon.pid().expect("the daemon runs"));
    report.limit("2,000,000 sources that fail once, resident", after, 96.0, "MB");
    report.limit("  more than before them", after - before, 64.0, "MB");
    report.least("  written and read", f64::from(STRANGERS) / seconds / 1e6, 0.2, "M/s");
    // What is left of it is in nobody's way.
    let _ = fs::remove_dir_all(&folder);
}

/// Returns a block of lines from this number on.
fn lines(first: u32) -> String {
    (first..first + BLOCK).fold(String::new(), |mut text, number| {
        let (high, low) = (number >> 16, number & 0xffff);
        let line = failed(&format!("u{number}"), &format!("2001:{high:x}:{low:x}::1"));
        write!(text, "{line}").expect("a text takes text");
        text
    })
}

fn failed(user: &str, source: &str) -> String {
    let at = "2026-11-20T10:00:00Z";
    format!("{at} host sshd[7]: Failed password for {user} from {source} port 4242 ssh2\n")
}
