//! Captures, and logs of packets, through the guard, offline.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// 20 November 2026, noon, in seconds since 1970.
const NOW: u32 = 1_795_176_000;

const BAD: [u8; 4] = [203, 0, 113, 7];
const HOST: [u8; 4] = [192, 0, 2, 1];
const SYN: u8 = 0x02;

/// A folder with files, and a configuration.
struct Desk(TempDir);

impl Desk {
    fn new(config: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.0.path().join("portguard.toml"), config).unwrap();
        desk
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn replay(&self, words: &[&str], stdin: &[u8]) -> Output {
        replay(Some(&self.0.path().join("portguard.toml")), self.0.path(), words, stdin)
    }

    fn found(&self, file: &str) -> Vec<Value> {
        objects(&self.replay(&["--json", file], b""))
    }
}

fn replay(config: Option<&Path>, folder: &Path, words: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portguard"));
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let mut child = command
        .arg("replay")
        .args(words)
        .current_dir(folder)
        .envs([("PORTGUARD_NOW", NOW.to_string().as_str()), ("TZ", "UTC")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who fails early does not read all of it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", errors(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Who is suspected of what, and how bad that is.
fn suspicions(objects: &[Value]) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut all: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for one in objects.iter().filter(|one| one["kind"] == "suspicion") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rule = text(&one["rule"]).replace("anomaly ", "");
        let severity = text(&one["evidence"]["severity"]);
        all.entry(text(&one["subject"])).or_default().insert((rule, severity));
    }
    all
}

/// A TCP packet of IPv4.
fn tcp(from: [u8; 4], to: [u8; 4], ports: (u16, u16), flags: u8) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    bytes.extend(from);
    bytes.extend(to);
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 4, 0, 0, 0, 0, 0]);
    bytes
}

/// What a capture of raw IP begins with.
fn head() -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(65_535_u32.to_le_bytes());
    bytes.extend(101_u32.to_le_bytes());
    bytes
}

/// A capture of raw IP, with a packet each second.
fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = head();
    for (second, packet) in (NOW..).zip(packets) {
        let length = u32::try_from(packet.len()).unwrap();
        for number in [second, 0, length, length] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(packet);
    }
    bytes
}

fn scan() -> Vec<Vec<u8>> {
    (1..=12).map(|port| tcp(BAD, HOST, (40_000, port), SYN)).collect()
}

#[test]
fn a_scan_in_a_capture_leads_to_a_proposed_rule() {
    let desk = Desk::new("");
    desk.write("scan.pcap", &capture(&scan()));
    let found = desk.found("scan.pcap");
    let kinds: Vec<&str> = found.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["suspicion", "entry"]);
    assert_eq!(
        (&found[0]["subject"], &found[0]["rule"]),
        (&"203.0.113.7".into(), &"anomaly port_scan".into())
    );
    assert_eq!(found[0]["evidence"]["grade"], "forgeable");
    assert_eq!(
        (&found[1]["measure"], &found[1]["evidence"]["proposal"]),
        (&"throttle-hard".into(), &"1".into())
    );
    // The same from standard input.
    let output = desk.replay(&["--json", "-"], &capture(&scan()));
    assert_eq!(objects(&output), found);
    assert!(errors(&output).contains("12 packets"), "{}", errors(&output));
}

#[test]
fn rules_are_in_force_at_once_if_that_is_wished() {
    let desk = Desk::new("[anomaly]\nrespond = 'auto'\n[anomaly.hold]\nhigh = '5h'");
    desk.write("scan.pcap", &capture(&scan()));
    let found = desk.found("scan.pcap");
    let decision = found.iter().find(|one| one["kind"] == "decision").unwrap();
    assert_eq!(decision["measure"], "throttle-hard");
    assert_eq!(decision["until"], "2026-11-20T17:00:10.000Z");
    let desk = Desk::new("[anomaly]\nrespond = 'off'");
    desk.write("scan.pcap", &capture(&scan()));
    let output = desk.replay(&["scan.pcap"], b"");
    assert!(errors(&output).contains("nothing is looked for in packets"), "{}", errors(&output));
}

