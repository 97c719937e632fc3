//! Scans of an open host, which answers as fast as it is asked: how far a real scanner has come when the
//! kernel holds its source.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use lab::{Daemon, Lab, eventually, running::Running};
use portguard_core::List;
use portguard_linux::nft::{Monitor, Notice, Table};

use crate::{
    figure::{Report, ms, percentile},
    worker::Worker,
};

/// The scanner is the gateway over IPv6, whom nothing would touch.
const CONFIGURATION: &str = "[protect]\ngateways = false\n[anomaly]\nrespond = \"auto\"\n";

/// nmap's scans, with the packets that their detectors ask for.
const SCANS: [(&str, usize); 8] = [
    ("-sS", 10),
    ("-sT", 10),
    ("-sU", 10),
    ("-sF", 3),
    ("-sN", 3),
    ("-sX", 3),
    ("-sA", 10),
    ("-sM", 10),
];

/// How long a scanner may stay unknown, and the capture unwritten.
const PATIENCE: Duration = Duration::from_secs(20);

/// All scans, at the two speeds that are faster than a decision, over both families.
pub(crate) fn scans(report: &mut Report) {
    let mut most = 0;
    let mut times = Vec::new();
    for (scan, asked) in SCANS {
        for speed in ["-T4", "-T5"] {
            for to in [&["10.77.0.1"][..], &["-6", "fd77::1"]] {
                let (tried, time) = held(&[&[scan, speed][..], to].concat(), asked);
                eprintln!("nmap {scan} {speed} {to:?}: {tried} ports, {:.3} ms", ms(time));
                most = most.max(tried);
                times.push(time);
            }
        }
    }
    let most = u32::try_from(most).map_or(f64::NAN, f64::from);
    report.limit("open host: ports that nmap tried before it is held, most", most, 30.0, "ports");
    let p50 = ms(percentile(&mut times, 0.5));
    report.limit("open host: telling packet to element, p50", p50, 2.0, "ms");
    report.limit(
        "open host: telling packet to element, p99",
        ms(percentile(&mut times, 0.99)),
        20.0,
        "ms",
    );
}

/// Scans a host; returns how many ports were tried when the kernel held the scanner, and how long that
/// took from the packet on that a detector asks for.
fn held(scan: &[&str], asked: usize) -> (usize, Duration) {
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), CONFIGURATION);
    let file = daemon.home().join("arrived.pcap").display().to_string();
    let line = format!("exec tcpdump -Z root -n -U -Q in -i cable -w {file} 'tcp or udp' 2>&1");
    let capture = lab.guarded().spawn(["sh", "-c", &line]);
    assert!(capture.line(PATIENCE).is_some_and(|said| said.contains("listening on")));
    let mut hearer = Worker::start(lab.guarded(), &[]);
    assert_eq!(hearer.ask("hear-measures"), "ready");
    hearer.tell("next-measure");
    let _scanner = scanner(&lab, scan);
    let moment = hearer.numbers()[0];
    let packets = eventually("packets behind the moment", PATIENCE, || {
        let read = lab.guarded().attempt(["tcpdump", "-n", "-tt", "-r", &file]);
        let lines = String::from_utf8_lossy(&read.stdout).into_owned();
        let packets: Vec<(f64, u16)> = lines.lines().filter_map(tried).collect();
        packets.last().is_some_and(|(at, _)| *at > moment).then_some(packets)
    });
    let mut ports = BTreeSet::new();
    let mut told = moment;
    for (at, port) in packets.into_iter().filter(|(at, _)| *at <= moment) {
        if ports.insert(port) && ports.len() == asked {
            told = at;
        }
    }
    (ports.len(), Duration::from_secs_f64(moment - told))
}

fn scanner(lab: &Lab, scan: &[&str]) -> Running {
    let fixed = ["nmap", "-n", "-Pn", "-p", "1-9000", "--max-retries", "0"];
    lab.scanner().spawn(fixed.iter().chain(scan))
}

/// Returns the moment and the port of a line (`1795176000.1 IP 10.77.0.2.5000 > 10.77.0.1.22: Flags`).
fn tried(line: &str) -> Option<(f64, u16)> {
    let (at, rest) = line.split_once(' ')?;
    let (_, to) = rest.split_once(" > ")?;
    let (_, port) = to.split_once(": ")?.0.rsplit_once('.')?;
    Some((at.parse().ok()?, port.parse().ok()?))
}

/// Listens to what others put into the kernel's sets.
pub(crate) fn hear() -> Monitor {
    // Whatever a table of ours did not do is heard.
    let table = Table::open("portguard").expect("a socket");
    Monitor::open("portguard", table.ownership()).expect("notifications")
}

/// Returns when the next source is banned or throttled, in seconds since 1970.
pub(crate) fn next_measure(monitor: &mut Monitor) -> String {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "a measure in time");
        let notice = monitor.hear(Duration::from_secs(1)).expect("notifications");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
        let Some(Notice::Change(change)) = notice else { continue };
        let is_measure = |list| matches!(list, List::Ban | List::ThrottleHard);
        if change.added.iter().any(|one| is_measure(one.element.list)) {
            return format!("{:.6}", since.as_secs_f64());
        }
    }
}
