//! The pages of the web face in a real browser, against the real face and the real daemon.
//!
//! What a page must do stands in its story, `web-e2e/stories/NAME.mjs`. Every story also fails on
//! any error in the browser's console, which breaches of the content security policy are.

use std::fs;

use lab::Pages;

use crate::{
    knock::{CLOSED, Door},
    share::Tale,
    story::Story,
};

/// A trap, and nothing else that is not usual.
const PLAIN: &str = "[[traps]]\nports = [\"23\"]\n[protect]\nssh_peers = false\n";

fn check(configuration: &str, story: &str, words: &[&str]) {
    let Story { mut daemon, lab } = Story::new(configuration);
    let mut pages = Pages::start(&lab, &daemon);
    pages.tell(&lab, &mut daemon, story, words);
}

/// Looks at every page, each with something on it.
fn check_looks(size: &str, scheme: &str) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("auth.log");
    fs::write(&log, "").unwrap();
    let log = log.display().to_string();
    let mut tale = Tale::with(&watching(&log));
    tale.provider.say("https://abc123.lhr.example\n");
    let Story { daemon, lab } = &mut tale.story;
    let mut pages = Pages::start(lab, daemon);
    pages.tell(lab, daemon, "looks", &[size, scheme, &log]);
}

/// A watch and a standing scan, beside the trap.
fn watching(log: &str) -> String {
    format!(
        "{PLAIN}[[watch]]\nname = \"sshd\"\nrule = \"sshd\"\nfiles = [\"{log}\"]\nhowmany = 5\n\
         within = \"10m\"\n[[scan]]\nrule = \"blocked\"\ntype = \"tcp\"\nhowmany = 500\n\
         within = \"30m\"\nset = \"throttle-hard\"\nremove_after = \"1h\"\n"
    )
}

#[test]
fn the_overview_is_live_and_a_lockdown_waits_for_its_confirmation() {
    let configuration =
        format!("[guard]\nconfirm = \"1h\"\n[ports]\nfollow = \"none\"\nalways = []\n{PLAIN}");
    check(&configuration, "overview", &[]);
}

#[test]
fn ports_are_approved_denied_opened_closed_and_configured() {
    let configuration = format!("[guard]\nposture = \"closed\"\nconfirm = \"1h\"\n{PLAIN}");
    check(&configuration, "ports", &[]);
}

#[test]
fn offenders_are_added_found_extended_lifted_and_told_about() {
    check(PLAIN, "offenders", &[]);
}

#[test]
fn traffic_is_shown_as_it_comes_and_anomalies_are_decided() {
    check(PLAIN, "traffic", &[]);
}

#[test]
fn traps_and_watches_show_their_catch_and_rules_are_tried() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("auth.log");
    fs::write(&log, "").unwrap();
    let log = log.display().to_string();
    check(&watching(&log), "traps", &[&log]);
}

#[test]
fn the_configuration_is_edited_checked_applied_and_rolled_back() {
    let configuration = format!(
        "# what this host does\n[guard]\nposture = \"closed\"\nconfirm = \"5s\"\n\n[ports]\n\
         always = [\"tcp/22\"]\n\n{PLAIN}"
    );
    let Story { mut daemon, lab } = Story::new(&configuration);
    let mut pages = Pages::start(&lab, &daemon);
    let file = daemon.config().display().to_string();
    pages.tell(&lab, &mut daemon, "config", &[&file]);
}

#[test]
fn the_journal_and_the_packet_log_follow() {
    check(PLAIN, "logs", &[]);
}

#[test]
fn the_service_is_paused_resumed_and_reloaded() {
    check(PLAIN, "service", &[]);
}

#[test]
fn a_port_is_shared_and_the_provider_s_refusal_told() {
    let mut tale = Tale::with(PLAIN);
    tale.provider.say("https://abc123.lhr.example\n");
    let said = tale.provider.said().display().to_string();
    let Story { daemon, lab } = &mut tale.story;
    let mut pages = Pages::start(lab, daemon);
    pages.tell(lab, daemon, "share", &[&said]);
    // A share goes on; then the provider is back with another key, as an impostor would be.
    tale.provider.down();
    tale.provider.new_key("ed25519");
    tale.provider.up();
    tale.wait_for_state("refused");
    let Story { daemon, lab } = &mut tale.story;
    pages.tell(lab, daemon, "impostor", &[]);
}

#[test]
fn a_page_whose_session_ends_asks_for_the_password() {
    check(&format!("{PLAIN}[web]\nsession = \"8s\"\n"), "session", &[]);
}

#[test]
fn the_control_file_is_told_of_with_its_services() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.txt");
    fs::write(&file, "open web\nopen mail\n").unwrap();
    let url = format!("file://{}", file.display());
    let configuration = format!(
        "[remote]\nurl = \"{url}\"\nunsigned = true\nservices = [\"web\"]\n[services.web]\n\
         ports = [\"tcp/8088\"]\n[services.mail]\nports = [\"tcp/25\"]\n{PLAIN}"
    );
    check(&configuration, "remote", &[&url]);
}

#[test]
fn knocks_are_told_of_with_whose_they_are() {
    let mut door = Door::with(&format!("{CLOSED}{PLAIN}"), "open_for = \"1h\"\n");
    door.knock(&["10.77.0.1", "ssh"]);
    door.knock(&["10.77.0.1", "vpn"]);
    let Story { daemon, lab } = &mut door.story;
    Pages::start(lab, daemon).tell(lab, daemon, "knock", &[&door.host_key]);
}

#[test]
fn one_comes_in_by_link_and_password_and_out_everywhere() {
    let Story { mut daemon, lab } = Story::new(PLAIN);
    let mut pages = Pages::start_new(&lab, &daemon);
    pages.tell(&lab, &mut daemon, "account", &[]);
}

#[test]
fn a_page_says_that_the_daemon_is_away_and_comes_back_by_itself() {
    check(PLAIN, "away", &[]);
}

#[test]
fn the_pages_are_walked_without_a_mouse() {
    check(PLAIN, "keyboard", &[]);
}

#[test]
fn no_page_has_barriers_or_scrolls_sideways_on_a_desk_in_light() {
    check_looks("desktop", "light");
}

#[test]
fn no_page_has_barriers_or_scrolls_sideways_on_a_desk_in_dark() {
    check_looks("desktop", "dark");
}

#[test]
fn no_page_has_barriers_or_scrolls_sideways_on_a_phone_in_light() {
    check_looks("phone", "light");
}

#[test]
fn no_page_has_barriers_or_scrolls_sideways_on_a_phone_in_dark() {
    check_looks("phone", "dark");
}

#[test]
fn no_page_scrolls_sideways_on_the_narrowest_phone() {
    check_looks("narrow", "light");
}