#[test]
fn the_log_of_a_scan_says_the_same_as_the_scan() {
    let desk = Desk::new("");
    let line = |port: u32| {
        format!(
            "Nov 20 12:00:{port:02} host kernel: [1.5] DROP IN=eth0 OUT= SRC=203.0.113.7 DST=192.0.2.1 \
             LEN=40 TTL=64 ID=1 PROTO=TCP SPT=40000 DPT={port} WINDOW=1024 RES=0x00 SYN URGP=0 \n"
        )
    };
    desk.write("kern.log", (1..=12).map(line).collect::<String>().as_bytes());
    desk.write("scan.pcap", &capture(&scan()));
    let told = |file: &str| suspicions(&desk.found(file));
    assert_eq!(told("kern.log"), told("scan.pcap"));
    assert_eq!(told("kern.log").len(), 1);
}

/// Monday, 26 October 2026, midnight, in seconds since 1970.
const MONDAY: u64 = 1_792_972_800;

/// The kernel's log of three weeks and a half of connections to one port: much by day on weekdays,
/// little at night and at the week's end, by chance; a backup of many machines on Monday nights; and
/// one night on which it is as many on a Wednesday.
fn weeks() -> String {
    let mut chance = 1_u64;
    // Knuth's MMIX generator; its upper bits are good enough.
    let mut random = move |below: u64| {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let mut log = String::new();
    for hour in 0..25 * 24 + 12_u64 {
        let (day, time) = (hour / 24, hour % 24);
        let usual = match (day % 7, time) {
            (0..=4, 8..=17) => 160,
            (5 | 6, _) => 30,
            _ => 40,
        };
        let is_odd = time == 2 && (day % 7 == 0 || day == 23);
        let count = usual - usual / 8 + random(usual / 4 + 1) + if is_odd { 250 } else { 0 };
        let mut seconds: Vec<u64> = (0..count).map(|_| random(3_600)).collect();
        seconds.sort_unstable();
        log.extend(seconds.into_iter().map(|second| {
            let from = format!("198.18.{}.{}", random(200), 1 + random(200));
            logged(MONDAY + hour * 3_600 + second, &from)
        }));
    }
    log
}

/// A line of the kernel's log about a new connection to tcp/443 that was let in.
fn logged(second: u64, from: &str) -> String {
    let at = jiff::Timestamp::from_second(second.cast_signed()).unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %e %H:%M:%S");
    format!(
        "{at} host kernel: [1.5] NEW IN=eth0 OUT= SRC={from} DST=192.0.2.1 LEN=40 TTL=64 ID=1 \
         PROTO=TCP SPT=40000 DPT=443 WINDOW=1024 RES=0x00 SYN URGP=0 \n"
    )
}

#[test]
fn an_hour_that_is_far_from_the_habit_of_weeks_is_told_and_explained() {
    let desk = Desk::new("");
    desk.write("kern.log", weeks().as_bytes());
    let found = desk.found("kern.log");
    let told = found.iter().map(|one| {
        let evidence = |name: &str| one["evidence"][name].as_str().unwrap();
        let hour = &one["at"].as_str().unwrap()[..13];
        (hour, one["rule"].as_str().unwrap(), evidence("port"), evidence("compared-with"))
    });
    let told: Vec<_> = told.collect();
    // The backup is odd until it has come on three Mondays, and then no more.
    let odd = |hour, habit| (hour, "anomaly baseline", "tcp/443", habit);
    let expected = [
        odd("2026-11-02T02", "this hour of 7 days before"),
        odd("2026-11-09T02", "this hour of 14 days before"),
        odd("2026-11-18T02", "this hour and day of 3 weeks before"),
    ];
    assert_eq!(told, expected);
    for one in &found {
        let number = |name: &str| one["evidence"][name].as_str().unwrap().parse::<f64>().unwrap();
        assert!(number("deviations") >= 6.0 && (25.0..=50.0).contains(&number("usual")), "{one}");
    }
}

#[test]
fn damaged_captures_give_what_they_have_and_are_named() {
    let desk = Desk::new("");
    let whole = capture(&scan());
    desk.write("cut.pcap", &whole[..whole.len() - 7]);
    let output = desk.replay(&["--json", "cut.pcap"], b"");
    assert_eq!(suspicions(&objects(&output)).len(), 1);
    assert!(errors(&output).contains("cut.pcap: it is cut off at byte"), "{}", errors(&output));
    let mut broken = capture(&scan()[..11]);
    let at = broken.len();
    broken.extend(vec![0xff; 600_000]);
    desk.write("broken.pcap", &broken);
    let output = desk.replay(&["--json", "broken.pcap"], b"");
    assert_eq!(suspicions(&objects(&output)).len(), 1);
    let told = format!("broken.pcap: it is {{}} at byte {at}");
    let is_told = |how: &str| errors(&output).contains(&told.replace("{}", how));
    assert!(is_told("cut off") || is_told("damaged"), "{}", errors(&output));
    // Nothing of any frame was captured.
    desk.write("snap.pcap", &capture(&vec![Vec::new(); 40]));
    assert_eq!(desk.found("snap.pcap"), Vec::<Value>::new());
    desk.write("head.pcap", &whole[..9]);
    let output = desk.replay(&["head.pcap"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("cannot read head.pcap: it is no capture"),
        "{}",
        errors(&output)
    );
}

/// Frames of the large capture, of a mebibyte each: more than 32 bits can count bytes.
const LARGE: u32 = 4_200;

/// Writes a capture of frames that are empty but for a scan in the last of them. The file has
/// holes, so that it takes little room on the disk.
fn write_large(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&head()).unwrap();
    let length = 1_u32 << 20;
    let scan = scan();
    for frame in 0..LARGE {
        for number in [NOW + frame / 100, 0, length, length] {
            file.write_all(&number.to_le_bytes()).unwrap();
        }
        let place = file.stream_position().unwrap();
        let probe = (frame + 12).checked_sub(LARGE).map(|at| &scan[at as usize]);
        file.write_all(probe.map_or(&[], Vec::as_slice)).unwrap();
        file.seek(SeekFrom::Start(place + u64::from(length))).unwrap();
    }
    let end = file.stream_position().unwrap();
    file.set_len(end).unwrap();
}

#[test]
fn a_capture_of_more_than_four_gigabytes_is_streamed_with_progress() {
    let desk = Desk::new("");
    write_large(&desk.0.path().join("large.pcap"));
    // A quarter of the file at most fits into memory, and a terminal looks on.
    let program = env!("CARGO_BIN_EXE_portguard");
    let line = format!(
        "prlimit --data={} {program} --config portguard.toml --json replay large.pcap",
        1 << 30
    );
    let mut script = Command::new("script");
    let output = script.args(["-qec", &line, "/dev/null"]).current_dir(desk.0.path()).output();
    let output = output.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("anomaly port_scan") && shown.contains("203.0.113.7"), "{shown}");
    assert!(shown.contains("4200 packets (4188 of other protocols than IP)"), "{shown}");
    let steps = shown.matches(" % of 4200 MiB").count();
    assert!((50..=70).contains(&steps), "{steps} of some 65 steps were shown: {shown}");
}

