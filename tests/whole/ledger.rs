//! The ledger's troubles are never the guard's.

use std::fs;

use lab::{Daemon, Lab, wiring::GUARDED_V4};

use crate::story::{Story, wait_for};

const TRAP: &str = "[[traps]]\nports = [\"23\", \"83\"]\nfamily = \"ipv4\"\n";

#[test]
fn a_full_disk_does_not_stop_the_guarding() {
    let lab = Lab::new();
    let daemon = Daemon::prepare(lab.guarded(), TRAP);
    let state = daemon.home().join("state");
    let mut story = Story { daemon, lab };
    let at = state.display();
    story.guarded(&format!("mkdir -p {at} && mount -t tmpfs -o size=1m tmpfs {at}"));
    story.start_again();
    let filler = state.join("filler");
    let fill = format!("dd if=/dev/zero of={} bs=4096 2>/dev/null || true", filler.display());
    story.guarded(&fill);
    let mut last = 0;
    wait_for("the ledger to notice", || {
        last += 1;
        story.order(&["ban", &format!("198.18.{}.{}", last / 250, last % 250 + 1)]);
        story.daemon.status()["ledger"]["health"] != "good"
    });
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.2", "banned");
    story.guarded(&format!("rm {}", filler.display()));
    wait_for("the ledger to be well again", || story.daemon.status()["ledger"]["health"] == "good");
    let why = story.json(&["why", "10.77.0.2"]);
    assert!(!why["story"].as_array().unwrap().is_empty(), "{why}");
}

#[test]
fn a_damaged_database_does_not_stop_the_guarding() {
    let mut story = Story::new(TRAP);
    story.order(&["ban", "192.0.2.1"]);
    assert!(story.daemon.stop().success());
    let file = story.daemon.home().join("state/ledger.db");
    fs::write(&file, vec![0x5a; 8192]).unwrap();
    // What was not yet moved from the log into the file would mend it.
    fs::remove_file(file.with_extension("db-wal")).unwrap();
    story.start_again();
    assert!(story.daemon.log().contains("the ledger was damaged"), "{}", story.daemon.log());
    assert_eq!(story.verdict("192.0.2.1"), "banned", "the kernel still knew");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.2", "banned");
    let aside = fs::read_dir(story.daemon.home().join("state")).unwrap().flatten();
    assert!(aside.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("damaged")));
}

#[test]
fn the_story_of_an_offender_survives() {
    let mut story = Story::new(TRAP);
    story.touch("10.77.0.2", GUARDED_V4, 83);
    story.wait_for_verdict("10.77.0.2", "banned");
    assert!(story.daemon.stop().success());
    story.start_again();
    let why = story.json(&["why", "10.77.0.2"]);
    let kinds: Vec<&str> = why["story"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["offence", "decision"]);
    assert_eq!(why["undo"][0], "portguard unban 10.77.0.2");
}
