//! A log whose lines changed their form: the rule that read them matches no more, and that is told.

use std::fs;

use serde_json::Value;

use crate::{
    face::Face,
    story::wait_for,
    watches::{Logs, line, log_ins},
};

/// Two days, in milliseconds.
const TWO_DAYS: u64 = 2 * 86_400 * 1_000;

/// What is told.
const TOLD: &str = "1000 and more lines: has the service changed their form?";

/// Moves what the watch remembers of its matches into the past, as if nothing had come since.
fn age(logs: &mut Logs) {
    assert!(logs.story.daemon.stop().success());
    let path = logs.story.daemon.home().join("state/watch-door.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for name in ["first", "matched"] {
        let moment = kept["drift"][name].as_u64().expect("the watch has matched");
        kept["drift"][name] = (moment - TWO_DAYS).into();
    }
    fs::write(&path, kept.to_string()).unwrap();
    logs.story.start_again();
}

/// Writes lines that no rule knows, and waits until they are read.
fn pass(logs: &Logs, lines: usize) {
    let before = logs.lines();
    logs.append(&vec!["door 2.0 [refused] 203.0.113.9 x\n".to_owned(); lines]);
    let expected = before + u64::try_from(lines).unwrap();
    wait_for("the lines to be read", || logs.lines() == expected);
}

#[test]
fn a_watch_whose_log_changed_its_form_is_told_of_until_it_matches_again() {
    let mut logs = log_ins("");
    wait_for("the watch to run", || logs.health().contains("no such file"));
    logs.append(&[line("refused", "x", "203.0.113.9")]);
    wait_for("the match", || logs.lines() == 1);
    age(&mut logs);
    pass(&logs, 999);
    assert!(logs.health().contains("good"), "{}", logs.health());
    pass(&logs, 1);
    wait_for("the status", || logs.health().contains(TOLD));
    assert!(logs.health().contains("degraded"), "{}", logs.health());
    logs.story.wait_for_line(TOLD);
    wait_for("the ledger", || {
        let entries = logs.story.json(&["events"]);
        entries.to_string().contains(TOLD)
    });
    let shown = Face::viewer(&logs.story).get("/v1/watches").good()[0].clone();
    assert_eq!(shown["health"], "degraded", "what the page shows: {shown}");
    assert!(shown["detail"].as_str().unwrap().contains(TOLD), "{shown}");
    // More such lines are no news, and a restart forgets nothing.
    pass(&logs, 500);
    assert_eq!(logs.story.daemon.log().matches(TOLD).count(), 1);
    logs.story.daemon.restart();
    wait_for("the status after a restart", || logs.health().contains(TOLD));
    logs.append(&[line("refused", "x", "203.0.113.9")]);
    wait_for("the watch to be well", || logs.health().contains("good"));
}
