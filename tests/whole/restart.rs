//! Ends and starts, wanted and not.

use std::thread;

use lab::wiring::GUARDED_V4;

use crate::story::Story;

#[test]
fn protection_stays_when_the_daemon_stops() {
    let mut story = Story::new("[[traps]]\nports = [\"23\"]\n");
    let _server = story.serve(80);
    story.order(&["ban", "10.77.0.2"]);
    assert!(story.daemon.stop().success());
    assert!(story.daemon.log().contains("Port traps disabled. (the kernel table stays)"));
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 80));
    story.touch("10.77.0.3", GUARDED_V4, 80);
}

#[test]
fn a_restart_gives_the_kernel_what_is_still_due() {
    let mut story = Story::new("[[traps]]\nports = [\"23\"]\nfamily = \"ipv4\"\n");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.2", "banned");
    story.order(&["ban", "192.0.2.1", "--for", "1s"]);
    story.order(&["allow", "192.0.2.2"]);
    story.order(&["throttle", "192.0.2.3", "soft"]);
    assert!(story.daemon.stop().success());
    story.guarded("nft delete table inet portguard; sleep 1");
    story.start_again();
    for (address, verdict) in [
        ("10.77.0.2", "banned"),
        ("192.0.2.1", "none"),
        ("192.0.2.2", "allowed"),
        ("192.0.2.3", "throttled"),
    ] {
        assert_eq!(story.verdict(address), verdict, "{address}");
    }
    let left = story.json(&["check", "10.77.0.2"])["elements"][0]["seconds_left"].as_u64().unwrap();
    assert!((3_500..3_600).contains(&left), "{left}");
}

#[test]
fn the_ladder_goes_on_after_a_restart() {
    let trap = "[ladders.trap]\nbase = \"1s\"\n[[traps]]\nports = [\"23\"]\nfamily = \"ipv4\"\n";
    let mut story = Story::new(trap);
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_line("Ban IPv4: 10.77.0.2");
    assert!(story.daemon.stop().success());
    story.start_again();
    story.wait_for_verdict("10.77.0.2", "none");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_line("Ban IPv4: 10.77.0.2");
    let offenders = story.json(&["list", "offenders"]);
    assert_eq!(offenders[0]["bans"], 2, "{offenders}");
}

#[test]
fn killed_under_load_it_loses_nothing_that_was_acknowledged() {
    let mut story = Story::new("");
    for round in 1..=3 {
        let addresses: Vec<String> =
            (1..=20).map(|last| format!("198.18.{round}.{last}")).collect();
        // Bans go on beside the ones that are counted, so that the end comes in the middle of work.
        let load = (21..=60).map(|last| format!("198.18.{round}.{last}"));
        thread::scope(|scope| {
            let story = &story;
            scope.spawn(move || load.for_each(|address| drop(story.cli(&["ban", &address]))));
            for address in &addresses {
                story.order(&["ban", address]);
            }
            story.signal("KILL");
        });
        story.daemon.kill9();
        story.guarded("nft delete table inet portguard");
        story.start_again();
        for address in &addresses {
            assert_eq!(story.verdict(address), "banned", "{address}");
        }
    }
}

#[test]
fn a_second_daemon_is_refused() {
    let story = Story::new("");
    let second = story.cli(&["daemon"]);
    assert_ne!(second.code, 0);
    assert!(second.stderr.contains("another daemon already answers at"), "{}", second.stderr);
}

#[test]
fn an_observing_daemon_changes_nothing_in_the_kernel() {
    let story = Story::new("[guard]\nobserve = true\n[[traps]]\nports = [\"23\"]\n");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_line("Ban IPv4: 10.77.0.2");
    assert_eq!(story.cli(&["ban", "192.0.2.1"]).code, 6);
    assert_eq!(story.guarded("nft list ruleset"), "");
}
