//! Traps: who touches one is banned in the kernel, on the packet that completes the handshake.

use std::net::SocketAddr;

use lab::{
    Forgery, Kind, Lab,
    wiring::{GUARDED_V4, GUARDED_V6},
};

use crate::story::Story;

const TRAPS: &str = "
[[traps]]
ports = [\"23\", \"83\"]
[[traps]]
ports = [\"5050\"]
evidence = \"probe\"
[[traps]]
ports = [\"5060\"]
protocol = \"udp\"
";

#[test]
fn whoever_touches_a_trap_is_banned_on_ipv4() {
    let story = Story::new(TRAPS);
    assert_eq!(story.verdict("10.77.0.2"), "none");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.2", "banned");
    story.wait_for_line("Ban IPv4: 10.77.0.2");
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 83), "a banned source reaches nothing");
    story.touch("10.77.0.3", GUARDED_V4, 83);
}

#[test]
fn whoever_touches_a_trap_is_banned_on_ipv6() {
    let story = Story::new(TRAPS);
    let neighbour = "address add fd77:1::3/64 dev cable nodad\n";
    story.lab.scanner().configure_network(neighbour);
    story.touch("fd77:1::2", GUARDED_V6, 23);
    story.wait_for_verdict("fd77:1::2", "banned");
    story.wait_for_line("Ban IPv6: fd77:1::/64");
    assert!(!story.connects("fd77:1::3", GUARDED_V6, 83), "its whole network is banned");
    story.touch("fd77::3", GUARDED_V6, 83);
}

#[test]
fn a_trap_is_one_in_a_closed_posture_too() {
    let story = Story::new(&format!("[guard]\nposture = \"closed\"\n{TRAPS}"));
    story.touch("10.77.0.2", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.2", "banned");
    story.touch("fd77:1::2", GUARDED_V6, 5050);
    story.wait_for_verdict("fd77:1::2", "banned");
    assert!(!story.connects("10.77.0.3", GUARDED_V4, 8080), "all else stays closed");
}

#[test]
fn not_one_packet_passes_after_the_one_that_completed_the_handshake() {
    let story = Story::new(TRAPS);
    // The guard thread stands still: what is banned from here on the kernel bans by itself.
    story.signal("STOP");
    story.touch("10.77.0.2", GUARDED_V4, 23);
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 23));
    let set = story.guarded("nft list set inet portguard ban4");
    assert!(set.contains("10.77.0.2"), "{set}");
    story.signal("CONT");
    story.wait_for_line("Ban IPv4: 10.77.0.2");
}

#[test]
fn a_connect_scan_learns_nothing_after_its_first_trap() {
    let story = Story::new("[[traps]]\nports = [\"101-300\"]\nfamily = \"ipv4\"\n");
    let scan = "-sT -r -p 101-500 --max-retries 0 --host-timeout 8s 10.77.0.1";
    let findings = story.lab.scanner().nmap(&scan.split(' ').collect::<Vec<_>>());
    story.wait_for_verdict("10.77.0.2", "banned");
    let learnt =
        findings.iter().filter(|finding| finding.port > 300 && finding.state != "filtered");
    assert_eq!(learnt.count(), 0, "{findings:?}");
    let dropped = story.daemon.status()["turned_away"]["banned_packets"].as_u64().unwrap();
    assert!(dropped > 0);
}

#[test]
fn a_lone_syn_to_a_handshake_trap_does_nothing() {
    let story = Story::new(TRAPS);
    forge(&story, Kind::Syn, "10.77.0.200", 23);
    // A later event of an honest kind has been handled: so has the SYN.
    story.touch("10.77.0.3", GUARDED_V4, 83);
    story.wait_for_verdict("10.77.0.3", "banned");
    assert_eq!(story.verdict("10.77.0.200"), "none");
}

