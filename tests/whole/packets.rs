//! What a ban does to packets: established connections end, forwarded traffic is included.

use std::net::SocketAddr;

use lab::{
    Answer, Lab,
    deadline::PATIENCE,
    wiring::{GUARDED_V4, INNER_V4},
};

use crate::story::{SILENCE, Story, wait_for};

#[test]
fn a_ban_cuts_an_established_connection() {
    let story = Story::new("");
    let _server = story.serve(80);
    let from = "10.77.0.2".parse().ok();
    let mut client = story.lab.scanner().talk(from, SocketAddr::new(GUARDED_V4, 80));
    client.say("before");
    assert_eq!(client.line(PATIENCE).as_deref(), Some("before"));
    story.order(&["ban", "10.77.0.2"]);
    client.say("after");
    wait_for("the packet to be dropped", || {
        story.json(&["check", "10.77.0.2"])["elements"][0]["packets"].as_u64().unwrap() > 0
    });
    assert_eq!(client.line(SILENCE), None);
}

#[test]
fn a_ban_holds_for_forwarded_traffic_unless_the_configuration_says_otherwise() {
    for (configuration, answer) in
        [("", Answer::Silence), ("[firewall]\nforward = false\n", Answer::Open)]
    {
        let lab = Lab::new();
        let inner = lab.join_inner();
        let at = SocketAddr::new(INNER_V4, 80);
        let _server = inner.serve(at);
        let story = Story::in_lab(lab, configuration);
        story.order(&["ban", "10.77.0.2"]);
        let from = "10.77.0.2".parse().ok();
        let found = story.lab.scanner().connect(from, at, SILENCE);
        assert_eq!(found, answer, "{configuration}");
    }
}