#[test]
fn times_that_go_backwards_and_fragments_that_overlap_are_no_trouble() {
    let desk = Desk::new("");
    let mut packets = scan();
    for (index, packet) in packets.iter_mut().enumerate() {
        if index % 2 == 1 {
            // A later fragment, that begins inside the first.
            packet[6..8].copy_from_slice(&[0x20, 0x01]);
        }
    }
    packets.extend(scan());
    let mut bytes = capture(&packets);
    for index in 0..24_u32 {
        let at = 24 + 56 * index as usize;
        bytes[at..at + 4].copy_from_slice(&(NOW - index).to_le_bytes());
    }
    desk.write("back.pcap", &bytes);
    assert_eq!(suspicions(&desk.found("back.pcap")).len(), 1);
}

#[test]
fn no_configuration_is_needed_for_a_capture_where_there_is_none() {
    let desk = Desk::new("");
    desk.write("scan.pcap", &capture(&scan()));
    if Path::new("/etc/portguard/portguard.toml").exists() {
        return;
    }
    let output = replay(None, desk.0.path(), &["--json", "scan.pcap"], b"");
    assert_eq!(suspicions(&objects(&output)).len(), 1);
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora")
}

/// Says how many of the cases are right, and fails with those that are not.
fn verdict(what: &str, cases: usize, wrong: &[String]) {
    if cases == 0 {
        return println!("conformance: NOT RUN: no {what} are at hand");
    }
    println!("conformance: {} of {cases} {what}", cases - wrong.len().min(cases));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// Returns what is wrong with what was found in a labelled capture.
fn wrongs(label: &Value, found: &BTreeMap<String, BTreeSet<(String, String)>>) -> Vec<String> {
    let attackers = texts(&label["attackers"]);
    let missed = attackers.iter().filter(|who| !found.contains_key(*who));
    let mut wrongs: Vec<String> = missed.map(|who| format!("missed {who}")).collect();
    for (who, why) in found {
        let is_bad = |severity: &str| matches!(severity, "high" | "critical");
        let is_serious = why.iter().any(|(_, severity)| is_bad(severity));
        if texts(&label["must_not_flag"]).contains(who) {
            wrongs.push(format!("flagged {who}: {why:?}"));
        } else if !attackers.contains(who) && is_serious {
            wrongs.push(format!("alarmed by {who}: {why:?}"));
        }
    }
    wrongs
}

#[test]
fn labelled_captures_are_judged_as_their_labels_say() {
    let folder = corpora().join("pcaps");
    let labels = lines_of(&folder.join("labels.jsonl"));
    let desk = Desk::new("");
    let mut wrong = Vec::new();
    for label in &labels {
        let file = folder.join(label["file"].as_str().unwrap());
        let found = suspicions(&desk.found(file.to_str().unwrap()));
        let wrongs = wrongs(label, &found);
        let rules: BTreeSet<&str> =
            found.values().flatten().map(|(rule, _)| rule.as_str()).collect();
        println!(
            "{:26} {:32} {:28} {}",
            label["id"].as_str().unwrap(),
            label["kind"].as_str().unwrap(),
            rules.into_iter().collect::<Vec<_>>().join(" "),
            if wrongs.is_empty() { "right".to_owned() } else { wrongs.join(", ") }
        );
        wrong.extend(wrongs.into_iter().map(|what| format!("{}: {what}", label["id"])));
    }
    verdict("labelled captures", labels.len(), &wrong);
}

#[test]
fn logs_of_labelled_captures_are_judged_like_them() {
    let folder = corpora().join("pcaps");
    let logs = lines_of(&folder.join("as-log.jsonl"));
    let desk = Desk::new("");
    let mut wrong = Vec::new();
    for log in &logs {
        let file = folder.join(log["file"].as_str().unwrap());
        let unpacked = Command::new("xz").arg("-dc").arg(file).stdout(Stdio::piped()).spawn();
        let mut text = Vec::new();
        unpacked.unwrap().stdout.unwrap().read_to_end(&mut text).unwrap();
        desk.write("kern.log", &text);
        wrong.extend(wrongs(log, &suspicions(&desk.found("kern.log"))));
    }
    verdict("logs of captures", logs.len(), &wrong);
}

#[test]
fn logs_of_scans_are_judged_as_their_labels_say() {
    let folder = corpora().join("psad");
    let logs = lines_of(&folder.join("scans.jsonl"));
    let desk = Desk::new("");
    let mut wrong = Vec::new();
    for log in &logs {
        let name = log["log"].as_str().unwrap();
        let output = desk.found(folder.join("logs").join(name).to_str().unwrap());
        let found = suspicions(&output);
        for expected in log["expect"].as_array().unwrap() {
            let who = expected["src"].as_str().unwrap();
            let is_found = found.contains_key(who);
            let is_right = match expected["verdict"].as_str().unwrap() {
                "scan" => is_found,
                "never-block" => !output.iter().any(|one| one["measure"].is_string()),
                _ => !is_found,
            };
            if !is_right {
                wrong.push(format!("{name}: {expected}"));
            }
        }
    }
    verdict("logs of scans", logs.len(), &wrong);
}
