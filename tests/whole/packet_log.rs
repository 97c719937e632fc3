//! The record of packet decisions: asked, followed, filtered, written as classic lines.

use lab::{
    deadline::PATIENCE,
    forgery::{Forgery, Kind},
    wiring::GUARDED_V4,
};
use serde_json::Value;

use crate::story::{Story, wait_for};

const PEER: &str = "10.77.0.2";
const CLOSED: &str = "[guard]\nposture = \"closed\"\n[ports]\nfollow = \"all\"\n";

fn items(story: &Story, filters: &[&str]) -> Vec<Value> {
    let log = story.json(&[&["log"], filters].concat());
    log["items"].as_array().unwrap().clone()
}

fn wait_for_items(story: &Story, filters: &[&str], count: usize) -> Vec<Value> {
    let what = format!("{count} decisions with {filters:?}");
    lab::eventually(&what, PATIENCE, || {
        let found = items(story, filters);
        (found.len() == count).then_some(found)
    })
}

/// Sends so many packets that open no connection to a closed port.
fn flood(story: &Story, packets: u32) {
    let (from, to) = ("192.0.2.1:4000".parse().unwrap(), (GUARDED_V4, 81).into());
    let one = Forgery::single(Kind::Syn, from, to);
    story.lab.scanner().forge(&Forgery { packets, ..one });
}

#[test]
fn each_decision_is_recorded_with_its_rule() {
    let story = Story::new(CLOSED);
    let _server = story.serve(8080);
    assert!(story.connects(PEER, GUARDED_V4, 8080));
    assert!(!story.connects(PEER, GUARDED_V4, 81));
    story.order(&["ban", "10.77.0.3"]);
    assert!(!story.connects("10.77.0.3", GUARDED_V4, 8080));
    let banned = &wait_for_items(&story, &["--rule", "ban"], 1)[0];
    for (name, value) in [
        ("verdict", "blocked"),
        ("matched", "ban4"),
        ("protocol", "tcp"),
        ("source", "10.77.0.3"),
        ("destination", "10.77.0.1"),
        ("flags", "SYN"),
    ] {
        assert_eq!(banned[name], value, "{banned}");
    }
    assert_eq!(banned["destination_port"], 8080);
    assert!(banned["interface"].is_string() && banned["length"].as_u64() > Some(40), "{banned}");
    let let_in = &wait_for_items(&story, &["--rule", "allowed"], 1)[0];
    assert_eq!((&let_in["rule"], &let_in["destination_port"]), (&"follow".into(), &8080.into()));
    assert_eq!(wait_for_items(&story, &["--rule", "closed", "--port", "81"], 1).len(), 1);
    assert_eq!(items(&story, &["--source", "10.77.0.0/24"]).len(), 3);
    assert_eq!(items(&story, &["--source", "192.0.2.0/24"]).len(), 0);
    assert_eq!(items(&story, &["--type", "udp"]).len(), 0);
    assert_eq!(items(&story, &["--type", "tcp", "--since", "1h"]).len(), 3);
    let line = story.cli(&["log", "--rule", "ban"]).stdout;
    assert!(line.contains("blocked ban ban4") && line.contains("10.77.0.1:8080"), "{line}");
}

#[test]
fn the_record_is_followed() {
    let story = Story::new(CLOSED);
    let config = story.daemon.config().display().to_string();
    let socket = story.daemon.socket().display().to_string();
    let program = lab::program::guard().display().to_string();
    let line = [&program, "--config", &config, "--socket", &socket, "--json", "log", "-f"];
    let follower = story.lab.guarded().spawn(line);
    wait_for("a decision to be followed", || {
        assert!(!story.connects(PEER, GUARDED_V4, 81));
        follower.line(std::time::Duration::from_millis(500)).is_some_and(|line| {
            let packet: Value = serde_json::from_str(&line).unwrap();
            packet["destination_port"] == 81
        })
    });
}

#[test]
fn classic_lines_are_written_and_the_file_is_cut() {
    let story = Story::new("");
    let path = story.daemon.home().join("packets.log");
    story.daemon.configure(&format!(
        "{CLOSED}[packets]\ntext_file = \"{}\"\ntext_max = \"64KiB\"\n",
        path.display()
    ));
    story.signal("HUP");
    let lines = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_for("a classic line", || {
        assert!(!story.connects(PEER, GUARDED_V4, 81));
        // The first may still be let in: the file is there before the posture is closed.
        lines().contains("BLOCKED")
    });
    let text = lines();
    let line = text.lines().find(|line| line.contains("BLOCKED")).unwrap();
    for part in [
        " kernel: IPTABLES-BLOCKED: IN=",
        " OUT= MAC=",
        " SRC=10.77.0.2 DST=10.77.0.1 LEN=",
        " TOS=0x00 PREC=0x00 TTL=64 ID=",
        " DF PROTO=TCP SPT=",
        " RES=0x00 SYN URGP=0",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    flood(&story, 2_000);
    wait_for("the flood to be recorded", || {
        story.json(&["status"])["record"]["taken"].as_u64() > Some(1_000)
    });
    assert!(path.metadata().unwrap().len() <= 64 << 10);
}

#[test]
fn what_is_above_the_limit_is_counted_and_said() {
    let story = Story::new(
        "[guard]\nposture = \"closed\"\n[firewall]\nlog_limit = \"5/second\"\nlog_allowed = false\n",
    );
    flood(&story, 1_000);
    wait_for("the flood to be counted", || {
        story.json(&["status"])["turned_away"]["blocked_packets"].as_u64() >= Some(1_000)
    });
    wait_for_items(&story, &["--rule", "allowed"], 0);
    let record = &story.json(&["log"])["record"];
    assert!(record["over_limit"].as_u64() > Some(900), "{record}");
    let said = story.cli(&["log"]).stderr;
    assert!(said.contains("the record is not complete"), "{said}");
}
