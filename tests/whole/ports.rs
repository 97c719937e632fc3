//! Ports follow services: who listens, who is approved, what is opened and closed by order.

use std::net::SocketAddr;

use lab::{
    Answer,
    wiring::{GUARDED_V4, GUARDED_V6},
};

use crate::story::{SILENCE, Story, wait_for};

const CLOSED: &str = "[guard]\nposture = \"closed\"\n[ports]\nalways = []\n";
const PEER: &str = "10.77.0.2";

#[test]
fn a_new_listener_waits_shown_told_and_closed_until_it_is_approved() {
    let story = Story::new(CLOSED);
    let (server, program) = story.serve_as("web", "33", "0.0.0.0:8080");
    story.wait_for_reach("tcp/8080", "pending approval");
    assert!(!story.connects(PEER, GUARDED_V4, 8080));
    story.wait_for_line("tcp/8080 on 0.0.0.0 waits for approval: web (process");
    let row = &story.json(&["ports"]).as_array().unwrap()[0].clone();
    assert_eq!((row["process"].as_str(), row["user"].as_str()), (Some("web"), Some("www-data")));
    assert_eq!(row["exe"].as_str(), program.to_str());

    story.order(&["ports", "approve", &format!("exe:{}", program.display()), "user:www-data"]);
    wait_for("the port to open", || story.connects(PEER, GUARDED_V4, 8080));
    assert_eq!(story.reach("tcp/8080"), "open follow");
    drop(server);
    wait_for("the port to close", || !story.connects(PEER, GUARDED_V4, 8080));
    let (_server, _) = story.serve_as("web", "0", "0.0.0.0:8080");
    story.wait_for_reach("tcp/8080", "pending approval");
    assert!(!story.connects(PEER, GUARDED_V4, 8080), "another user was approved");
}

#[test]
fn approvals_of_the_configuration_are_by_program_user_and_port() {
    let story = Story::new(&format!(
        "{CLOSED}[[ports.approve]]\nuser = \"www-data\"\nports = [\"tcp/80\", \"udp/80\"]\n"
    ));
    story.guarded("sysctl -qw net.ipv4.ip_unprivileged_port_start=80");
    let (_both, _) = story.serve_as("web", "33", "[::]:80");
    let (_other, _) = story.serve_as("web", "33", "0.0.0.0:81");
    story.wait_for_reach("tcp/81", "pending approval");
    story.wait_for_reach("tcp/80", "open follow");
    for to in [GUARDED_V4, GUARDED_V6] {
        let at = SocketAddr::new(to, 80);
        let scanner = story.lab.scanner();
        wait_for("an answer", || scanner.connect(None, at, SILENCE) == Answer::Open);
        wait_for("an answer", || scanner.send_datagram(None, at, SILENCE) == Answer::Open);
    }
    assert!(!story.connects(PEER, GUARDED_V4, 81));
}

#[test]
fn the_bound_address_counts() {
    let story = Story::new(&format!("{CLOSED}follow = \"all\"\n"));
    story.guarded(
        "ip addr add 10.77.0.11/24 dev $(ip -o -4 addr show to 10.77.0.1 | cut -d' ' -f2)",
    );
    let _one = story.lab.guarded().serve("10.77.0.1:80".parse().unwrap());
    let _local = story.lab.guarded().serve("127.0.0.1:81".parse().unwrap());
    assert!(story.connects(PEER, GUARDED_V4, 80));
    assert!(!story.connects(PEER, "10.77.0.11".parse().unwrap(), 80));
    story.wait_for_reach("tcp/81", "local loopback");
    assert!(!story.connects(PEER, GUARDED_V4, 81));
    assert!(!story.cli(&["ports"]).stdout.contains("tcp/81"), "shown with --all only");
}

#[test]
fn whatever_listens_is_open_from_the_first_moment_to_the_last() {
    let story = Story::new(&format!("{CLOSED}follow = \"all\"\n"));
    for _ in 0..5 {
        let server = story.serve(8080);
        assert!(story.connects(PEER, GUARDED_V4, 8080));
        drop(server);
        assert!(!story.connects(PEER, GUARDED_V4, 8080));
    }
}

