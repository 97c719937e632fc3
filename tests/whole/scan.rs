//! The scanner, with the kernel behind it.

use std::fs;

use lab::{Forgery, forgery::Kind, wiring::GUARDED_V4};

use crate::story::{Story, wait_for};

const CLOSED: &str = "[guard]\nposture = \"closed\"\n[ports]\nfollow = \"all\"\n";

/// Lines of one source, a second apart.
fn lines(source: &str, rule: &str, times: u32) -> String {
    let line = |second| {
        format!(
            "Nov 20 11:50:{second:02} host kernel: [1.0] {rule}: IN=eth0 OUT= MAC=02:fc SRC={source} \
             DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=4000 DPT=22 \
             WINDOW=64240 RES=0x00 SYN URGP=0 \n"
        )
    };
    (0..times).map(line).collect()
}

#[test]
fn who_is_logged_too_often_goes_on_the_list() {
    let story = Story::new("[protect]\naddresses = [\"203.0.113.5\"]\n");
    let log = story.daemon.home().join("packets.log");
    let text = [
        lines("203.0.113.9", "IPTABLES-BLOCKED", 5),
        lines("2001:db8:7::9", "IP6TABLES-BLOCKED", 5),
        lines("203.0.113.10", "IPTABLES-BLOCKED", 4),
        lines("203.0.113.11", "IPTABLES-ALLOWED", 5),
        lines("203.0.113.5", "IPTABLES-BLOCKED", 5),
    ];
    fs::write(&log, text.concat()).unwrap();
    let words =
        ["scan", log.to_str().unwrap(), "--rule", "blocked", "--type", "tcp", "--howmany", "5"];
    let words =
        [&words, ["--within", "30m", "--ipset", "throttle-hard", "--removeafter", "1h"].as_slice()];
    let dry = story.cli(&[words.concat().as_slice(), &["--dryrun"]].concat());
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert_eq!(dry.stdout.lines().count(), 3, "{}", dry.stdout);
    assert_eq!(story.verdict("203.0.113.9"), "none");

    let ran = story.cli(&words.concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("24 lines, 19 matched, 4 sources, 3 violations"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("203.0.113.5") && ran.stdout.contains("does not go"),
        "{}",
        ran.stdout
    );
    for (source, verdict) in [
        ("203.0.113.9", "throttled"),
        ("2001:db8:7::9", "throttled"),
        ("203.0.113.10", "none"),
        ("203.0.113.11", "none"),
        ("203.0.113.5", "protected"),
    ] {
        assert_eq!(story.verdict(source), verdict, "{source}");
    }
}

#[test]
fn objects_are_told() {
    let story = Story::new("");
    let log = story.daemon.home().join("packets.log");
    fs::write(&log, lines("203.0.113.9", "IPTABLES-BLOCKED", 2) + "odd \0 line\n").unwrap();
    let options =
        ["--howmany", "2", "--within", "1m", "--set", "blacklist", "--remove-after", "1d"];
    let words = [&["--json", "scan", log.to_str().unwrap()], options.as_slice()].concat();
    let ran = story.cli(&words);
    let objects: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["subject"], "203.0.113.9");
    assert_eq!((&objects[0]["hits"], &objects[0]["seconds"]), (&2.into(), &86_400.into()));
    assert_eq!((&objects[0]["set"], &objects[0]["applied"]), (&"blacklist".into(), &true.into()));
    assert_eq!(objects[1]["violations"], 1);
    assert_eq!(story.verdict("203.0.113.9"), "banned");
}

/// Sends so many packets that open no connection to a closed port.
fn flood(story: &Story, from: &str, packets: u32) {
    let (from, to) = (format!("{from}:4000").parse().unwrap(), (GUARDED_V4, 81).into());
    let one = Forgery::single(Kind::Syn, from, to);
    story.lab.scanner().forge(&Forgery { packets, ..one });
}

#[test]
fn without_a_file_the_daemons_own_record_is_scanned() {
    let story = Story::new(CLOSED);
    flood(&story, "192.0.2.1", 6);
    flood(&story, "192.0.2.2", 5);
    let words = ["scan", "--type", "tcp", "--howmany", "6", "--within", "1m", "--set", "blacklist"];
    let words = [&words, ["--remove-after", "1d", "--json"].as_slice()].concat();
    wait_for("the record", || {
        story.cli(&[&words, ["--dry-run"].as_slice()].concat()).stdout.contains("\"matched\":11")
    });
    let ran = story.cli(&words);
    assert!(ran.stdout.contains("\"subject\":\"192.0.2.1\""), "{}", ran.stdout);
    assert_eq!(
        (story.verdict("192.0.2.1"), story.verdict("192.0.2.2")),
        ("banned".into(), "none".into())
    );
}

#[test]
fn a_standing_scan_puts_whoever_is_blocked_too_often_on_its_list() {
    let scan = "[[scan]]\nrule = \"blocked\"\ntype = \"tcp\"\nhowmany = 20\nwithin = \"1m\"\n\
                set = \"throttle-hard\"\nremove_after = \"1h\"\n";
    let story = Story::new(&format!("{CLOSED}{scan}"));
    flood(&story, "192.0.2.2", 19);
    flood(&story, "192.0.2.1", 20);
    story.wait_for_verdict("192.0.2.1", "throttled");
    assert_eq!(story.verdict("192.0.2.2"), "none");
    let why = story.cli(&["why", "192.0.2.1"]).stdout;
    assert!(why.contains("scan blocked tcp: 20 packets within 1m"), "{why}");
    let scans = crate::face::Face::viewer(&story).get("/v1/scans").good();
    let expect = serde_json::json!({
        "rule": "blocked", "type": "tcp", "howmany": 20, "within": 60, "set": "throttle-hard",
        "remove_after": 3600, "found": 1, "last_subject": "192.0.2.1",
        "last_at": scans[0]["last_at"],
    });
    assert_eq!((&scans[0], scans[0]["last_at"].is_string()), (&expect, true));
    // Whoever is held longer already is left as it is.
    story.order(&["throttle", "192.0.2.2", "hard"]);
    flood(&story, "192.0.2.2", 40);
    flood(&story, "192.0.2.3", 20);
    story.wait_for_verdict("192.0.2.3", "throttled");
    let list = story.json(&["list", "throttled"]).to_string();
    let (_, held) = list.split_once("192.0.2.2").unwrap();
    assert!(!held.split_once('}').unwrap().0.contains("scan blocked"), "{list}");
}
