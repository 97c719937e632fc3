//! Logs through the guard, offline: the same in gives the same out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Output},
};

use portguard_core::{Entry, Evidence, Grade, Note, Record, Span, Subject, Timestamp};
use portguard_store::{Ledger, Retention};
use serde_json::Value;
use tempfile::TempDir;

/// 20 November 2026, noon.
const NOW: &str = "1795176000";

/// A host with a configuration that watches log-ins and web pages.
struct Host(TempDir);

impl Host {
    fn new(more: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        let state = host.0.path().display();
        let text = format!(
            "[guard]\nstate_dir = \"{state}\"\nrun_dir = \"{state}\"\n\
             [protect]\naddresses = [\"192.0.2.99\"]\n\
             [[watch]]\nname = \"ssh\"\nrule = \"sshd\"\nfiles = [\"/var/log/auth.log\"]\nhowmany = 3\n\
             [[watch]]\nname = \"web\"\nrule = \"nginx\"\nfiles = [\"/var/log/nginx/*access.log\"]\nhowmany = 2\n\
             {more}"
        );
        fs::write(host.0.path().join("portguard.toml"), text).unwrap();
        host
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn portguard(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_portguard"))
            .args(["--config", "portguard.toml"])
            .args(words)
            .current_dir(self.0.path())
            .envs([("PORTGUARD_NOW", NOW), ("TZ", "UTC")])
            .output()
            .unwrap()
    }

    /// Runs a command that must succeed, and returns its objects.
    fn objects(&self, words: &[&str]) -> Vec<Value> {
        let output = self.portguard(&[&["--json"], words].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
    }
}

fn failed(minute: u32, source: &str) -> String {
    let user = minute % 7;
    format!(
        "Nov 20 10:{minute:02}:00 h sshd[7]: Failed password for u{user} from {source} port 22 ssh2\n"
    )
}

fn kinds(objects: &[Value]) -> Vec<String> {
    let told = |object: &Value| {
        let measure = object["measure"].as_str().unwrap_or("-");
        format!(
            "{} {} {measure}",
            object["kind"].as_str().unwrap(),
            object["subject"].as_str().unwrap()
        )
    };
    objects.iter().map(told).collect()
}

#[test]
fn logs_of_several_services_are_replayed_in_the_order_of_their_times() {
    let host = Host::new("");
    let auth: String = (0..5).map(|minute| failed(minute, "192.0.2.7")).collect();
    host.write(
        "auth.log",
        &(auth + &(16..19).map(|minute| failed(minute, "192.0.2.99")).collect::<String>()),
    );
    let web = |second: u32| {
        format!(
            "192.0.2.8 - - [20/Nov/2026:10:01:{second:02} +0000] \"GET / HTTP/1.1\" 401 5 \"-\" \"-\"\n"
        )
    };
    host.write("nginx-access.log", &(web(1) + &web(2)));
    let words = ["replay", "auth.log", "nginx-access.log"];
    let objects = host.objects(&words);
    assert_eq!(
        kinds(&objects),
        [
            "suspicion 192.0.2.8 -",
            "decision 192.0.2.8 ban",
            "suspicion 192.0.2.7 -",
            "decision 192.0.2.7 ban",
            "entry 192.0.2.8 ban",
            "entry 192.0.2.7 ban",
            "suspicion 192.0.2.99 -",
        ]
    );
    let decision = &objects[3];
    assert_eq!(decision["at"], "2026-11-20T10:02:00.000Z");
    assert_eq!(decision["until"], "2026-11-20T10:12:00.000Z");
    assert_eq!(
        (&decision["rule"], &objects[2]["evidence"]["hits"]),
        (&"watch ssh".into(), &"3".into())
    );
    assert!(objects[6]["evidence"]["excused"].as_str().unwrap().contains("protected"));
    assert_eq!(host.objects(&words), objects);
    let told = host.portguard(&words);
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("decision   192.0.2.7  ban  until 2026-11-20T10:12:00.000Z"), "{text}");
    assert!(
        String::from_utf8_lossy(&told.stderr).starts_with("10 lines, 3 suspicions, 2 decisions")
    );
}

#[test]
fn whoever_is_banned_by_then_makes_no_further_lines() {
    let host = Host::new("");
    host.write("auth.log", &(0..9).map(|minute| failed(minute, "192.0.2.7")).collect::<String>());
    assert_eq!(kinds(&host.objects(&["replay", "auth.log"])).len(), 2);
    let told = host.portguard(&["replay", "auth.log"]);
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("2 suspicions of sources that were banned by then"), "{told}");
}

