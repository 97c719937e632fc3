//! The posture, and risky changes that roll back unless they are confirmed.

use lab::{running::Running, wiring::GUARDED_V4};

use crate::story::{Story, wait_for};

const PEER: &str = "10.77.0.2";
const SOON: &str = "[guard]\nconfirm = \"5s\"\n[ports]\nalways = []\nfollow = \"none\"\n";
const LATE: &str = "[guard]\nconfirm = \"1h\"\n[ports]\nalways = []\nfollow = \"none\"\n";

fn posture(story: &Story) -> String {
    story.json(&["status"])["posture"].as_str().unwrap().to_owned()
}

fn is_reached(story: &Story) -> bool {
    story.connects(PEER, GUARDED_V4, 8080)
}

/// Starts a server that looks like an SSH server on tcp/22, and waits until that is known.
pub(crate) fn ssh(story: &Story) -> Running {
    let server = story.serve_as("sshd", "0", "0.0.0.0:22").0;
    wait_for("the server to be known", || {
        story.json(&["ports"]).as_array().unwrap().iter().any(|row| row["process"] == "sshd")
    });
    server
}

#[test]
fn a_lockdown_tells_what_it_takes_and_keeps_and_rolls_back_by_itself() {
    let story = Story::new(SOON);
    let _server = story.serve(8080);
    let mut session = story.lab.scanner().talk(None, (GUARDED_V4, 8080).into());
    story.wait_for_reach("tcp/8080", "open posture");
    let ran = story.cli(&["lockdown"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (lost, kept) = ran.stdout.split_once("live connections that are kept:").unwrap();
    assert!(lost.contains("tcp/8080"), "{lost}");
    assert!(kept.contains("10.77.0.1:8080") && kept.contains("portguard-probe"), "{kept}");
    assert!(ran.stderr.contains("unless confirmed"), "{}", ran.stderr);
    assert!(!is_reached(&story));
    session.say("still there?");
    assert_eq!(session.line(lab::deadline::PATIENCE).as_deref(), Some("still there?"));
    story.wait_for_line("lockdown rolled back: nobody confirmed it");
    assert!(is_reached(&story));
    assert_eq!(posture(&story), "open");
}

#[test]
fn a_lockdown_rolls_back_in_the_kernel_though_the_daemon_is_dead() {
    let mut story = Story::new(SOON);
    let _server = story.serve(8080);
    story.order(&["lockdown"]);
    story.daemon.kill9();
    assert!(!is_reached(&story));
    wait_for("the kernel to open by itself", || is_reached(&story));
    story.start_again();
    wait_for("an open posture", || posture(&story) == "open");
    assert!(story.daemon.log().contains("lockdown rolled back: nobody confirmed it"));
    assert!(is_reached(&story));
}

#[test]
fn a_lockdown_goes_on_waiting_across_a_restart_and_a_confirmed_one_stays() {
    let mut story = Story::new(LATE);
    let _server = story.serve(8080);
    story.order(&["lockdown"]);
    story.daemon.kill9();
    story.start_again();
    assert_eq!(posture(&story), "closed");
    assert_eq!(story.json(&["status"])["pending"]["what"], "lockdown");
    let ran = story.cli(&["close", "ssh"]);
    assert_eq!(ran.code, 0, "nothing listens there: {}", ran.stderr);
    story.order(&["confirm"]);
    story.daemon.kill9();
    story.guarded("nft flush ruleset");
    story.start_again();
    assert_eq!(posture(&story), "closed");
    assert!(!is_reached(&story));
    story.order(&["relax"]);
    assert!(is_reached(&story));
    let ran = story.cli(&["confirm"]);
    let expected = Some("error: nothing waits for confirmation");
    assert_eq!((ran.code, ran.stderr.lines().next()), (1, expected));
}

#[test]
fn a_lockdown_is_undone_by_rollback() {
    let story = Story::new(LATE);
    let _server = story.serve(8080);
    story.wait_for_reach("tcp/8080", "open posture");
    story.order(&["lockdown"]);
    let again = story.cli(&["lockdown"]);
    let expected = Some("error: lockdown waits for confirmation");
    assert_eq!((again.code, again.stderr.lines().next()), (1, expected));
    story.order(&["rollback"]);
    assert!(is_reached(&story));
    let dry = story.cli(&["lockdown", "--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.contains("tcp/8080"), "{}", dry.stdout);
    assert!(is_reached(&story));
}

#[test]
fn the_way_in_is_closed_for_a_while_only() {
    let story = Story::new("[guard]\nconfirm = \"5s\"\n");
    let _ssh = ssh(&story);
    story.wait_for_reach("tcp/22", "open always");
    story.order(&["close", "ssh"]);
    assert!(!story.connects(PEER, GUARDED_V4, 22));
    story.wait_for_line("close tcp/22 rolled back: nobody confirmed it");
    assert!(story.connects(PEER, GUARDED_V4, 22));
}

#[test]
fn a_configuration_that_takes_the_way_in_away_rolls_back() {
    let closed = "[guard]\nposture = \"closed\"\nconfirm = \"5s\"\n";
    let worse = format!("{closed}[ports]\nalways = []\n");
    let mut story = Story::new(closed);
    let _ssh = ssh(&story);
    story.wait_for_reach("tcp/22", "open always");
    story.daemon.configure(&worse);
    story.signal("HUP");
    story.wait_for_line("new configuration by configuration rolls back unless it is confirmed");
    wait_for("the way in to close", || !story.connects(PEER, GUARDED_V4, 22));
    story.wait_for_line("new configuration rolled back: nobody confirmed it");
    wait_for("the way in", || story.connects(PEER, GUARDED_V4, 22));
    // The file still says so: the next start does not fall for it.
    story.daemon.restart();
    wait_for("the way in", || story.connects(PEER, GUARDED_V4, 22));
}

#[test]
fn a_configuration_that_waits_is_undone_though_the_daemon_was_killed_meanwhile() {
    let closed = "[guard]\nposture = \"closed\"\nconfirm = \"5s\"\n";
    let mut story = Story::new(closed);
    let _ssh = ssh(&story);
    story.wait_for_reach("tcp/22", "open always");
    story.daemon.configure(&format!("{closed}[ports]\nalways = []\n"));
    story.signal("HUP");
    story.wait_for_line("new configuration by configuration rolls back unless it is confirmed");
    wait_for("the way in to close", || !story.connects(PEER, GUARDED_V4, 22));
    story.daemon.kill9();
    story.start_again();
    story.wait_for_line("new configuration rolled back: nobody confirmed it");
    wait_for("the way in", || story.connects(PEER, GUARDED_V4, 22));
}

#[test]
fn a_confirmed_configuration_stays() {
    let closed = "[guard]\nposture = \"closed\"\nconfirm = \"1h\"\n";
    let mut story = Story::new(closed);
    let _ssh = ssh(&story);
    story.wait_for_reach("tcp/22", "open always");
    let ran = story.cli(&["config", "set", "ports.always", "[]"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("new configuration rolls back in"), "{}", ran.stderr);
    story.order(&["confirm"]);
    story.daemon.restart();
    story.wait_for_reach("tcp/22", "pending approval");
    assert!(!story.connects(PEER, GUARDED_V4, 22));
}

#[test]
fn an_allowed_source_a_ban_and_a_trap_keep_their_places() {
    let story = Story::new(
        "[guard]\nposture = \"closed\"\n[allow]\naddresses = [\"10.77.0.4\"]\n\
         [ports]\nfollow = \"all\"\n[[traps]]\nports = [\"23\"]\n",
    );
    let _server = story.serve(8080);
    assert!(is_reached(&story));
    story.order(&["ban", PEER]);
    assert!(!is_reached(&story));
    story.touch("10.77.0.3", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.3", "banned");
    story.touch("10.77.0.4", GUARDED_V4, 81);
}

#[test]
fn what_somebody_flushes_is_closed_again() {
    let story = Story::new("[guard]\nposture = \"closed\"\n[ports]\nfollow = \"none\"\n");
    let _server = story.serve(8080);
    for command in ["flush ruleset", "flush set inet portguard closed4_0"] {
        story.guarded(&format!("nft {command}"));
        wait_for("the posture", || !is_reached(&story));
    }
}

#[test]
fn the_last_good_state_is_loaded_without_the_daemon() {
    let mut story = Story::new("[guard]\nposture = \"closed\"\n[ports]\nfollow = \"none\"\n");
    let _server = story.serve(8080);
    story.order(&["ban", "192.0.2.66"]);
    story.order(&["open", "tcp/8080", "--from", "10.77.0.3"]);
    let running = story.cli(&["load"]);
    assert_eq!(running.code, 1, "{}", running.stderr);
    story.daemon.kill9();
    story.guarded("nft flush ruleset");
    assert!(is_reached(&story));
    story.order(&["load"]);
    assert!(!is_reached(&story));
    assert!(story.connects("10.77.0.3", GUARDED_V4, 8080));
    let listed = story.guarded("nft list set inet portguard ban4");
    assert!(listed.contains("192.0.2.66"), "{listed}");
}
