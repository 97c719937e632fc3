//! Logs: how many lines a second a rule reads, and how fast a line becomes a ban. Logs with known
//! content are made by a generator, whose truth is what was counted is checked against.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lab::{Daemon, Lab, program};
use portguard_core::{Failing, List, Tally, Timestamp, Window};
use portguard_linux::nft::{Monitor, Notice, Table};
use portguard_read::{
    Judgement, Reader, Readers,
    fail2ban::{self, Files},
    rule::built_in,
};
use serde_json::Value;

use crate::{
    figure::{Report, ms, percentile},
    peers,
    worker::Worker,
};

/// The first argument of a bench that reads a log for another one, alone in a process.
pub(crate) const READER: &str = "reader";

/// Lines of each log.
const LINES: u64 = 2_000_000;

/// How many of them a slow peer is given.
const FOR_SLOW_PEERS: usize = 40_000;

/// How much is read at a time, in bytes.
const BLOCK: usize = 256 << 10;

/// The present of the generated logs: they end at noon of 20 November 2026.
const NOW: i64 = 1_795_176_000;

/// A generated log with what is in it.
struct Log {
    path: PathBuf,
    truth: Value,
}

impl Log {
    /// Generates a log, unless that was done before.
    fn make(kind: &str) -> Option<Self> {
        let generator =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/bench/gen_logs.py");
        if !generator.is_file() {
            eprintln!("bench: there is no generator of logs; nothing is measured with them");
            return None;
        }
        let path = peers::folder().join(format!("{kind}.log"));
        let truth = path.with_extension("log.truth.json");
        if !truth.is_file() {
            let lines = LINES.to_string();
            let made = Command::new("python3")
                .arg(generator)
                .args([kind, "-n", &lines, "-o"])
                .arg(&path)
                .stdout(Stdio::null())
                .status();
            assert!(made.is_ok_and(|status| status.success()), "a log is generated");
        }
        let text = fs::read_to_string(truth).expect("the generator tells what it made");
        Some(Self { path, truth: serde_json::from_str(&text).expect("as JSON") })
    }

    fn number(&self, name: &str) -> u64 {
        self.truth[name].as_u64().expect("the generator counts")
    }

    /// Makes the same log with few lines that matter.
    fn quiet(&self) -> PathBuf {
        let path = self.path.with_extension("quiet.log");
        let text = fs::read(&self.path).expect("a generated log");
        let marks = ["Failed ", "Invalid user", "not allowed", "maximum auth", "Accepted "];
        let mut number = 0_u32;
        let mut kept = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let has = |mark: &&str| line.windows(mark.len()).any(|part| part == mark.as_bytes());
            let matters = marks.iter().any(has);
            number += u32::from(matters);
            if !matters || number.is_multiple_of(33) {
                kept.extend_from_slice(line);
            }
        }
        fs::write(&path, kept).expect("room for a log");
        path
    }
}

/// What a reader found in a log.
#[derive(Clone, Copy, Debug)]
struct Read {
    lines: f64,
    failures: f64,
    /// Sources with five failures within ten minutes.
    often: f64,
    seconds: f64,
    megabytes: f64,
}

impl Read {
    /// Reads a log in a process of its own.
    fn of(rule: &str, path: &Path) -> Self {
        let program = std::env::current_exe().expect("a running program knows its path");
        let output = Command::new("taskset")
            .args(["--cpu-list", "1"])
            .arg(program)
            .args([READER, rule])
            .arg(path)
            .output()
            .expect("a reader starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<f64> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [lines, failures, often, seconds, megabytes] = numbers[..] else {
            panic!("the reader of {rule} failed: {}", String::from_utf8_lossy(&output.stderr))
        };
        Self { lines, failures, often, seconds, megabytes }
    }

    /// Returns the fastest of some.
    fn best(all: impl Iterator<Item = Self>) -> Self {
        all.min_by(|one, other| one.seconds.total_cmp(&other.seconds)).expect("some")
    }

    fn millions(&self) -> f64 {
        self.lines / self.seconds / 1e6
    }
}

