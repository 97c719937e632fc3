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
fn somebody_without_the_right_groups_may_not_even_look() {
    let story = Story::new("");
    // In the lab's user namespace there is but one user, so the rule itself is a unit test; here
    // the socket is open to all and root is an operator.
    let socket = story.daemon.socket();
    let mode = story.guarded(&format!("stat -c %a {}", socket.display()));
    assert_eq!(mode.trim(), "666");
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