#[test]
fn a_forged_syn_to_a_probe_trap_only_throttles() {
    let story = Story::new(TRAPS);
    forge(&story, Kind::Syn, "10.77.0.200", 5050);
    story.wait_for_verdict("10.77.0.200", "throttled");
    let why = story.json(&["why", "10.77.0.200"]);
    let banned = why["story"].as_array().unwrap().iter().any(|entry| entry["measure"] == "ban");
    assert!(!banned, "{why}");
}

#[test]
fn a_completed_handshake_with_a_probe_trap_bans() {
    let story = Story::new(TRAPS);
    story.touch("10.77.0.4", GUARDED_V4, 5050);
    story.wait_for_verdict("10.77.0.4", "banned");
}

#[test]
fn a_udp_trap_throttles() {
    let story = Story::new(TRAPS);
    forge(&story, Kind::Datagram, "10.77.0.5", 5060);
    story.wait_for_verdict("10.77.0.5", "throttled");
}

#[test]
fn a_half_open_scan_learns_next_to_nothing() {
    let story = Story::new("[[traps]]\nports = [\"1-5\"]\nevidence = \"probe\"\n");
    let scan = "-sS -r -p 1-2000 --min-rate 20000 --max-retries 0 10.77.0.1";
    story.lab.scanner().nmap(&scan.split(' ').collect::<Vec<_>>());
    story.wait_for_verdict("10.77.0.2", "throttled");
    let status = story.daemon.status();
    let turned_away = status["turned_away"]["throttled_packets"].as_u64().unwrap();
    let answered = 2000_u64.saturating_sub(turned_away);
    assert!(answered <= 10, "{answered} probes were answered");
}

#[test]
fn a_taken_port_is_named_and_the_other_traps_stand() {
    let lab = Lab::new();
    let _server = lab.guarded().serve(SocketAddr::new(GUARDED_V4, 83));
    let story = Story::in_lab(lab, TRAPS);
    let line = "Trap not started on IPv4 0.0.0.0:83: the port is taken by portguard-probe (process";
    story.wait_for_line(line);
    let traps = story.json(&["traps"]);
    let missing = traps.as_array().unwrap().iter().filter(|trap| trap["set"] == false).count();
    assert_eq!(missing, 1, "{traps}");
    assert!(story.connects("10.77.0.6", GUARDED_V4, 83), "the service is reachable");
    assert_eq!(story.verdict("10.77.0.6"), "none", "its users are not banned");
    story.touch("10.77.0.6", GUARDED_V4, 23);
    story.wait_for_verdict("10.77.0.6", "banned");
}

#[test]
fn a_trap_on_one_family_or_address_leaves_the_others_alone() {
    let story = Story::new(
        "[[traps]]\nports = [\"83\"]\nfamily = \"ipv6\"\n[[traps]]\nports = [\"84\"]\naddress = \"10.77.0.1\"\n",
    );
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 83));
    assert!(!story.connects("fd77::2", GUARDED_V6, 84));
    assert_eq!(story.verdict("10.77.0.2"), "none");
    story.touch("10.77.0.2", GUARDED_V4, 84);
    story.wait_for_verdict("10.77.0.2", "banned");
}

#[test]
fn a_tarpit_holds_the_connection_while_its_peer_is_banned() {
    let story = Story::new("[[traps]]\nports = [\"23\"]\ntarpit = true\n");
    let from = "10.77.0.2".parse().ok();
    let mut held = story.lab.scanner().talk(from, SocketAddr::new(GUARDED_V4, 23));
    story.wait_for_verdict("10.77.0.2", "banned");
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 23), "no second connection");
    assert!(held.is_alive(), "the first one is held");
    let state = story.guarded("ss -Htn state established sport = :23");
    assert!(state.contains("10.77.0.2"), "{state}");
}

fn forge(story: &Story, kind: Kind, from: &str, port: u16) {
    let from = SocketAddr::new(from.parse().unwrap(), 40_000);
    let to = SocketAddr::new(GUARDED_V4, port);
    story.lab.scanner().forge(&Forgery::single(kind, from, to));
}
