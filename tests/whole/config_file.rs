//! The configuration file, seen and changed from a face.

use std::fs;

use lab::wiring::GUARDED_V4;
use serde_json::{Value, json};

use crate::{
    face::{Answered, Face},
    posture::ssh,
    story::{Story, wait_for},
};

const CLOSED: &str = "# mine\n[guard]\nposture = \"closed\"\nconfirm = \"5s\"\n";

fn text(story: &Story) -> String {
    fs::read_to_string(story.daemon.config()).unwrap()
}

/// Puts a text in place of the one that is there.
fn put(story: &Story, face: &Face<'_>, text: &str) -> Answered {
    let version = Face::root(story).get("/v1/config/file").good()["version"].clone();
    let order = json!({ "text": text, "version": version });
    face.send("PUT", "/v1/config/file", &order.to_string())
}

fn is_way_in_open(story: &Story) -> bool {
    story.connects("10.77.0.2", GUARDED_V4, 22)
}

#[test]
fn the_file_is_shown_checked_and_edited() {
    let story = Story::new(CLOSED);
    let viewer = Face::viewer(&story);
    let file = viewer.get("/v1/config/file").good();
    assert_eq!((&file["text"], &file["pending"]), (&json!(CLOSED), &Value::Null));
    assert_eq!(file["path"], story.daemon.config().display().to_string());
    assert!(file["drop_ins"][0].as_str().unwrap().ends_with("conf.d/90-lab.toml"), "{file}");

    let check = |text: &str| viewer.post("/v1/config/check", &json!({ "text": text })).good();
    let good = check(CLOSED);
    assert_eq!((&good["mistakes"], &good["warnings"]), (&json!([]), &json!([])), "{good}");
    assert_eq!(good["values"], json!({ "guard": { "posture": "closed", "confirm": "5s" } }));
    let bad = check("[guard]\nposture = \"ajar\"\n[ports]\nfolow = 1\n");
    let mistakes = bad["mistakes"].as_array().unwrap();
    let places: Vec<_> = mistakes.iter().map(|one| (&one["line"], &one["key"])).collect();
    let expect = [(&json!(2), &json!("guard.posture")), (&json!(4), &json!("ports.folow"))];
    assert_eq!(places, expect, "{bad}");
    assert!(mistakes[1]["error"].as_str().unwrap().contains("nearest is `follow`"), "{bad}");
    let broken = check("[guard\n");
    assert_eq!((&broken["mistakes"][0]["line"], &broken["values"]), (&json!(1), &Value::Null));
    let overruled = check("[guard]\nrun_dir = \"/run/other\"\n");
    let warning = overruled["warnings"][0].as_str().unwrap();
    assert!(warning.ends_with("90-lab.toml sets guard.run_dir as well, and wins"), "{warning}");

    let edit = |key: &str, value: Value| {
        viewer.post("/v1/config/edit", &json!({ "text": CLOSED, "key": key, "value": value }))
    };
    let edited = edit("guard.confirm", json!("1m")).good();
    assert_eq!(edited["text"], CLOSED.replace("5s", "1m"));
    assert_eq!(edit("guard", json!(null)).good()["text"], "");
    assert_eq!(edit("guard.posture.x", json!(1)).code, 400);
    let schema = viewer.get("/v1/config/schema").good();
    assert_eq!(schema, story.json(&["config", "schema"]));
}

