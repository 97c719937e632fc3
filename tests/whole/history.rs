//! Charts: what happened over time, and who stands out.

use lab::wiring::GUARDED_V4;
use serde_json::Value;

use crate::{
    face::Face,
    story::{Story, wait_for},
};

const PEER: &str = "10.77.0.2";

fn sum(history: &Value, field: &str) -> u64 {
    let steps = history["steps"].as_array().unwrap().iter();
    steps.filter_map(|step| step[field].as_u64()).sum()
}

#[test]
fn what_happened_is_counted_in_steps() {
    let story = Story::new("[[traps]]\nports = [\"23\"]\n");
    let viewer = Face::viewer(&story);
    let stream = story.lab.guarded().spawn(viewer.line(&["-o", "/dev/null"], "/v1/stream"));
    story.touch(PEER, GUARDED_V4, 23);
    story.wait_for_verdict(PEER, "banned");
    assert!(!story.connects(PEER, GUARDED_V4, 22));
    let history = |span: u64| viewer.get(&format!("/v1/history?span={span}")).good();
    wait_for("the offence and the ban", || {
        let history = history(3_600);
        (sum(&history, "offences"), sum(&history, "bans")) == (1, 1)
    });
    for span in [60, 600, 86_400, 31_536_000, u64::MAX] {
        let history = history(span);
        let steps = history["steps"].as_array().unwrap();
        assert!((60..=200).contains(&steps.len()), "{span}: {}", steps.len());
        let step = history["step"].as_u64().unwrap();
        let begins: Vec<u64> = steps.iter().map(|step| step["at"].as_u64().unwrap()).collect();
        assert!(begins.windows(2).all(|pair| pair[1] - pair[0] == step), "{span}: {begins:?}");
        assert_eq!(steps[0]["turned_away"], Value::Null, "{span}");
    }
    // While somebody listens the kernel's counters are looked at every five seconds.
    wait_for("packets that were turned away", || {
        story.connects(PEER, GUARDED_V4, 22);
        sum(&history(60), "turned_away") > 0
    });
    drop(stream);
}

#[test]
fn who_and_what_stands_out_is_ranked() {
    let story = Story::new("[guard]\nposture = \"closed\"\n[ports]\nfollow = \"all\"\n");
    let _server = story.serve(8080);
    assert!(story.connects("10.77.0.3", GUARDED_V4, 8080));
    for port in [81, 82, 82] {
        assert!(!story.connects(PEER, GUARDED_V4, port));
    }
    assert!(!story.connects("10.77.0.3", GUARDED_V4, 81));
    let viewer = Face::viewer(&story);
    wait_for("the packets", || {
        let top = viewer.get("/v1/top?span=600&limit=2").good();
        top["sources"][0]["count"].as_u64().is_some_and(|count| count >= 3)
            && top["sources"].as_array().unwrap().len() == 2
    });
    let top = viewer.get("/v1/top?span=600&limit=1").good();
    assert_eq!(top["sources"][0]["name"], PEER, "{top}");
    assert_eq!(top["ports_allowed"][0]["name"], "tcp/8080", "{top}");
    assert!(top["ports_blocked"][0]["name"].as_str().unwrap().starts_with("tcp/8"), "{top}");
    assert_eq!(viewer.get("/v1/top?limit=x").code, 400);
    assert_eq!(viewer.get("/v1/top?span=18446744073709551615&limit=0").code, 200);
}
