//! Anomalies in live packets: real scanners are found early, and what follows is up to the operator.

use std::{collections::BTreeSet, path::PathBuf};

use lab::{Lab, deadline::PATIENCE, eventually, running::Running, wiring::GUARDED_V4};
use serde_json::Value;

use crate::story::{Story, wait_for};

const CLOSED: &str = "[guard]\nposture = 'closed'\n[ports]\nalways = ['tcp/8080']\n";
const AUTO: &str = "[anomaly]\nrespond = 'auto'\n";

/// A source may try fewer ports than this before it is found.
const FOUND_BEFORE: usize = 30;

/// The packets that arrive at the guarded host, written to a file as they come.
struct Tap {
    _running: Running,
    file: PathBuf,
}

impl Tap {
    fn new(story: &Story) -> Self {
        let file = story.daemon.home().join("arrived.pcap");
        let line = format!(
            "exec tcpdump -Z root -n -U -Q in -i cable -w {} 'tcp or udp' 2>&1",
            file.display()
        );
        let running = story.lab.guarded().spawn(["sh", "-c", &line]);
        let said = running.line(PATIENCE).unwrap_or_default();
        assert!(said.contains("listening on"), "{said}");
        Self { _running: running, file }
    }

    /// Returns which ports were tried up to a moment, in seconds since 1970; waits until the file goes
    /// on behind it.
    fn ports_until(&self, story: &Story, moment: f64) -> usize {
        let lines = eventually("packets behind the moment", PATIENCE, || {
            // The last packet may be written by half.
            let read = story.lab.guarded().attempt(["tcpdump", "-n", "-tt", "-r", &self.path()]);
            let lines = String::from_utf8_lossy(&read.stdout).into_owned();
            let last = lines.lines().last().and_then(|line| tried(line)).map(|(at, _)| at);
            last.is_some_and(|at| at > moment).then_some(lines)
        });
        let tried = lines.lines().filter_map(tried).filter(|(at, _)| *at <= moment);
        let ports: BTreeSet<&str> = tried.map(|(_, port)| port).collect();
        ports.len()
    }