#[test]
fn the_present_and_the_rule_can_be_named() {
    let host = Host::new("");
    host.write("other.txt", &(0..3).map(|minute| failed(minute, "192.0.2.7")).collect::<String>());
    let objects =
        host.objects(&["replay", "other.txt", "--rule", "sshd", "--now", "2024-12-01T00:00:00Z"]);
    assert!(objects.is_empty());
    let all = failed(0, "192.0.2.7").repeat(5);
    host.write("other.txt", &all);
    let objects =
        host.objects(&["replay", "other.txt", "--rule", "sshd", "--now", "2024-12-01T00:00:00Z"]);
    assert_eq!(objects[1]["at"], "2024-11-20T10:00:00.000Z");
    for (words, told) in [
        (&["replay", "nothing.log"][..], "nothing.log"),
        (&["replay", "other.txt", "--now", "soon"], "`soon` is no time"),
        (&["replay", "other.txt", "--rule", "none"], "no rule `none`"),
        (&["replay", "."], "it is no file of lines"),
    ] {
        let output = host.portguard(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(told), "{words:?}: {text}");
    }
}

/// Writes offences into the ledger as a daemon would have.
fn remember(host: &Host, offences: &[(&str, &str, u64)]) {
    let retention =
        Retention { keep_entries: Span::Forever, keep_offenders: Span::Forever, max_size: 1 << 30 };
    let now = Timestamp::from_secs(1_795_100_000);
    let (mut ledger, _) = Ledger::open(&host.0.path().join("ledger.db"), retention, now);
    let entries: Vec<Record> = offences
        .iter()
        .map(|(peer, origin, at)| {
            let peer = peer.parse().unwrap();
            let note = Note::Offence {
                peer,
                subject: Subject::address(peer),
                origin: (*origin).into(),
                grade: Grade::Handshake,
                evidence: Evidence::default(),
                excused: None,
            };
            Record::Entry(Entry { at: Timestamp::from_secs(1_795_000_000 + at), note })
        })
        .collect();
    ledger.record(&entries).unwrap();
}

#[test]
fn a_policy_is_tried_on_the_recorded_past() {
    let host = Host::new("[[traps]]\nports = [\"23\"]\n");
    remember(
        &host,
        &[
            ("192.0.2.7", "watch ssh", 0),
            ("192.0.2.7", "watch ssh", 60),
            ("192.0.2.8", "trap tcp/23", 100),
            ("192.0.2.9", "watch ftp", 200),
            ("192.0.2.7", "watch ssh", 4_000),
            ("192.0.2.99", "watch ssh", 5_000),
        ],
    );
    let answer = &host.objects(&["backtest"])[0];
    let counts = ["offences", "unnoticed", "prevented", "behaved", "came_back", "still_held"];
    assert_eq!(counts.map(|name| answer[name].as_u64().unwrap()), [6, 1, 1, 1, 1, 0]);
    let mut told = String::new();
    for held in answer["held"].as_array().unwrap() {
        write!(told, "{} {}; ", held["subject"].as_str().unwrap(), held["fate"].as_str().unwrap())
            .unwrap();
    }
    assert_eq!(told, "192.0.2.7 came back; 192.0.2.8 behaved; ");
    let recent = &host.objects(&["backtest", "--since", "1d"])[0];
    assert_eq!(recent["offences"], 0);
    let text = String::from_utf8(host.portguard(&["backtest"]).stdout).unwrap();
    assert!(text.starts_with("SUBJECT") && text.contains("came back"), "{text}");
}

#[test]
fn anomalies_of_the_past_count_where_rules_are_put_in_force() {
    for (respond, unnoticed, held) in [("auto", 0, 1), ("propose", 1, 0)] {
        let host = Host::new(&format!("[anomaly]\nrespond = \"{respond}\"\n"));
        remember(&host, &[("192.0.2.7", "anomaly port_scan", 0)]);
        let answer = &host.objects(&["backtest"])[0];
        assert_eq!((&answer["offences"], &answer["unnoticed"]), (&1.into(), &unnoticed.into()));
        assert_eq!(answer["held"].as_array().unwrap().len(), held);
    }
}
