//! Pauses: nobody is turned away for a while, whatever becomes of the daemon.

use lab::wiring::GUARDED_V4;
use serde_json::{Value, json};

use crate::{
    face::Face,
    story::{Story, wait_for},
};

const PEER: &str = "10.77.0.2";

fn reaches(story: &Story, from: &str) -> bool {
    story.connects(from, GUARDED_V4, 8080)
}

fn paused_until(story: &Story) -> Value {
    story.json(&["status"])["paused_until"].clone()
}

#[test]
fn a_pause_lets_a_banned_client_connect_and_decisions_go_on() {
    let story = Story::new("[[traps]]\nports = [\"23\"]\n");
    let _server = story.serve(8080);
    story.order(&["ban", PEER]);
    assert!(!reaches(&story, PEER));
    let alice = Face::operator(&story, "alice");
    assert_eq!(Face::viewer(&story).post("/v1/pause", &json!({ "for": "1h" })).code, 403);
    alice.post("/v1/pause", &json!({ "for": "1h" })).good();
    assert!(reaches(&story, PEER));
    assert!(paused_until(&story).is_string());
    story.wait_for_line("paused by web:alice: nobody is turned away");
    assert!(story.cli(&["status"]).stdout.contains("PAUSED"));

    story.touch("10.77.0.3", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.3", "banned");
    assert!(reaches(&story, "10.77.0.3"));
    story.order(&["resume"]);
    assert_eq!(paused_until(&story), Value::Null);
    assert!(!reaches(&story, PEER) && !reaches(&story, "10.77.0.3"));
    story.wait_for_line("the pause was ended by operator (uid 0)");
    let again = story.cli(&["resume"]);
    assert_eq!((again.code, again.stderr.lines().next()), (1, Some("error: nothing is paused")));
}

#[test]
fn a_pause_opens_a_closed_posture_and_shut_ports_and_holds_nobody_to_a_rate() {
    let story = Story::new(
        "[guard]\nposture = \"closed\"\n[ports]\nfollow = \"none\"\nnever = [\"tcp/8081\"]\n\
         [throttle.hard]\ntcp = \"1/minute\"\n",
    );
    let _servers = (story.serve(8080), story.serve(8081));
    story.order(&["throttle", "10.77.0.3", "hard"]);
    assert!(!reaches(&story, PEER) && !story.connects(PEER, GUARDED_V4, 8081));
    story.order(&["pause", "--for", "1h"]);
    assert!(reaches(&story, PEER) && story.connects(PEER, GUARDED_V4, 8081));
    assert!((0..20).all(|_| reaches(&story, "10.77.0.3")));
    // Somebody else's flush ends no pause.
    story.guarded("nft flush set inet portguard paused4_0");
    wait_for("the pause to be repaired", || reaches(&story, PEER));
    story.order(&["resume"]);
    assert!(!reaches(&story, PEER));
}

#[test]
fn a_pause_ends_by_itself_though_the_daemon_is_dead() {
    let mut story = Story::new("");
    let _server = story.serve(8080);
    story.order(&["ban", PEER]);
    story.order(&["pause", "--for", "5s"]);
    story.daemon.kill9();
    assert!(reaches(&story, PEER));
    wait_for("the kernel to end the pause", || !reaches(&story, PEER));
    story.start_again();
    story.wait_for_line("the pause is over");
    assert_eq!(paused_until(&story), Value::Null);
    assert!(!reaches(&story, PEER));
}

#[test]
fn a_pause_goes_on_across_a_restart_and_a_lost_table() {
    let mut story = Story::new("");
    let _server = story.serve(8080);
    story.order(&["ban", PEER]);
    story.order(&["pause", "--for", "1h"]);
    let until = paused_until(&story);
    story.daemon.kill9();
    story.guarded("nft flush ruleset");
    story.start_again();
    assert_eq!(paused_until(&story), until);
    assert!(reaches(&story, PEER));
    story.order(&["resume"]);
    assert!(!reaches(&story, PEER));
}

#[test]
fn a_pause_without_sense_is_refused() {
    let story = Story::new("");
    for (span, code) in [("0s", 1), ("25h", 1), ("forever", 1), ("soon", 2)] {
        assert_eq!(story.cli(&["pause", "--for", span]).code, code, "{span}");
    }
    let root = Face::root(&story);
    assert_eq!(root.post("/v1/pause", &json!({ "for": "soon" })).code, 400);
    assert_eq!(root.post("/v1/pause", &json!({ "for": 7 })).code, 422);
    assert_eq!(paused_until(&story), Value::Null);
}