    fn path(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}

/// Returns the moment and the port of a line (`1795176000.1 IP 10.77.0.2.5000 > 10.77.0.1.22: Flags`).
fn tried(line: &str) -> Option<(f64, &str)> {
    let (at, rest) = line.split_once(' ')?;
    let (_, to) = rest.split_once(" > ")?;
    let (_, port) = to.split_once(": ")?.0.rsplit_once('.')?;
    Some((at.parse().ok()?, port))
}

/// Returns the suspicions that the journal tells of.
pub(crate) fn suspicions(story: &Story) -> Vec<Value> {
    let entries = story.json(&["events"]);
    let all = entries.as_array().expect("a list").iter();
    let is_one = |entry: &&Value| {
        let text = entry["text"].as_str().unwrap_or_default();
        entry["kind"] == "offence" && text.starts_with("anomaly ")
    };
    all.filter(is_one).cloned().collect()
}

fn wait_for_suspicion(story: &Story) -> Value {
    eventually("a suspicion", PATIENCE, || suspicions(story).into_iter().next())
}

/// Returns the moment of a journal line in seconds since 1970, and a little more: it is cut to a
/// millisecond, and its clock and that of the packets are some apart.
fn moment(story: &Story, entry: &Value) -> f64 {
    let at = entry["at"].as_str().expect("a moment");
    let seconds = story.lab.guarded().run(["date", "-d", at, "+%s.%3N"]);
    seconds.trim().parse::<f64>().expect("seconds") + 0.005
}

/// Scans a host, and returns how many ports were tried before that was found, and by what.
fn scanned(configuration: &str, address: &str, options: &str) -> (usize, String) {
    let story = Story::new(configuration);
    let tap = Tap::new(&story);
    let fixed = ["-p", "1-9000", "--max-retries", "0", "--host-timeout", "25s"];
    let words: Vec<&str> = fixed.into_iter().chain(options.split(' ')).chain([address]).collect();
    let scanner = story.lab.scanner().spawn(["nmap", "-n", "-Pn"].into_iter().chain(words));
    let found = wait_for_suspicion(&story);
    let rule = found["text"].as_str().unwrap_or_default().to_owned();
    let moment = moment(&story, &found);
    // Three packets are the fewest that any detector asks for.
    let tried = tap.ports_until(&story, moment);
    assert!(tried >= 3, "the tap saw {tried} ports before {rule}");
    drop(scanner);
    (tried, rule)
}

fn check_scans(configuration: &str, address: &str, scans: &[&str]) {
    let mut slow = Vec::new();
    for options in scans {
        let (tried, rule) = scanned(configuration, address, options);
        println!("{address} nmap {options}: {rule} after {tried} ports");
        if tried >= FOUND_BEFORE {
            slow.push(format!("{options}: {tried} ports"));
        }
    }
    assert!(slow.is_empty(), "found too late: {slow:?}");
}

const V4: &str = "10.77.0.1";
const V6: &str = "fd77::1";

/// A scan from an address that is not the gateway's.
const FROM_V6: [&str; 9] = ["-6", "-sS", "-T4", "-p", "1-40", "-S", "fd77::3", "-e", "cable"];

/// nmap's scans: half-open, by `connect`, UDP, and those with flags that no connection begins with.
const SCANS: [&str; 8] = ["-sS", "-sT", "-sU", "-sF", "-sN", "-sX", "-sA", "-sM"];

/// Scans a host in every way at one speed.
fn check_all_scans(configuration: &str, address: &str, speed: &str) {
    let family = if address == V6 { "-6 " } else { "" };
    let scans = SCANS.map(|scan| format!("{family}{scan} {speed}"));
    check_scans(configuration, address, &scans.each_ref().map(String::as_str));
}

#[test]
fn slow_scans_of_a_closed_host_are_found_before_thirty_ports() {
    check_all_scans(CLOSED, V4, "-T2");
}

#[test]
fn slow_scans_of_a_closed_host_are_found_over_ipv6() {
    check_all_scans(CLOSED, V6, "-T2");
}

#[test]
fn usual_scans_of_a_closed_host_are_found_before_thirty_ports() {
    check_all_scans(CLOSED, V4, "-T3");
    check_all_scans(CLOSED, V6, "-T3");
}

#[test]
fn quick_scans_of_a_closed_host_are_found_before_thirty_ports() {
    check_all_scans(CLOSED, V4, "-T4");
    check_all_scans(CLOSED, V6, "-T4");
}

#[test]
fn hasty_scans_of_a_closed_host_are_found_before_thirty_ports() {
    check_all_scans(CLOSED, V4, "-T5");
    check_all_scans(CLOSED, V6, "-T5");
}

/// A host that refuses as fast as it is asked, up to `ports.vacant`: so the scanner waits for answers
/// before it has tried 30 ports, and is found meanwhile. Over IPv6 the scanner is the gateway, whom
/// nothing turns away.
const OPEN: &str = "[protect]\ngateways = false\n";

#[test]
fn slow_scans_of_an_open_host_are_found_before_thirty_ports() {
    check_all_scans(OPEN, V4, "-T2");
}

#[test]
fn slow_scans_of_an_open_host_are_found_over_ipv6() {
    check_all_scans(OPEN, V6, "-T2");
}

#[test]
fn usual_scans_of_an_open_host_are_found_before_thirty_ports() {
    check_all_scans(OPEN, V4, "-T3");
    check_all_scans(OPEN, V6, "-T3");
}

#[test]
fn quick_scans_of_an_open_host_are_found_before_thirty_ports() {
    check_all_scans(OPEN, V4, "-T4");
    check_all_scans(OPEN, V6, "-T4");
}

#[test]
fn hasty_scans_of_an_open_host_are_found_before_thirty_ports() {
    check_all_scans(OPEN, V4, "-T5");
    check_all_scans(OPEN, V6, "-T5");
}

#[test]
fn a_scan_of_an_open_host_learns_what_listens_and_of_five_other_ports() {
    let story = Story::new(&[OPEN, "[ports]\nvacant = '5/day'\n"].concat());
    // It listens on IPv4.
    let _server = story.serve(700);
    for (family, listening) in [(&[V4][..], 1), (&["-6", V6], 0)] {
        let scan = ["-sS", "-T5", "-p", "601-1000", "--max-retries", "1"];
        let findings = story.lab.scanner().nmap(&[&scan[..], family].concat());
        let of = |state: &str| findings.iter().filter(|found| found.state == state).count();
        assert_eq!((of("open"), of("closed")), (listening, 5), "{family:?}: {findings:?}");
    }
}

#[test]
fn a_proposed_rule_is_accepted_or_dismissed() {
    let story = Story::new(CLOSED);
    story.lab.scanner().nmap(&["-sS", "-T4", "-p", "1-40", "10.77.0.1"]);
    wait_for("a proposal", || !story.json(&["list", "proposals"]).as_array().unwrap().is_empty());
    let proposals = story.json(&["list", "proposals"]);
    let first = &proposals[0];
    assert_eq!((&first["subject"], &first["severity"]), (&"10.77.0.2".into(), &"high".into()));
    // A source that may be forged is throttled at most.
    assert_eq!((&first["measure"], &first["for"]), (&"throttle-hard".into(), &21_600.into()));
    assert_eq!(story.verdict("10.77.0.2"), "none");
    let listed = story.cli(&["list", "proposals"]);
    assert!(listed.stdout.contains("port_scan") && listed.stdout.contains("10.77.0.2"));

    let id = first["id"].to_string();
    story.order(&["accept", &id]);
    assert_eq!(story.verdict("10.77.0.2"), "throttled");
    let again = story.cli(&["accept", &id]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains(&format!("no proposed rule has the number {id}")));
    assert!(again.stderr.contains("hint: see portguard list proposals"), "{}", again.stderr);

    story.lab.scanner().nmap(&[&FROM_V6[..], &[V6]].concat());
    let other = eventually("another proposal", PATIENCE, || {
        story.json(&["list", "proposals"])[0]["id"].as_u64()
    });
    story.order(&["dismiss", &other.to_string()]);
    assert_eq!(story.json(&["list", "proposals"]), Value::Array(Vec::new()));
    assert!(
        story.cli(&["events"]).stdout.contains(&format!("proposal {other} dismissed by operator"))
    );
}

#[test]
fn proposals_survive_a_restart() {
    let mut story = Story::new(CLOSED);
    story.lab.scanner().nmap(&["-sS", "-T4", "-p", "1-40", "10.77.0.1"]);
    wait_for("a proposal", || !story.json(&["list", "proposals"]).as_array().unwrap().is_empty());
    let before = story.json(&["list", "proposals"]);
    story.daemon.kill9();
    story.start_again();
    assert_eq!(story.json(&["list", "proposals"]), before);
}

#[test]
fn who_completed_a_handshake_is_banned_and_who_may_be_forged_is_not() {
    let story = Story::new(&[CLOSED, AUTO].concat());
    let _server = story.serve(8080);
    let connection = story.lab.scanner().talk(None, (GUARDED_V4, 8080).into());
    story.lab.scanner().nmap(&["-sS", "-T4", "-p", "1-40", "10.77.0.1"]);
    story.wait_for_verdict("10.77.0.2", "banned");
    drop(connection);
    story.lab.scanner().nmap(&[&FROM_V6[..], &[V6]].concat());
    story.wait_for_verdict("fd77::3", "throttled");
    let why = story.cli(&["why", "10.77.0.2"]);
    assert!(
        why.stdout.contains("anomaly port_scan") && why.stdout.contains("tried=tcp/"),
        "{}",
        why.stdout
    );
}

#[test]
fn floods_are_found() {
    let story = Story::new(CLOSED);
    for (options, rule) in [
        ("--udp -p 9 -i u500 -c 4000", "udp_flood"),
        ("--icmp -i u2000 -c 400", "icmp_flood"),
        ("-S -p 80 -i u1000 -c 1500", "syn_flood"),
    ] {
        let line = ["hping3", "-q", "10.77.0.1"].into_iter().chain(options.split(' '));
        // It says that nothing came back.
        story.lab.scanner().attempt(line);
        let text = format!("anomaly {rule}");
        wait_for(&text, || suspicions(&story).iter().any(|one| one["text"] == text.as_str()));
    }
}

#[test]
fn a_flood_from_made_up_sources_is_told_of_and_nobody_blamed() {
    let story = Story::new(&[CLOSED, AUTO].concat());
    let line = "hping3 -q -S --rand-source -p 80 -i u1000 -c 1500 10.77.0.1";
    // It says that nothing came back.
    story.lab.scanner().attempt(line.split(' '));
    let told = eventually("the flood", PATIENCE, || {
        let events = story.json(&["events"]);
        events.as_array().unwrap().iter().find(|one| one["kind"] == "anomaly").cloned()
    });
    assert_eq!((&told["text"], &told["subject"]), (&"anomaly syn_flood".into(), &Value::Null));
    assert_eq!(story.json(&["list", "throttled"]), Value::Array(Vec::new()));
    assert_eq!(story.json(&["list", "bans"]), Value::Array(Vec::new()));
}

#[test]
fn strangers_at_a_port_and_strange_protocols_are_found() {
    let rule =
        "unauthorized = [{ ports = ['tcp/5432'], only = ['10.0.0.0/16'], severity = 'critical' }]";
    let story = Story::new(&format!("[anomaly]\n{rule}\n"));
    let _server = story.serve(5432);
    assert!(story.connects("10.77.0.3", GUARDED_V4, 5432));
    story.lab.scanner().attempt(["hping3", "-q", "--rawip", "-H", "89", "-c", "2", "10.77.0.1"]);
    for (rule, severity) in [("unauthorized", "critical"), ("unexpected_protocol", "medium")] {
        let text = format!("anomaly {rule}");
        let found = eventually(&text, PATIENCE, || {
            suspicions(&story).into_iter().find(|one| one["text"] == text.as_str())
        });
        let is_so = |pair: &Value| pair[0] == "severity" && pair[1] == severity;
        assert!(found["evidence"].as_array().unwrap().iter().any(is_so), "{found}");
    }
}

#[test]
fn honest_visitors_are_no_scanners() {
    let story = Story::new("[guard]\nposture = 'open'\n");
    let servers: Vec<Running> = (0..14).map(|number| story.serve(8_100 + number)).collect();
    wait_for("all of them to be seen", || story.reach("tcp/8113").starts_with("open"));
    for round in 0..3 {
        for number in 0..14 {
            let answer = story.connects("10.77.0.2", GUARDED_V4, 8_100 + number);
            assert!(answer, "round {round}");
        }
    }
    drop(servers);
    let is_scan = |one: &Value| one["text"].as_str().unwrap_or_default().contains("scan");
    assert!(!suspicions(&story).iter().any(is_scan), "{:?}", suspicions(&story));
}

#[test]
fn packets_of_a_capture_that_are_sent_again_are_found_as_they_are_in_it() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("sent.pcap");
    let line = format!("exec tcpdump -Z root -n -U -Q out -i cable -w {} tcp 2>&1", file.display());
    let capture = lab.scanner().spawn(["sh", "-c", &line]);
    let said = capture.line(PATIENCE).unwrap_or_default();
    assert!(said.contains("listening on"), "{said}");
    // Nobody guards the host yet.
    lab.scanner().nmap(&["-sS", "-T4", "-p", "1-40", "--max-retries", "0", "10.77.0.1"]);
    let path = file.to_str().expect("a plain path");
    wait_for("all probes to be written", || {
        let read = lab.scanner().attempt(["tcpdump", "-n", "-r", path]);
        String::from_utf8_lossy(&read.stdout).lines().count() >= 40
    });
    drop(capture);
    let story = Story::in_lab(lab, CLOSED);
    let replayed = story.cli(&["--json", "replay", path]).stdout;
    let again = ["--in", path, "--out", "cable", "--silent", "--ring-size", "2MiB"];
    story.lab.scanner().run(["netsniff-ng"].iter().chain(&again));
    let told = wait_for_suspicion(&story);
    let is_same = |line: &str| {
        let one: Value = serde_json::from_str(line).expect("an object on each line");
        one["kind"] == "suspicion"
            && one["rule"] == told["text"]
            && one["subject"] == told["subject"]
    };
    assert!(replayed.lines().any(is_same), "{told}: {replayed}");
}

#[test]
fn a_capture_says_the_same_as_the_live_packets() {
    let story = Story::new(CLOSED);
    let tap = Tap::new(&story);
    story.lab.scanner().nmap(&["-sS", "-T4", "-p", "1-40", "10.77.0.1"]);
    let live = wait_for_suspicion(&story);
    let replayed = eventually("the capture is written", PATIENCE, || {
        let ran = story.cli(&["--json", "replay", &tap.path()]);
        let mut objects =
            ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.find(|one| one["kind"] == "suspicion" && one["rule"] == live["text"])
    });
    assert_eq!((&replayed["subject"], &replayed["rule"]), (&live["subject"], &live["text"]));
    let tried = |evidence: &Value| evidence["tried"].as_str().unwrap_or_default().len();
    assert!(tried(&replayed["evidence"]) > 0, "{replayed}");
}
