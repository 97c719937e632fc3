//! The scanner, with the kernel behind it.

use std::fs;

use crate::story::Story;

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
fn objects_are_told_and_a_file_is_needed() {
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
    let none = story.cli(&[&["scan"], options.as_slice()].concat());
    assert_eq!((none.code, none.stderr.lines().next()), (2, Some("error: no file to scan")));
}
