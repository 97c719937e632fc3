//! Foreign hands in our table: what they break is put back and told, other tables are left alone.

use lab::Lab;

use crate::story::{Story, wait_for};

#[test]
fn a_flush_of_a_set_is_repaired() {
    broken_by("nft flush set inet portguard ban4", "flush of set ban4");
}

#[test]
fn a_flush_of_the_rule_set_is_repaired() {
    broken_by("nft flush ruleset", "the table was deleted");
}

#[test]
fn a_deleted_table_is_repaired() {
    broken_by("nft delete table inet portguard", "the table was deleted");
}

#[test]
fn a_flushed_chain_is_repaired() {
    broken_by("nft flush chain inet portguard early", "the frame was changed");
}

#[test]
fn a_foreign_rule_in_our_chain_is_taken_out() {
    broken_by("nft insert rule inet portguard early accept", "the frame was changed");
}

#[test]
fn a_damage_done_while_the_daemon_was_down_is_repaired_at_its_start() {
    let mut story = Story::new("");
    ban(&story);
    story.daemon.kill9();
    story.guarded("nft flush ruleset");
    story.start_again();
    assert_whole(&story);
}

#[test]
fn other_tables_are_never_touched() {
    let lab = Lab::new();
    let theirs = "table ip theirs {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}\n";
    lab.guarded().nft(theirs);
    let configuration = "[guard]\non_exit = \"remove\"\n[[traps]]\nports = [\"23\"]\n";
    let mut story = Story::in_lab(lab, configuration);
    ban(&story);
    story.guarded("nft delete table inet portguard");
    story.wait_for_line("Repaired: the table was deleted");
    assert!(story.daemon.stop().success());
    assert_eq!(story.guarded("nft list ruleset"), theirs);
}

fn broken_by(command: &str, told: &str) {
    let story = Story::new("[[traps]]\nports = [\"23\"]\n");
    ban(&story);
    let before = frame(&story);
    story.guarded(command);
    story.wait_for_line(&format!("Repaired: {told} by nft (process"));
    wait_for("the frame to be whole", || frame(&story) == before);
    assert_whole(&story);
}

fn ban(story: &Story) {
    for subject in ["192.0.2.7", "2001:db8::/64", "198.51.100.0/24"] {
        story.order(&["ban", subject, "--for", "1h"]);
    }
}

fn assert_whole(story: &Story) {
    for address in ["192.0.2.7", "2001:db8::9", "198.51.100.9"] {
        story.wait_for_verdict(address, "banned");
    }
    let ban = story.guarded("nft list set inet portguard ban4");
    assert!(ban.contains("192.0.2.7") && ban.contains("expires 59m"), "{ban}");
}

/// Returns the frame without what counts and what the sets hold.
fn frame(story: &Story) -> String {
    let words = ["nft", "-s", "-t", "list", "table", "inet", "portguard"];
    // While the table is gone the listing fails, and is not the one that is waited for.
    let listing = story.lab.guarded().attempt(words).stdout;
    // The order in which sets were made is no part of the frame.
    let mut lines: Vec<_> = String::from_utf8_lossy(&listing).lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}
