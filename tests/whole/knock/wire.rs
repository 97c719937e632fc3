//! Knocks on the wire: nothing answers, nothing opens twice, and nothing but a knock opens anything.

use std::{fs, net::SocketAddr};

use lab::{Answer, wiring::GUARDED_V4};

use crate::story::SILENCE;

use super::door::{CLIENT, CLOSED, Door, KNOCK, SSH};

/// Another address of the scanner.
const OTHER: &str = "10.77.0.3";

#[test]
fn a_captured_packet_opens_nothing_again_whoever_sends_it_and_whenever() {
    let mut door = Door::with(CLOSED, "open_for = \"2s\"\n");
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    let packet = door.captured(&["10.77.0.1", "ssh"]);
    door.wait_for_open(CLIENT);
    let mut replayed = 0;
    let mut again = |door: &Door, from| {
        replayed += 1;
        assert_eq!(door.send(from, &packet), Answer::Silence);
        door.wait_for_refused("replayed", replayed);
        assert_eq!(door.state()["taken"], 1);
    };
    again(&door, OTHER);
    assert!(!door.is_open(OTHER));
    door.story.wait_for_line("no longer opened for 10.77.0.2");
    again(&door, CLIENT);
    door.story.wait_for_line("knock of anna from 10.77.0.2 refused: it was here before");
    assert!(!door.is_open(CLIENT));

    for is_killed in [false, true] {
        if is_killed {
            door.story.daemon.kill9();
        } else {
            door.story.daemon.stop();
        }
        door.story.start_again();
        door.listening();
        for (count, from) in [(1, CLIENT), (2, OTHER)] {
            assert_eq!(door.send(from, &packet), Answer::Silence);
            door.wait_for_refused("replayed", count);
            assert!(!door.is_open(from));
        }
        assert_eq!(door.state()["taken"], 0);
    }
    // A fresh one is taken all the same.
    door.knock(&["10.77.0.1", "ssh"]);
    door.wait_for_open(CLIENT);
}

#[test]
fn a_damaged_packet_opens_nothing() {
    let door = Door::new();
    let _server = door.story.lab.guarded().serve((GUARDED_V4, SSH).into());
    // The first is for a service that its key may not open, so that it leaves nothing open.
    let packet = fs::read(door.captured(&["10.77.0.1", "https"])).unwrap();
    door.wait_for_refused("forbidden", 1);
    let damaged = (0..packet.len()).flat_map(|at| {
        let mut damaged = packet.clone();
        damaged[at] ^= 1;
        damaged
    });
    let damaged = door.file("damaged", &damaged.collect::<Vec<u8>>());
    let to = SocketAddr::new(GUARDED_V4, KNOCK);
    let scanner = door.story.lab.scanner();
    let answer = scanner.send_cut(None, to, SILENCE, (&damaged, packet.len()));
    assert_eq!(answer, Answer::Silence);
    // One of them is of another version, which the firewall takes for no knock.
    door.wait_for_refused("foreign", 255);
    let told = door.story.json(&["log", "--port", "62201", "--rule", "blocked"]);
    assert_eq!(told["items"].as_array().map(Vec::len), Some(1), "{told}");
    let state = door.state();
    assert_eq!(
        (&state["taken"], &state["refused"]["forbidden"]),
        (&0.into(), &1.into()),
        "{state}"
    );
    assert_eq!(state["refused"].as_object().map(serde_json::Map::len), Some(2), "{state}");
    assert!(!door.is_open(CLIENT));
}

#[test]
fn nothing_answers_and_the_port_looks_like_its_neighbours() {
    for (before, neighbour) in [(CLOSED, Answer::Silence), ("", Answer::Refused)] {
        let door = Door::with(before, "");
        let scanner = door.story.lab.scanner();
        // Otherwise the kernel itself falls silent after some refusals (icmp(7)).
        door.story.lab.guarded().set("net.ipv4.icmp_ratelimit", "0");
        let ask = |port, length: usize| {
            let file = door.file("bytes", &vec![1; length]);
            scanner.send_file(None, SocketAddr::new(GUARDED_V4, port), SILENCE, &file)
        };
        assert_eq!(ask(KNOCK, 256), Answer::Silence, "as long as a knock");
        for length in [0, 1, 100, 255, 257, 1_000] {
            assert_eq!(ask(KNOCK, length), neighbour, "{length} bytes");
            assert_eq!(ask(KNOCK + 1, length), neighbour, "{length} bytes to the next port");
        }
        let other = door.file("bytes", &[2; 256]);
        let to = SocketAddr::new(GUARDED_V4, KNOCK);
        assert_eq!(scanner.send_file(None, to, SILENCE, &other), neighbour, "another version");
        let states: Vec<String> = scanner
            .nmap(&["-sU", "-p", "62200-62202", "--max-retries", "0", "10.77.0.1"])
            .into_iter()
            .map(|finding| finding.state)
            .collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
        door.wait_for_refused("foreign", 1);
        // What is as long as a knock is no noise of the record; the rest is there like any packet.
        let told = door.story.json(&["log", "--port", "62201"]);
        let told: Vec<_> = told["items"].as_array().unwrap().iter().collect();
        assert!(!told.is_empty() && told.iter().all(|one| one["rule"] != "knock"), "{told:?}");
    }
}
