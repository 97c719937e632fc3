//! Starts with much to restore, repair after a flush, and what it costs to stand by.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use lab::{Answer, Daemon, Lab, wiring::GUARDED_V4};
use portguard_core::{Author, List, ListedHold, Record, Span, Timestamp, Until};
use portguard_store::{Ledger, Retention};

use crate::{
    api::Api,
    figure::{Report, ms},
    single::address,
};

const TRAP: &str = "[[traps]]\nports = [\"23\"]\n";

/// Starts with a hundred thousand and a million bans to restore.
pub(crate) fn restores(report: &mut Report) {
    for (bans, limit, memory) in [(100_000, 0.5, 60.0), (1_000_000, 5.0, 250.0)] {
        let lab = Lab::new();
        let mut daemon = Daemon::prepare(lab.guarded(), TRAP);
        fill(&daemon, bans);
        let start = Instant::now();
        daemon.launch();
        let mut api = loop {
            if let Some(api) = Api::connect(&daemon.socket()) {
                break api;
            }
            thread::sleep(Duration::from_millis(1));
        };
        // The control socket waits from the first moment; it answers when the traps stand.
        api.get("/v1/status");
        let touched = Instant::now();
        let to = std::net::SocketAddr::new(GUARDED_V4, 23);
        let answer = lab.scanner().connect(None, to, Duration::from_secs(2));
        while api.get("/v1/check?subject=10.77.0.2")["verdict"] != "banned" {
            assert!(touched.elapsed() < Duration::from_secs(60), "{answer:?} {}", daemon.log());
        }
        let caught = touched.elapsed();
        while api.get("/v1/status")["ready"] != true {
            thread::sleep(Duration::from_millis(1));
        }
        let took = start.elapsed();
        assert_ne!(answer, Answer::Silence);
        report.limit(format!("start with {bans} bans"), took.as_secs_f64(), limit, "s");
        report.limit(
            format!("trap touched while {bans} load, until banned"),
            ms(caught),
            1_000.0,
            "ms",
        );
        report.limit(format!("resident with {bans} bans"), resident(&daemon), memory, "MB");
    }
}

/// Repair after `nft flush ruleset` with ten thousand bans.
pub(crate) fn repair(report: &mut Report) {
    let lab = Lab::new();
    let mut daemon = Daemon::prepare(lab.guarded(), TRAP);
    fill(&daemon, 10_000);
    daemon.launch();
    daemon.wait_until_ready(Duration::from_secs(10));
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let last = (0..10_000).map(address).max_by_key(|text| text.parse::<std::net::Ipv4Addr>().ok());
    let question = format!("/v1/check?subject={}", last.expect("there are some"));
    lab.guarded().run(["nft", "flush", "ruleset"]);
    let start = Instant::now();
    while api.get(&question)["verdict"] != "banned" {
        assert!(start.elapsed() < Duration::from_secs(10), "{}", daemon.log());
    }
    report.limit("repair of 10,000 bans after a flush", ms(start.elapsed()), 100.0, "ms");
}

/// What it costs to stand by.
pub(crate) fn idle(report: &mut Report) {
    const WATCHED: Duration = Duration::from_secs(20);
    for (bans, memory) in [(0, 20.0), (100_000, 60.0)] {
        let lab = Lab::new();
        let mut daemon = Daemon::prepare(lab.guarded(), TRAP);
        fill(&daemon, bans);
        daemon.launch();
        daemon.wait_until_ready(Duration::from_secs(30));
        let before = processor_time(&daemon);
        thread::sleep(WATCHED);
        let used = processor_time(&daemon).saturating_sub(before);
        let share = used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
        report.limit(format!("idle with {bans} bans, processor"), share, 0.1, "%");
        report.limit(format!("idle with {bans} bans, resident"), resident(&daemon), memory, "MB");
    }
}

/// Writes a ledger with this many bans for a daemon that has not started yet.
pub(crate) fn fill(daemon: &Daemon, bans: u32) {
    let retention =
        Retention { keep_entries: Span::Forever, keep_offenders: Span::Forever, max_size: 1 << 30 };
    let now = Timestamp::from_millis(
        std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)),
    );
    let path = daemon.home().join("state/ledger.db");
    let (mut ledger, _) = Ledger::open(&path, retention, now);
    let mut subjects: Vec<portguard_core::Subject> =
        (0..bans).map(|index| address(index).parse().expect("an address")).collect();
    subjects.sort_unstable();
    for part in subjects.chunks(50_000) {
        let records: Vec<Record> = part
            .iter()
            .map(|subject| {
                Record::Hold(ListedHold {
                    list: List::Ban,
                    subject: *subject,
                    ports: Vec::new(),
                    since: now,
                    until: Until::at(now.plus(Duration::from_secs(86_400))),
                    nth_ban: 1,
                    author: Author::Guard,
                    reason: "trap tcp/23".into(),
                })
            })
            .collect();
        ledger.record(&records).expect("the ledger takes it");
    }
}

/// Returns the resident memory in MB.
fn resident(daemon: &Daemon) -> f64 {
    resident_of(daemon.pid().expect("the daemon runs"))
}

/// Returns the resident memory of a process in MB.
pub(crate) fn resident_of(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) * 1024.0 / 1e6
}

/// Returns the processor time that the daemon has used.
pub(crate) fn processor_time(daemon: &Daemon) -> Duration {
    processor_time_of(daemon.pid().expect("the daemon runs"))
}

/// Returns the processor time that a process has used.
pub(crate) fn processor_time_of(pid: u32) -> Duration {
    let mut nanoseconds = 0;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        nanoseconds += first.unwrap_or(0);
    }
    Duration::from_nanos(nanoseconds)
}
