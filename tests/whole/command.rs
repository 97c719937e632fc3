//! The command line and the API behind it.

use lab::wiring::GUARDED_V4;

use crate::story::Story;

#[test]
fn the_api_describes_itself() {
    let story = Story::new("");
    let socket = story.daemon.socket().display().to_string();
    let address = "http://portguard/v1/openapi.json";
    let text = story.lab.guarded().run(["curl", "-s", "--unix-socket", &socket, address]);
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    for path in ["/v1/status", "/v1/hold", "/v1/lift", "/v1/check", "/v1/why", "/v1/events"] {
        assert!(description["paths"][path].is_object(), "{path}");
    }
}

#[test]
fn every_listing_has_json_and_text() {
    let story = Story::new("[[traps]]\nports = [\"23\"]\n");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.2", "banned");
    for words in [
        &["status"][..],
        &["list", "bans"],
        &["list", "allowed"],
        &["list", "throttled"],
        &["list", "protected"],
        &["list", "offenders", "--sort", "count"],
        &["traps"],
        &["events", "--since", "1h", "--subject", "10.77.0.2"],
        &["why", "10.77.0.2"],
    ] {
        story.json(words);
        let ran = story.cli(words);
        assert!(ran.code == 0 && !ran.stdout.is_empty(), "{words:?}: {}", ran.stderr);
    }
    let events = story.json(&["events", "--subject", "10.77.0.2"]);
    assert_eq!(events.as_array().unwrap().len(), 2, "{events}");
}

#[test]
fn the_peers_user_decides_what_it_may() {
    let story = Story::new("");
    let socket = story.daemon.socket().display().to_string();
    let program = lab::program::guard().display().to_string();
    let words = [program.as_str(), "--socket", &socket, "status"];
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let output = story.lab.guarded().attempt(nobody.iter().chain(&words));
    let said = String::from_utf8_lossy(&output.stderr);
    // Without root the lab has but one user, and setpriv says so; the rule has a unit test too.
    let has_users = !said.contains("setpriv: ");
    assert_eq!(output.status.code() == Some(4), has_users, "{said}");
    assert_eq!(said.contains("error: you may not read"), has_users, "{said}");
    story.order(&["ban", "192.0.2.1"]);
}

#[test]
fn completions_and_manual_pages_are_made() {
    let story = Story::new("");
    assert!(story.cli(&["completions", "bash"]).stdout.contains("portguard"));
    let folder = story.daemon.home().join("man");
    story.order(&["man", &folder.display().to_string()]);
    assert!(folder.join("portguard.1").is_file());
    assert!(folder.join("portguard-ban.1").is_file());
}
