//! Bans that grow, end, and end for good.

use lab::wiring::GUARDED_V4;

use crate::story::{Story, wait_for};

const QUICK: &str = "
[ladders.trap]
base = \"1s\"
permanent_after = 4
[[traps]]
ports = [\"23\"]
family = \"ipv4\"
";

#[test]
fn bans_last_one_four_and_nine_times_the_base_and_then_forever() {
    let story = Story::new(QUICK);
    for (nth, seconds) in [(1, Some(1)), (2, Some(4)), (3, Some(9)), (4, None)] {
        story.wait_for_verdict("10.77.0.2", "none");
        story.touch("10.77.0.2", GUARDED_V4, 23);
        story.wait_for_line(if nth == 4 {
            "Permanent ban IPv4: 10.77.0.2"
        } else {
            "Ban IPv4: 10.77.0.2"
        });
        let last = decisions(&story.json(&["why", "10.77.0.2"])).pop().unwrap();
        assert_eq!((last.0, last.1), (nth, seconds));
    }
}

#[test]
fn a_ban_ends_in_the_kernel_without_the_daemon() {
    let mut story = Story::new(QUICK);
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_line("Ban IPv4: 10.77.0.2");
    story.daemon.kill9();
    wait_for("the element to end", || {
        !story.guarded("nft list set inet portguard ban4").contains("10.77.0.2")
    });
}

/// Returns the bans of a story: which one in a row, and for how many seconds.
fn decisions(why: &serde_json::Value) -> Vec<(u64, Option<u64>)> {
    let lines = why["story"].as_array().unwrap();
    let bans = lines.iter().filter(|entry| entry["kind"] == "decision");
    bans.map(|entry| {
        let seconds =
            entry["until"].as_str().map(|until| between(entry["at"].as_str().unwrap(), until));
        (entry["nth_ban"].as_u64().unwrap(), seconds)
    })
    .collect()
}

/// Returns the seconds between two times of the same day.
fn between(from: &str, to: &str) -> u64 {
    let seconds = |text: &str| {
        let clock: Vec<u64> = text[11..19].split(':').map(|part| part.parse().unwrap()).collect();
        clock[0] * 3_600 + clock[1] * 60 + clock[2]
    };
    (seconds(to) + 86_400 - seconds(from)) % 86_400
}
