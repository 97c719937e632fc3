//! Who may ask what on the web face's socket.

use serde_json::json;

use crate::{face::Face, story::Story};

fn ban(subject: &str) -> serde_json::Value {
    json!({ "measure": "ban", "subject": subject, "reason": "seen on the page" })
}

#[test]
fn the_face_vouches_for_its_users() {
    let story = Story::new("");
    let viewer = Face::viewer(&story);
    viewer.get("/v1/status").good();
    let refused = viewer.post("/v1/hold", &ban("192.0.2.1"));
    assert_eq!((refused.code, &refused.json()["kind"]), (403, &json!("not-permitted")));
    Face::operator(&story, "alice").post("/v1/hold", &ban("192.0.2.2")).good();
    let held = story.json(&["list", "bans"]);
    assert_eq!(
        (&held[0]["subject"], &held[0]["author"]),
        (&json!("192.0.2.2"), &json!("web:alice"))
    );
    let told = story.json(&["events", "--subject", "192.0.2.2"]);
    assert_eq!(told[0]["author"], "web:alice", "{told}");
}

#[test]
fn a_faces_order_is_remembered_with_its_name() {
    let mut story = Story::new("");
    Face::operator(&story, "alice").post("/v1/hold", &ban("192.0.2.2")).good();
    story.daemon.kill9();
    story.start_again();
    crate::story::wait_for("the ban", || story.json(&["list", "bans"])[0]["author"] == "web:alice");
}

#[test]
fn without_a_word_of_the_face_nobody_may_ask() {
    let story = Story::new("");
    for headers in [
        &[][..],
        &["portguard-user: alice"],
        &["portguard-role: root", "portguard-user: alice"],
        &["portguard-role: viewer", "portguard-role: operator", "portguard-user: alice"],
    ] {
        let answer = Face::web(&story, headers).get("/v1/status");
        assert_eq!(answer.code, 403, "{headers:?}: {}", answer.body);
    }
    let nameless = Face::web(&story, &["portguard-role: operator"]);
    assert_eq!(nameless.post("/v1/hold", &ban("192.0.2.1")).code, 403);
}

#[test]
fn only_the_faces_own_user_may_vouch() {
    let story = Story::new("");
    let says_so = Face::operator(&story, "alice").by(65_534);
    let output = story.lab.guarded().attempt(says_so.line(&[], "/v1/status"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    // Without root the lab has but one user, and setpriv says so; the rule has a unit test too.
    let has_users = !complaint.contains("setpriv: ");
    assert_eq!(said.ends_with("\n403"), has_users, "{said} {complaint}");
    // On the control socket the headers say nothing.
    let output = story.lab.guarded().attempt([
        "curl",
        "-s",
        "-H",
        "portguard-role: viewer",
        "--unix-socket",
        &story.daemon.socket().display().to_string(),
        "-X",
        "POST",
        "-H",
        "content-type: application/json",
        "-d",
        r#"{"measure":"ban","subject":"192.0.2.9"}"#,
        "http://portguard/v1/hold",
    ]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"subjects\":1"));
}