/// Reads a log by a rule and prints what was found.
pub(crate) fn read(arguments: &[String]) {
    let [rule, path] = arguments else { panic!("a rule and a log are expected") };
    let mut readers = Readers::new(readers(rule)).expect("few texts");
    let counts = |readers: &mut Readers, hand: &mut dyn FnMut(Judgement)| -> u64 {
        let file = File::open(path).expect("a log");
        let mut block = Vec::with_capacity(2 * BLOCK);
        let mut lines = 0;
        loop {
            let before = block.len();
            (&file).take(BLOCK as u64).read_to_end(&mut block).expect("a readable log");
            let is_over = block.len() == before;
            let end = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            lines += match readers.single() {
                Some(reader) => {
                    reader.take_all(&block[..end], NOW, &mut |_, judgement| hand(judgement))
                }
                None => {
                    readers.take_all(&block[..end], NOW, &mut |_, _, judgement| hand(judgement))
                }
            };
            block.drain(..end);
            if is_over {
                return lines;
            }
        }
    };
    let (mut failures, mut found) = (0_u64, 0_u64);
    let mut tally = Tally::new(5, Duration::from_secs(600));
    let start = Instant::now();
    let lines = counts(&mut readers, &mut |judgement| {
        if let Some((source, user, telling, at)) = failure(&judgement) {
            failures += 1;
            found += tally.fail(&Failing { source, user, telling, at }).count() as u64;
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = peak();
    assert!(found <= failures, "nobody is found twice for one failure");
    // Again, untimed: who failed five times within ten minutes, whatever else speaks for or against.
    let mut window = Window::new(5, Duration::from_secs(600));
    let mut often: HashSet<IpAddr> = HashSet::new();
    counts(&mut readers, &mut |judgement| {
        let failed = failure(&judgement).filter(|(source, _, _, at)| window.hit(*source, *at));
        often.extend(failed.map(|(source, ..)| source));
    });
    println!("{lines} {failures} {} {seconds} {megabytes}", often.len());
}

fn failure(judgement: &Judgement) -> Option<(IpAddr, Option<&str>, u8, Timestamp)> {
    let Judgement::Failure(sighting) = judgement else { return None };
    let at = Timestamp::from_secs(u64::try_from(sighting.at?).ok()?);
    Some((sighting.who.address()?, sighting.user.as_deref(), sighting.telling, at))
}

/// Returns the readers of a rule: `*` is every filter of fail2ban.
fn readers(rule: &str) -> Vec<Reader> {
    let zone = jiff::tz::TimeZone::UTC;
    let filters = peers::filters();
    let of_filter = |name: &str| {
        let reference = name.parse().expect("a reference");
        let filter = fail2ban::load(&reference, std::slice::from_ref(&filters), &Disk).ok()?;
        Some(Reader::of_filter(&filter, zone.clone()).expect("a filter that compiles"))
    };
    match rule.strip_prefix("fail2ban:") {
        Some("*") => {
            let entries = fs::read_dir(&filters).expect("fail2ban's filters").flatten();
            let names = entries.filter_map(|entry| {
                entry.file_name().to_str()?.strip_suffix(".conf").map(str::to_owned)
            });
            names.filter_map(|name| of_filter(&name)).collect()
        }
        Some(name) => vec![of_filter(name).expect("a filter")],
        None => {
            let rule = built_in(rule).expect("a rule").expect("a rule that is written well");
            vec![Reader::of_rule(rule, zone)]
        }
    }
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }
}

/// Returns the most memory that this process had resident, in MB.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    kilobytes * 1_024.0 / 1e6
}

/// How often each reader of sshd's log has its turn; the fastest counts.
const ROUNDS: usize = 5;

/// One turn of each.
struct Round {
    filter: Read,
    own: Read,
    quiet: Read,
    /// In millions of lines a second.
    sshguard: Option<f64>,
}

/// A rule of ours, and fail2ban's filter, on sshd's log; beside fail2ban and sshguard.
pub(crate) fn sshd(report: &mut Report) {
    let Some(log) = Log::make("auth") else { return };
    let quiet = log.quiet();
    // In turns: whatever else slows the machine down for a while slows all of them down.
    let rounds = [(); ROUNDS].map(|()| Round {
        filter: Read::of("fail2ban:sshd", &log.path),
        own: Read::of("sshd", &log.path),
        quiet: Read::of("sshd", &quiet),
        sshguard: peers::sshguard(&log.path),
    });
    let best = |which: fn(&Round) -> Read| Read::best(rounds.iter().map(which));
    let filter = best(|round| round.filter);
    let (own, quiet) = (best(|round| round.own), best(|round| round.quiet));
    let sshguard = rounds.iter().filter_map(|round| round.sshguard).reduce(f64::max);
    #[expect(clippy::cast_precision_loss, reason = "counts of some millions")]
    let truth = |name: &str| log.number(name) as f64;
    for (name, read) in [("fail2ban's filter", filter), ("our rule", own)] {
        report.limit(
            format!("sshd's log, {name}: lines not read"),
            truth("lines") - read.lines,
            0.0,
            "",
        );
        let missed = (truth("failures") - read.failures).abs();
        report.limit(format!("sshd's log, {name}: failures miscounted"), missed, 0.0, "");
        let missed = (truth("sources_ge5_in_600s") - read.often).abs();
        report.limit(format!("sshd's log, {name}: sources miscounted"), missed, 0.0, "");
        report.limit(format!("sshd's log, {name}: resident"), read.megabytes, 32.0, "MB");
    }
    report.least("sshd's log, our rule, with windows", own.millions(), 4.0, "M/s");
    report.least("quiet log, our rule, with windows", quiet.millions(), 10.0, "M/s");
    let what = "fail2ban's filter, with windows";
    if let Some(theirs) = peers::fail2ban_regex(&log.path, FOR_SLOW_PEERS) {
        report.ahead(what, filter.millions(), (50.0, "f2b-regex", theirs), "M/s");
    }
    if let Some(theirs) = sshguard {
        report.ahead(what, filter.millions(), (4.0, "sshg-parser", theirs), "M/s");
        report.peer("  our rule beside it", own.millions(), ("sshg-parser", theirs), "M/s");
    }
}

/// Every filter of fail2ban on one stream.
pub(crate) fn filters(report: &mut Report) {
    let Some(log) = Log::make("auth") else { return };
    let part = log.path.with_extension("part.log");
    let text = fs::read(&log.path).expect("a generated log");
    let end = text[..40 << 20].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    fs::write(&part, &text[..end]).expect("room for a log");
    drop(text);
    let start = Instant::now();
    let count = readers("fail2ban:*").len();
    let seconds = start.elapsed().as_secs_f64();
    report.limit(format!("{count} filters: start"), seconds, 0.3, "s");
    let read = Read::of("fail2ban:*", &part);
    report.least(format!("{count} filters on one stream"), read.millions(), 0.8, "M/s");
    report.limit(format!("{count} filters: resident"), read.megabytes, 64.0, "MB");
}

/// Scans a log of packets on so many threads, and returns how many seconds that took, and the counts.
fn scanned(log: &Path, threads: &str) -> (f64, Value) {
    let start = Instant::now();
    let output = Command::new(program::guard())
        .args(["--json", "scan"])
        .arg(log)
        .args(["--howmany", "5", "--within", "10m", "--set", "blacklist"])
        .args(["--remove-after", "1h", "--dry-run", "--threads", threads])
        .env("PORTGUARD_NOW", NOW.to_string())
        .output()
        .expect("a scan");
    let seconds = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (seconds, last.expect("a scan ends with its counts"))
}

/// A log of packets through `scan`, beside ripgrep; in turns, as [`sshd`] has it.
pub(crate) fn packets(report: &mut Report) {
    let Some(log) = Log::make("iptables") else { return };
    let rounds = [(); ROUNDS].map(|()| {
        let theirs = peers::ripgrep(&log.path, r"IPTABLES-.*SRC=(\S+).*PROTO=(\w+)");
        (scanned(&log.path, "1"), scanned(&log.path, "2"), theirs)
    });
    #[expect(clippy::cast_precision_loss, reason = "counts of some millions")]
    let millions = |seconds: f64| LINES as f64 / seconds / 1e6;
    let fastest = |all: &mut dyn Iterator<Item = f64>| millions(all.fold(f64::INFINITY, f64::min));
    let one = fastest(&mut rounds.iter().map(|((seconds, _), ..)| *seconds));
    let two = fastest(&mut rounds.iter().map(|(_, (seconds, _), _)| *seconds));
    let ((_, counts), (_, same), _) = &rounds[0];
    let differs = |ours: &str, theirs: &str| {
        let (ours, theirs) = (counts[ours].as_u64(), log.number(theirs));
        if ours == Some(theirs) { 0.0 } else { 1.0 }
    };
    let wrong = differs("lines", "lines")
        + differs("matched", "failures")
        + differs("subjects", "distinct_sources")
        + differs("violations", "sources_ge5_in_600s");
    report.limit("log of packets: counts that differ from the truth", wrong, 0.0, "");
    report.limit("two threads find something else", f64::from(u8::from(counts != same)), 0.0, "");
    report.least("log of packets, one thread", one, 4.0, "M/s");
    report.ahead("log of packets, two threads", two, (1.4, "one thread", one), "M/s");
    if let Some(theirs) = rounds.iter().filter_map(|(_, _, theirs)| *theirs).reduce(f64::max) {
        report.ahead("log of packets, one thread", one, (1.5, "rg -c", theirs), "M/s");
    }
}

const WATCH: &str = "howmany = 1\nwithin = \"1h\"\n";

/// A line appended to a log until its source is in the kernel; then ten thousand at once.
pub(crate) fn latency(report: &mut Report) {
    const LINES: u32 = 500;
    let lab = Lab::new();
    let folder = peers::folder().join(format!("watched-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("room for a log");
    let log = folder.join("auth.log");
    File::create(&log).expect("room for a log");
    let configuration = format!(
        "[[watch]]\nname = \"sshd\"\nfiles = [\"{}\"]\nrule = \"sshd\"\n{WATCH}",
        log.display()
    );
    let daemon = Daemon::start(lab.guarded(), &configuration);
    let mut worker = Worker::start(lab.guarded(), &[]);
    let path = log.display();
    let mut times: Vec<Duration> = (0..LINES)
        .map(|number| {
            let source = format!("198.18.{}.{}", number / 250, number % 250 + 1);
            let answer = worker.ask(&format!("ban-by-line {path} {source}"));
            Duration::from_micros(answer.parse().expect("microseconds"))
        })
        .collect();
    report.limit("line to element, p50", ms(percentile(&mut times, 0.5)), 0.5, "ms");
    report.limit("line to element, p99", ms(percentile(&mut times, 0.99)), 3.0, "ms");
    let seconds: f64 = worker.ask(&format!("ban-by-lines {path} 10000")).parse().expect("seconds");
    report.limit("10,000 offenders at once, last element", seconds, 0.3, "s");
    let banned = || daemon.status()["held"]["banned"].as_u64().unwrap_or(0);
    let missing = 10_000 + u64::from(LINES) - banned();
    #[expect(clippy::cast_precision_loss, reason = "a count of some thousands")]
    report.limit("10,000 offenders at once, not banned", missing as f64, 0.0, "");
    // What is left of it is in nobody's way.
    let _ = fs::remove_dir_all(&folder);
}

fn failed(source: &str) -> String {
    let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let at = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(0)).expect("a moment");
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{at} host sshd[7]: Failed password for root from {source} port 4242 ssh2\n")
}

fn append(path: &str, text: &str) {
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a log that can be written");
}

/// Appends a line about a source and returns after how many microseconds the kernel bans it.
pub(crate) fn ban_by_line(path: &str, source: &str) -> String {
    let mut bans = Bans::hear();
    let text = failed(source);
    let start = Instant::now();
    append(path, &text);
    bans.wait_for(1, start);
    start.elapsed().as_micros().to_string()
}

/// Appends lines about so many sources and returns after how many seconds the kernel bans the last.
pub(crate) fn ban_by_lines(path: &str, count: usize) -> String {
    let mut bans = Bans::hear();
    let source = |number: usize| format!("198.19.{}.{}", number / 250, number % 250 + 1);
    let text: String = (0..count).map(|number| failed(&source(number))).collect();
    let start = Instant::now();
    append(path, &text);
    bans.wait_for(count, start);
    start.elapsed().as_secs_f64().to_string()
}

/// The kernel's own notifications of bans.
struct Bans(Monitor);

impl Bans {
    fn hear() -> Self {
        // Whatever a table of ours did not do is heard.
        let table = Table::open("portguard").expect("a socket");
        Self(Monitor::open("portguard", table.ownership()).expect("notifications"))
    }

    fn wait_for(&mut self, count: usize, start: Instant) {
        let mut heard = 0;
        while heard < count {
            assert!(start.elapsed() < Duration::from_secs(30), "{count} are banned in time");
            let notice = self.0.hear(Duration::from_secs(1)).expect("notifications");
            if let Some(Notice::Change(change)) = notice {
                heard += change.added.iter().filter(|one| one.element.list == List::Ban).count();
            }
        }
    }
}