#[test]
fn a_face_changes_the_file_unless_somebody_else_did() {
    let story = Story::new(CLOSED);
    let new = CLOSED.replace("closed", "open");
    assert_eq!(put(&story, &Face::viewer(&story), &new).code, 403);
    let alice = Face::operator(&story, "alice");
    let mistaken = put(&story, &alice, "[guard]\nposture = \"ajar\"\n").good();
    assert_eq!(mistaken["mistakes"].as_array().unwrap().len(), 1, "{mistaken}");
    assert_eq!(text(&story), CLOSED);
    story.guarded(&format!("chmod 640 {}", story.daemon.config().display()));
    let done = put(&story, &alice, &new).good();
    assert_eq!((&done["mistakes"], &done["pending"]), (&json!([]), &Value::Null), "{done}");
    assert_eq!(text(&story), new);
    let mode = story.guarded(&format!("stat -c %a {}", story.daemon.config().display()));
    assert_eq!(mode, "640\n");
    story.wait_for_line("portguard.toml changed by web:alice");
    wait_for("the new posture", || story.json(&["status"])["posture"] == "open");
    let stale = json!({ "text": CLOSED, "version": "0" });
    let refused = alice.send("PUT", "/v1/config/file", &stale.to_string());
    assert_eq!((refused.code, &refused.json()["kind"]), (409, &json!("refused")));
    assert_eq!(text(&story), new);
}

#[test]
fn a_file_whose_change_nobody_confirms_has_its_former_text_again() {
    let mut story = Story::new(CLOSED);
    let _ssh = ssh(&story);
    let worse = format!("{CLOSED}[ports]\nalways = []\n");
    let done = put(&story, &Face::operator(&story, "alice"), &worse).good();
    assert_eq!(done["pending"]["what"], "new configuration", "{done}");
    assert_eq!(text(&story), worse);
    wait_for("the way in to close", || !is_way_in_open(&story));
    story.wait_for_line("new configuration rolled back: nobody confirmed it");
    story.wait_for_line("portguard.toml has its former text again");
    assert_eq!(text(&story), CLOSED);
    wait_for("the way in", || is_way_in_open(&story));
    story.daemon.restart();
    wait_for("the way in", || is_way_in_open(&story));
    assert_eq!(text(&story), CLOSED);
    assert_eq!(story.json(&["status"])["pending"], Value::Null);
}

#[test]
fn a_file_goes_back_though_the_daemon_was_killed_meanwhile() {
    let mut story = Story::new(CLOSED);
    let _ssh = ssh(&story);
    let worse = format!("{CLOSED}[ports]\nalways = []\n");
    put(&story, &Face::operator(&story, "alice"), &worse).good();
    story.daemon.kill9();
    assert_eq!(text(&story), worse);
    story.start_again();
    wait_for("the former text", || text(&story) == CLOSED);
    wait_for("the way in", || is_way_in_open(&story));
    story.wait_for_line("portguard.toml has its former text again");
}

#[test]
fn a_change_of_a_change_that_waits_goes_back_to_what_was_before_both() {
    let story = Story::new(CLOSED);
    let _ssh = ssh(&story);
    let alice = Face::operator(&story, "alice");
    put(&story, &alice, &format!("{CLOSED}[ports]\nalways = []\n")).good();
    put(&story, &alice, &format!("{CLOSED}[ports]\nalways = [\"tcp/81\"]\n")).good();
    story.wait_for_line("portguard.toml has its former text again");
    assert_eq!(text(&story), CLOSED);
}

#[test]
fn a_confirmed_change_and_somebody_elses_text_stay() {
    let patient = CLOSED.replace("5s", "1h");
    let story = Story::new(&patient);
    let _ssh = ssh(&story);
    let alice = Face::operator(&story, "alice");
    let worse = format!("{patient}[ports]\nalways = []\n");
    put(&story, &alice, &worse).good();
    story.order(&["confirm"]);
    wait_for("the way in to close", || !is_way_in_open(&story));
    assert_eq!(text(&story), worse);

    put(&story, &alice, &patient).good();
    wait_for("the way in", || is_way_in_open(&story));
    put(&story, &alice, &worse).good();
    let other = format!("{worse}# by hand\n");
    story.daemon.configure(&other);
    story.order(&["rollback"]);
    story.wait_for_line("portguard.toml was written by somebody else meanwhile");
    assert_eq!(text(&story), other);
}
