//! Captures through the whole guard: how many packets a second, and how much memory however many
//! sources are made up.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::program;

use crate::{figure::Report, peers};

/// Packets of the mixed capture.
const MIXED: u32 = 4_000_000;

/// Forged sources, each of which sends one packet.
const FORGED: u32 = 10_000_000;

/// After so many of them comes one packet of the scanner.
const SCANNED_EVERY: u32 = 100_000;

/// The first moment of the captures, in seconds since 1970.
const NOW: u32 = 1_795_176_000;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;

const HOST: u32 = 0xc000_0201;
const SCANNER: u32 = 0xcb00_7107;

/// Writes a capture of raw IP.
struct Writer {
    file: BufWriter<File>,
    count: u32,
    /// Packets in each second.
    rate: u32,
}

impl Writer {
    fn new(path: &Path, rate: u32) -> Self {
        let file = File::create(path).expect("room for a capture");
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let mut head = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend(65_535_u32.to_le_bytes());
        head.extend(101_u32.to_le_bytes());
        file.write_all(&head).expect("room for a capture");
        Self { file, count: 0, rate }
    }

    /// Writes a TCP packet of IPv4, from and to an address and port.
    fn tcp(&mut self, from: (u32, u16), to: (u32, u16), flags: u8, numbers: (u32, u32)) {
        let mut bytes = Vec::with_capacity(56);
        let micros = self.count % self.rate * (1_000_000 / self.rate);
        for number in [NOW + self.count / self.rate, micros, 40, 40] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
        for address in [from.0, to.0] {
            bytes.extend(address.to_be_bytes());
        }
        for port in [from.1, to.1] {
            bytes.extend(port.to_be_bytes());
        }
        for number in [numbers.0, numbers.1] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend([0x50, flags, 4, 0, 0, 0, 0, 0]);
        self.file.write_all(&bytes).expect("room for a capture");
        self.count += 1;
    }

    /// Writes a connection of twelve packets.
    fn visit(&mut self, from: (u32, u16), to: (u32, u16)) {
        self.tcp(from, to, SYN, (10, 0));
        self.tcp(to, from, SYN | ACK, (70, 11));
        self.tcp(from, to, ACK, (11, 71));
        for turn in 0..4 {
            self.tcp(from, to, PUSH, (11 + turn, 71 + turn));
            self.tcp(to, from, PUSH, (71 + turn, 12 + turn));
        }
        self.tcp(from, to, ACK | 1, (20, 90));
    }
}

/// What a replay came to.
struct Replayed {
    seconds: f64,
    megabytes: f64,
    /// Its suspicions, one a line.
    found: String,
}

/// Replays a capture on one core.
fn replay(path: &Path) -> Replayed {
    let start = Instant::now();
    let mut child = Command::new("taskset")
        .args(["--cpu-list", "1"])
        .arg(program::guard())
        .args(["--quiet", "--json", "replay"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a replay starts");
    let output = child.stdout.take().expect("it was asked for");
    let reader = thread::spawn(move || std::io::read_to_string(output).unwrap_or_default());
    let mut megabytes: f64 = 0.0;
    while matches!(child.try_wait(), Ok(None)) {
        megabytes = megabytes.max(peak_of(child.id()));
        thread::sleep(Duration::from_millis(5));
    }
    let seconds = start.elapsed().as_secs_f64();
    let found = reader.join().expect("the output is read");
    Replayed { seconds, megabytes, found }
}

/// Returns the most memory that a process has had so far, in MB.
fn peak_of(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let path = peers::folder().join(name);
    if !path.is_file() {
        let unfinished = path.with_extension("part");
        make(&unfinished);
        fs::rename(&unfinished, &path).expect("a folder of ours");
    }
    path
}

/// Visits of many, and a scan.
fn mixed(path: &Path) {
    let mut writer = Writer::new(path, 20_000);
    let mut number = 0_u32;
    while writer.count < MIXED {
        number += 1;
        let from = 0x0a00_0000 | (number % 20_000);
        let port = 1_024 + u16::try_from(number / 20_000).unwrap_or(0);
        writer.visit((from, port), (HOST, [22, 80, 443][number as usize % 3]));
        if number.is_multiple_of(2_000) {
            let port = u16::try_from(number / 2_000).unwrap_or(1);
            writer.tcp((SCANNER, 40_000), (HOST, port), SYN, (1, 0));
        }
    }
}

/// Forged sources, and a scanner among them.
fn forged(path: &Path) {
    let mut writer = Writer::new(path, 100_000);
    for number in 0..FORGED {
        let from = number.wrapping_mul(2_654_435_761);
        writer.tcp((from, 1_024), (HOST, 80), SYN, (1, 0));
        if number.is_multiple_of(SCANNED_EVERY) {
            let port = 1 + u16::try_from(number / SCANNED_EVERY).unwrap_or(0);
            writer.tcp((SCANNER, 40_000), (HOST, port), SYN, (1, 0));
        }
    }
}

pub(crate) fn captures(report: &mut Report) {
    let millions = |count: u32, seconds: f64| f64::from(count) / seconds / 1e6;
    let is_found = |found: &str| found.contains("\"203.0.113.7\"");
    let missed = |found: &str| if is_found(found) { 0.0 } else { 1.0 };
    let path = made("mixed.pcap", mixed);
    let best = (0..3).map(|_| replay(&path));
    let best = best.min_by(|one, other| one.seconds.total_cmp(&other.seconds)).expect("three");
    report.least("capture of visits and a scan", millions(MIXED, best.seconds), 2.0, "M/s");
    report.limit("  scanners missed", missed(&best.found), 0.0, "");
    let ours = millions(MIXED, best.seconds);
    let start = Instant::now();
    let mut read = Command::new("tcpdump");
    read.args(["-n", "-r"]).arg(&path).arg("tcp[13] = 2");
    if read.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|one| one.success()) {
        let theirs = millions(MIXED, start.elapsed().as_secs_f64());
        report.peer("  beside tcpdump, which prints SYNs", ours, ("tcpdump", theirs), "M/s");
    }
    let path = made("forged.pcap", forged);
    let replayed = replay(&path);
    let speed = millions(FORGED, replayed.seconds);
    report.peer("ten million forged sources", speed, ("all others", ours), "M/s");
    report.limit("  resident", replayed.megabytes, 128.0, "MB");
    report.limit("  scanners missed", missed(&replayed.found), 0.0, "");
}