#[test]
fn a_denial_closes_and_what_waits_is_approved_all_at_once() {
    let story = Story::new(CLOSED);
    let _servers = [8080, 8081].map(|port| story.serve(port));
    story.wait_for_reach("tcp/8081", "pending approval");
    story.order(&["ports", "deny", "tcp/8081"]);
    assert_eq!(story.reach("tcp/8081"), "closed denied");
    story.order(&["ports", "approve", "--current"]);
    wait_for("the port to open", || story.connects(PEER, GUARDED_V4, 8080));
    assert!(!story.connects(PEER, GUARDED_V4, 8081));
    story.order(&["ports", "forget", "tcp/8081"]);
    assert_eq!(story.reach("tcp/8081"), "pending approval");
    let ran = story.cli(&["ports", "approve", "nonsense"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn what_is_never_open_stays_closed_in_an_open_posture_too() {
    let story = Story::new("[ports]\nnever = [\"tcp/3306\"]\nfollow = \"all\"\n");
    let _server = story.serve(3306);
    assert!(!story.connects(PEER, GUARDED_V4, 3306));
    story.wait_for_reach("tcp/3306", "closed never");
    let ran = story.cli(&["open", "tcp/3306"]);
    assert_eq!(
        (ran.code, ran.stderr.lines().next()),
        (1, Some("error: tcp/3306 is in ports.never"))
    );
}

#[test]
fn a_listing_of_ports_can_be_compared_with_the_next_one() {
    let story = Story::new(&format!("{CLOSED}follow = \"all\"\n"));
    let _servers = [9001, 80, 443].map(|port| story.serve(port));
    story.wait_for_reach("tcp/443", "open follow");
    story.wait_for_reach("tcp/9001", "open follow");
    let listing = || story.cli(&["--json", "ports"]).stdout;
    let first = listing();
    wait_for("the same twice", || listing() == first);
    let rows: serde_json::Value = serde_json::from_str(&first).unwrap();
    let ports: Vec<&str> =
        rows.as_array().unwrap().iter().map(|row| row["port"].as_str().unwrap()).collect();
    assert_eq!(ports, ["tcp/80", "tcp/443", "tcp/9001", "udp/80", "udp/443", "udp/9001"]);
    assert!(!first.contains("pid"));
}

#[test]
fn a_service_is_opened_by_name_for_a_while_and_closed_again() {
    let services = "[services.game]\nports = [\"tcp/7000-7001\", \"udp/7000\"]\n";
    let story = Story::new(&format!("{CLOSED}follow = \"none\"\n{services}"));
    let _servers = [7000, 7001].map(|port| story.serve(port));
    assert!(!story.connects(PEER, GUARDED_V4, 7001));
    story.order(&["open", "game", "--for", "5s"]);
    assert!(story.connects(PEER, GUARDED_V4, 7001));
    assert_eq!(story.json(&["list", "open"]).as_array().unwrap().len(), 3);
    story.wait_for_line("tcp/7000-7001 udp/7000 no longer opened: its time is over");
    assert!(!story.connects(PEER, GUARDED_V4, 7001));
    story.order(&["open", "game"]);
    assert!(story.connects(PEER, GUARDED_V4, 7001));
    story.order(&["close", "game"]);
    assert!(!story.connects(PEER, GUARDED_V4, 7001));
    let ran = story.cli(&["open", "nosuch"]);
    assert_eq!(ran.code, 2);
    let expected = "error: `nosuch` is no service; known are game, http, https, ssh, or write a \
                    port like `tcp/8080`";
    assert_eq!(ran.stderr.lines().next(), Some(expected));
}

#[test]
fn a_grant_is_for_one_source_and_lives_through_kill_9() {
    let mut story = Story::new(&format!("{CLOSED}follow = \"none\"\n"));
    let _server = story.serve(8080);
    story.order(&["open", "tcp/8080", "--from", "10.77.0.3", "--for", "1h"]);
    story.daemon.kill9();
    story.guarded("nft delete table inet portguard");
    story.start_again();
    assert!(story.connects("10.77.0.3", GUARDED_V4, 8080));
    assert!(!story.connects(PEER, GUARDED_V4, 8080));
    assert_eq!(story.json(&["list", "grants"]).as_array().unwrap().len(), 1);
    story.order(&["close", "tcp/8080", "--from", "10.77.0.3"]);
    assert!(!story.connects("10.77.0.3", GUARDED_V4, 8080));
    let ran = story.cli(&["close", "tcp/8080", "--from", "10.77.0.3"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (1, 2), "{}", ran.stderr);
}

#[test]
fn an_administrators_own_grants_are_kept_and_flushed_ones_put_back() {
    let story = Story::new(&format!("{CLOSED}follow = \"none\"\n"));
    let _server = story.serve(8080);
    story.guarded("nft add element inet portguard grant4 '{ 10.77.0.2 . tcp . 8080 }'");
    story.wait_for_line("tcp/8080 opened for 10.77.0.2 by administrator");
    story.guarded("nft flush set inet portguard grant4");
    wait_for("the grant to be back", || story.connects(PEER, GUARDED_V4, 8080));
    story.guarded("nft delete element inet portguard grant4 '{ 10.77.0.2 . tcp . 8080 }'");
    story.wait_for_line("tcp/8080 no longer opened for 10.77.0.2: lifted by administrator");
    assert!(!story.connects(PEER, GUARDED_V4, 8080));
}

#[test]
fn a_service_has_a_rate_for_each_source() {
    let story = Story::new(&format!(
        "{CLOSED}follow = \"all\"\n[services.web]\nports = [\"tcp/80\"]\nrate = \"3/hour\"\n"
    ));
    let _server = story.serve(80);
    let let_in = (0..5).filter(|_| story.connects(PEER, GUARDED_V4, 80)).count();
    assert_eq!(let_in, 3);
    assert!(story.connects("10.77.0.3", GUARDED_V4, 80));
}

#[test]
fn a_forwarded_port_is_shown() {
    let story = Story::new("");
    story.guarded(
        "nft 'table ip nat { chain pre { type nat hook prerouting priority dstnat; \
         tcp dport 8443 dnat to 10.78.0.2:443; }; }'",
    );
    assert_eq!(story.reach("tcp/8443"), "forwarded forward");
    assert!(story.cli(&["ports"]).stdout.contains("forwarded to 10.78.0.2:443 by nft ip nat pre"));
}
