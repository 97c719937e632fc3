//! Lists: who is banned, allowed, throttled and protected by whom, and who can be none of it.

use std::path::Path;

use lab::{Lab, wiring::GUARDED_V4};

use crate::story::{Story, wait_for};

#[test]
fn an_operators_lists_are_in_the_kernel_when_the_command_returns() {
    let story = Story::new("");
    for (words, address, verdict) in [
        (&["ban", "192.0.2.7", "--for", "10m", "--reason", "test"][..], "192.0.2.7", "banned"),
        (&["ban", "2001:db8:5::/48"], "2001:db8:5:6::7", "banned"),
        (&["ban", "198.51.0.0/17"], "198.51.100.7", "banned"),
        (&["throttle", "192.0.2.8", "hard"], "192.0.2.8", "throttled"),
        (&["throttle", "192.0.2.9", "soft", "--for", "1h"], "192.0.2.9", "throttled"),
        (&["allow", "192.0.2.64/26"], "192.0.2.100", "allowed"),
        (&["unban", "192.0.2.7"], "192.0.2.7", "none"),
        (&["unthrottle", "192.0.2.8"], "192.0.2.8", "none"),
        (&["disallow", "192.0.2.64/26"], "192.0.2.100", "none"),
    ] {
        let ran = story.cli(words);
        assert!(ran.code == 0, "{words:?}: {}", ran.stderr);
        assert_eq!(story.verdict(address), verdict, "{words:?}");
    }
    let check = story.cli(&["check", "198.51.100.7"]);
    assert_eq!(check.code, 0);
    assert_eq!(story.cli(&["check", "192.0.2.7"]).code, 1);
    story.order(&["unban", "--all"]);
    assert_eq!(story.verdict("198.51.100.7"), "none");
}

#[test]
fn a_ban_for_certain_ports_leaves_the_others_open() {
    let story = Story::new("");
    let _servers = [80, 81].map(|port| story.serve(port));
    story.order(&["ban", "10.77.0.2", "--ports", "tcp/80"]);
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 80));
    story.touch("10.77.0.2", GUARDED_V4, 81);
    story.order(&["unban", "10.77.0.2"]);
    story.touch("10.77.0.2", GUARDED_V4, 80);
}

#[test]
fn this_host_and_whoever_is_protected_or_allowed_is_never_banned() {
    let story = Story::new(
        "[protect]\naddresses = [\"10.77.0.4\"]
         [allow]\naddresses = [\"10.77.0.5\"]\npatterns = [\"10.77.0.[67]\"]
         [[traps]]\nports = [\"23\"]\nfamily = \"ipv4\"\n",
    );
    for (address, why) in [
        ("127.0.0.1", "127.0.0.1 is protected: it is this host itself (loopback)"),
        ("10.77.0.1", "10.77.0.1 is protected: it is an address of this host"),
        ("10.77.0.4", "10.77.0.4 is protected: it is named in the configuration"),
        ("10.77.0.5", "10.77.0.5 is on the allow list (named in the configuration)"),
        ("10.77.0.6", "10.77.0.6 matches the allow pattern `10.77.0.[67]`"),
        (
            "10.77.0.0/24",
            "10.77.0.0/24 contains 10.77.0.1, which is protected: it is an address of this host",
        ),
    ] {
        let ran = story.cli(&["ban", address]);
        assert_eq!(
            (ran.code, ran.stderr.lines().next()),
            (1, Some(format!("error: {why}").as_str()))
        );
    }
    for peer in ["10.77.0.4", "10.77.0.5", "10.77.0.6"] {
        story.touch(peer, GUARDED_V4, 23);
        story.wait_for_line(&format!("WHITELISTED trap touched on port 23: {peer}"));
        wait_for("the kernel to be settled", || {
            matches!(story.verdict(peer).as_str(), "protected" | "allowed")
        });
        story.touch(peer, GUARDED_V4, 23);
    }
}

#[test]
fn a_host_of_the_allow_list_is_looked_up() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "10.77.0.8 home.example.net\n").unwrap();
    lab.guarded().cover(Path::new("/etc/hosts"), &hosts);
    let story = Story::in_lab(lab, "[allow]\nhosts = [\"home.example.net\"]\n");
    story.wait_for_verdict("10.77.0.8", "allowed");
    let ran = story.cli(&["ban", "10.77.0.8"]);
    assert_eq!(
        ran.stderr.lines().next(),
        Some("error: 10.77.0.8 is on the allow list (address of home.example.net)")
    );
}

#[test]
fn an_administrators_own_elements_are_kept_across_restarts() {
    let mut story = Story::new("");
    story.order(&["ban", "192.0.2.1"]);
    story.order(&["ban", "192.0.2.2"]);
    story.guarded("nft add element inet portguard ban4 '{ 192.0.2.3 timeout 1h }'");
    story.guarded("nft delete element inet portguard ban4 '{ 192.0.2.1 }'");
    story.wait_for_line("Unban IPv4: 192.0.2.1 (lifted by administrator)");
    story.wait_for_line("Ban IPv4: 192.0.2.3");
    story.daemon.kill9();
    story.guarded("nft delete table inet portguard");
    story.start_again();
    for (address, verdict) in
        [("192.0.2.1", "none"), ("192.0.2.2", "banned"), ("192.0.2.3", "banned")]
    {
        assert_eq!(story.verdict(address), verdict, "{address}");
    }
}

#[test]
fn a_reload_takes_the_new_lists_over_and_a_bad_configuration_changes_nothing() {
    let story = Story::new("[allow]\naddresses = [\"192.0.2.1\"]\n");
    story.daemon.configure("[allow]\naddresses = [\"192.0.2.2\"]\n[[traps]]\nports = [\"23\"]\n");
    story.signal("HUP");
    story.wait_for_verdict("192.0.2.2", "allowed");
    story.wait_for_verdict("192.0.2.1", "none");
    wait_for("the trap", || story.json(&["traps"]).as_array().unwrap().len() == 2);
    story.daemon.configure("[allow]\naddresses = [\"192.0.2.3\", \"nonsense\"]\n");
    story.signal("HUP");
    story.wait_for_line("configuration not taken over");
    assert_eq!(story.verdict("192.0.2.2"), "allowed");
    story.touch("10.77.0.2", GUARDED_V4, 23);
}
