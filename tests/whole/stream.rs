//! What faces are told without asking.

use std::time::Instant;

use lab::{deadline::PATIENCE, running::Running, wiring::GUARDED_V4};
use serde_json::Value;

use crate::{
    face::Face,
    story::{Story, wait_for},
};

/// How many may listen at once: `MOST_STREAMS` of the daemon.
const PLACES: usize = 32;

/// Somebody who listens.
struct Listener(Running);

impl Listener {
    /// Begins to listen; the status is what is told first.
    fn new(story: &Story) -> Self {
        let listener = Self(story.lab.guarded().spawn(Face::viewer(story).line(&[], "/v1/stream")));
        let (name, status) = listener.next();
        assert_eq!(name, "status", "{status}");
        assert_eq!(status["posture"], "open");
        listener
    }

    /// Returns the next event.
    #[track_caller]
    fn next(&self) -> (String, Value) {
        let mut name = String::new();
        loop {
            let line = self.0.line(PATIENCE).expect("an event in time");
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (name, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Returns the next event of this name of which something holds.
    #[track_caller]
    fn next_of(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let (told, data) = self.next();
            if told == name && holds(&data) {
                return data;
            }
        }
        panic!("no such `{name}` in time");
    }
}

#[test]
fn a_ban_is_told_with_its_packets_and_the_status() {
    let story = Story::new("[[traps]]\nports = [\"23\"]\n");
    let listener = Listener::new(&story);
    story.touch("10.77.0.2", GUARDED_V4, 23);
    let told = listener.next_of("entry", |entry| entry["kind"] == "decision");
    assert_eq!((&told["subject"], &told["measure"]), (&"10.77.0.2".into(), &"ban".into()));
    assert!(told["id"].as_i64().unwrap() > 0, "{told}");

    assert!(!story.connects("10.77.0.2", GUARDED_V4, 22));
    let is_ban = |packet: &Value| packet["rule"] == "ban" && packet["source"] == "10.77.0.2";
    listener.next_of("packets", |packets| packets["items"].as_array().unwrap().iter().any(is_ban));
    listener.next_of("status", |status| status["held"]["banned"] == 1);
}

#[test]
fn all_listeners_hear_the_same_and_later_ones_only_what_comes() {
    let story = Story::new("");
    let one = Listener::new(&story);
    story.order(&["ban", "192.0.2.1"]);
    one.next_of("entry", |entry| entry["subject"] == "192.0.2.1");
    let two = Listener::new(&story);
    story.order(&["ban", "192.0.2.2"]);
    for listener in [&one, &two] {
        let entry = listener.next_of("entry", |_| true);
        assert_eq!(entry["subject"], "192.0.2.2");
    }
    drop((one, two));
    // After the last has gone, somebody who comes anew is told again.
    let three = Listener::new(&story);
    story.order(&["ban", "192.0.2.3"]);
    three.next_of("entry", |entry| entry["subject"] == "192.0.2.3");
}

#[test]
fn the_number_of_streams_is_bounded_and_their_places_are_given_back() {
    let story = Story::new("");
    let curl = Face::viewer(&story).line(&[], "/v1/stream");
    let listen = || story.lab.guarded().spawn(&curl);
    // Nobody but the crowd asks before it is complete: else somebody of it would find no place, and
    // there would be one for whoever asks next.
    let crowd: Vec<Running> = (0..PLACES).map(|_| listen()).collect();
    for (number, one) in crowd.iter().enumerate() {
        assert!(has_place(one), "listener {number} of {PLACES}");
    }
    assert!(!has_place(&listen()), "one more than there are places");
    drop(crowd);
    wait_for("a place to be free", || has_place(&listen()));
}

/// Returns whether somebody who asked for the stream is told something, and not that there is no
/// place.
#[track_caller]
fn has_place(listener: &Running) -> bool {
    let told = listener.line(PATIENCE).expect("an answer in time");
    let is_refused = told.contains("too many faces listen already");
    assert!(is_refused || told == "event: status", "{told}");
    !is_refused
}
