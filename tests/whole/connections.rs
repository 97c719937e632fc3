//! Connections with other hosts, their processes, and processes that ask for too many.

use lab::{deadline::PATIENCE, eventually, wiring::GUARDED_V4};
use serde_json::Value;

use crate::story::Story;

fn connection(story: &Story, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually("the connection", PATIENCE, || {
        let all = story.json(&["connections"]);
        all["items"].as_array().expect("a list").iter().find(|one| wanted(one)).cloned()
    })
}

#[test]
fn connections_are_shown_with_their_processes_and_bytes() {
    let story = Story::new("");
    let _server = story.serve(8080);
    let mut talk = story.lab.scanner().talk(None, (GUARDED_V4, 8080).into());
    talk.say("hello from outside");
    let is_ours = |one: &Value| one["local"] == "10.77.0.1:8080" && one["received"] != 0;
    let ours = connection(&story, is_ours);
    assert_eq!((&ours["direction"], &ours["state"]), (&"in".into(), &"established".into()));
    assert!(ours["peer"].as_str().unwrap().starts_with("10.77.0.2:"), "{ours}");
    assert!(ours["process"].as_str().unwrap().starts_with("portguard-probe"), "{ours}");
    assert!(ours["exe"].as_str().unwrap().ends_with("/portguard-probe") && ours["user"] == "root");
    assert!(ours["received"].as_u64().unwrap() >= 18 && ours["sent"].as_u64().unwrap() >= 18);
    let told = story.cli(&["connections"]);
    assert!(told.stdout.contains("10.77.0.1:8080") && told.stdout.contains("portguard-probe"));
    drop(talk);
    eventually("its end", PATIENCE, || {
        let all = story.json(&["connections"]);
        let is_there = all["items"].as_array().unwrap().iter().any(is_ours);
        (!is_there).then_some(())
    });
}

#[test]
fn interfaces_are_counted() {
    let story = Story::new("");
    let bytes = |name: &str| {
        let all = story.json(&["interfaces"]);
        let one = all.as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
        one.unwrap()["received"]["packets"].as_u64().unwrap()
    };
    let before = bytes("cable");
    story.lab.scanner().run(["ping", "-c", "3", "-i", "0.2", "10.77.0.1"]);
    assert!(bytes("cable") >= before + 3);
    assert!(story.cli(&["interfaces"]).stdout.contains("DROPPED"));
}

#[test]
fn a_process_that_asks_many_peers_is_told_of() {
    let story = Story::new("[anomaly]\nprocess_fanout = { connections = 5, within = '10m' }\n");
    // Nobody is there: each connection waits for a while.
    story.guarded("ip neigh add 10.77.0.77 lladdr 02:00:00:00:00:77 dev cable");
    let scan =
        ["nmap", "-n", "-Pn", "-sT", "-T3", "-p", "1-200", "--max-retries", "9", "10.77.0.77"];
    let _scan = story.lab.guarded().spawn(scan);
    // While nothing comes or goes, the daemon looks every ten seconds only.
    let told = eventually("an anomaly", 3 * PATIENCE, || {
        let events = story.json(&["events"]);
        events.as_array().unwrap().iter().find(|one| one["kind"] == "anomaly").cloned()
    });
    assert_eq!(
        (&told["text"], &told["level"]),
        (&"anomaly process_fanout".into(), &"warning".into())
    );
    let pairs = told["evidence"].as_array().unwrap();
    let is = |name: &str, value: &str| pairs.iter().any(|pair| pair[0] == name && pair[1] == value);
    assert!(is("process", "nmap") && is("user", "root") && is("severity", "medium"), "{told}");
    let program = pairs.iter().find(|pair| pair[0] == "program").expect("its executable");
    assert!(program[1].as_str().unwrap().ends_with("/nmap"), "{told}");
}
