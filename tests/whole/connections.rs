//! Connections with other hosts and through this one, their processes, and processes that ask for too
//! many.

use std::{net::SocketAddr, time::Duration};

use lab::{
    Forgery, Host, Kind, Lab,
    deadline::PATIENCE,
    eventually,
    running::Running,
    wiring::{GUARDED_V4, GUARDED_V6, INNER_V4, INNER_V6},
};
use serde_json::Value;

use crate::story::Story;

fn connection(story: &Story, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually("the connection", PATIENCE, || {
        let all = story.json(&["connections"]);
        all["items"].as_array().expect("a list").iter().find(|one| wanted(one)).cloned()
    })
}

#[test]
fn connections_are_shown_with_their_processes_and_bytes() {
    let story = Story::new("");
    let _server = story.serve(8080);
    let mut talk = story.lab.scanner().talk(None, (GUARDED_V4, 8080).into());
    talk.say("hello from outside");
    let is_ours = |one: &Value| one["local"] == "10.77.0.1:8080" && one["received"] != 0;
    let ours = connection(&story, is_ours);
    assert_eq!((&ours["direction"], &ours["state"]), (&"in".into(), &"established".into()));
    assert!(ours["peer"].as_str().unwrap().starts_with("10.77.0.2:"), "{ours}");
    assert!(ours["process"].as_str().unwrap().starts_with("portguard-probe"), "{ours}");
    assert!(ours["exe"].as_str().unwrap().ends_with("/portguard-probe") && ours["user"] == "root");
    assert!(ours["received"].as_u64().unwrap() >= 18 && ours["sent"].as_u64().unwrap() >= 18);
    let told = story.cli(&["connections"]);
    assert!(told.stdout.contains("10.77.0.1:8080") && told.stdout.contains("portguard-probe"));
    drop(talk);
    eventually("its end", PATIENCE, || {
        let all = story.json(&["connections"]);
        let is_there = all["items"].as_array().unwrap().iter().any(is_ours);
        (!is_there).then_some(())
    });
}

/// Says something by UDP and keeps the socket.
fn say(host: &Host, to: &str) -> Running {
    let mut client = host.spawn(["socat", "-", &format!("UDP:{to}")]);
    client.say("hello");
    client
}

fn text<'a>(one: &'a Value, name: &str) -> &'a str {
    one[name].as_str().unwrap_or_default()
}

#[test]
fn udp_flows_of_both_ways_have_their_processes() {
    let story = Story::new("");
    let (guarded, scanner) = (story.lab.guarded(), story.lab.scanner());
    let _server = story.serve(8080);
    let _server_v6 = guarded.serve(SocketAddr::new(GUARDED_V6, 8081));
    let _afar = scanner.serve("10.77.0.2:5300".parse().unwrap());
    for (host, to, direction, end, other, process) in [
        (scanner, "10.77.0.1:8080", "in", "local", "10.77.0.2:", "portguard-probe"),
        (scanner, "[fd77::1]:8081", "in", "local", "[fd77::", "portguard-probe"),
        (guarded, "10.77.0.2:5300", "out", "peer", "10.77.0.1:", "socat"),
    ] {
        let _client = say(host, to);
        let other_end = if end == "local" { "peer" } else { "local" };
        let flow = connection(&story, |one| one["protocol"] == "udp" && one[end] == to);
        let flow = connection(&story, |one| one[end] == flow[end] && one["state"] == "replied");
        assert_eq!((text(&flow, "direction"), &flow["user"]), (direction, &"root".into()));
        assert!(text(&flow, other_end).starts_with(other), "{flow}");
        assert!(text(&flow, "process").starts_with(process) && flow["pid"].is_u64(), "{flow}");
        // Nobody had the kernel count.
        assert!(flow.get("received").is_none() && flow.get("sent").is_none(), "{flow}");
    }
    let udp = story.json(&["connections", "--protocol", "udp", "--direction", "out"]);
    let items = udp["items"].as_array().unwrap();
    assert!(items.iter().all(|one| one["protocol"] == "udp" && one["direction"] == "out"));
    assert_eq!(items.len(), 1, "{udp}");
}

#[test]
fn bytes_and_age_are_the_kernels_where_it_keeps_them() {
    let lab = Lab::new();
    lab.guarded().set("net.netfilter.nf_conntrack_acct", "1");
    lab.guarded().set("net.netfilter.nf_conntrack_timestamp", "1");
    let story = Story::in_lab(lab, "");
    let _server = story.serve(8080);
    let _client = say(story.lab.scanner(), "10.77.0.1:8080");
    let flow = connection(&story, |one| one["protocol"] == "udp" && one["sent"].as_u64() > Some(0));
    // `hello` and a newline behind an IPv4 and a UDP header, said once each way.
    assert_eq!((&flow["received"], &flow["sent"]), (&34.into(), &34.into()), "{flow}");
    let all = story.json(&["connections"]);
    assert!(all["tracking"]["counts_bytes"] == true && all["tracking"]["keeps_times"] == true);
    assert!(all["tracking"]["tracked"].as_u64() > Some(0), "{all}");
    // When it began does not change with who looks.
    let again = connection(&story, |one| one["protocol"] == "udp" && one["peer"] == flow["peer"]);
    assert_eq!(again["since"], flow["since"]);
    let ping = story.lab.scanner().spawn(["ping", "-i", "0.2", "10.77.0.1"]);
    let echo = connection(&story, |one| one["protocol"] == "icmp");
    assert_eq!((text(&echo, "local"), text(&echo, "peer")), ("10.77.0.1", "10.77.0.2"));
    drop(ping);
}

#[test]
fn what_is_forwarded_is_shown_with_both_sides_of_its_translation() {
    let story = Story::new("");
    let inner = story.lab.join_inner();
    story.lab.guarded().nft(
        "table ip nat {
           chain pre {
             type nat hook prerouting priority dstnat;
             tcp dport 8081 dnat to 10.78.0.2:80
           }
           chain post {
             type nat hook postrouting priority srcnat;
             oifname \"cable\" ip saddr 10.78.0.0/24 masquerade
           }
         }",
    );
    let _inside = inner.serve(SocketAddr::new(INNER_V4, 80));
    let _inside_v6 = inner.serve(SocketAddr::new(INNER_V6, 80));
    let _afar = story.lab.scanner().serve("10.77.0.2:443".parse().unwrap());
    let mut published = story.lab.scanner().talk(None, (GUARDED_V4, 8081).into());
    let mut routed = story.lab.scanner().talk(None, (INNER_V6, 80).into());
    let mut masked = inner.talk(None, "10.77.0.2:443".parse().unwrap());
    for talk in [&mut published, &mut routed, &mut masked] {
        talk.say("hello");
    }
    for (local, outside, peer, asker) in [
        ("10.78.0.2:80", "10.77.0.1:8081", "10.77.0.2:", "peer"),
        ("[fd78::2]:80", "", "[fd77::", "peer"),
        ("10.78.0.2:", "10.77.0.1:", "10.77.0.2:443", "local"),
    ] {
        let is_it = |one: &Value| {
            text(one, "local").starts_with(local) && text(one, "peer").starts_with(peer)
        };
        let one = connection(&story, is_it);
        let told = ["direction", "asked_by", "protocol", "state"].map(|name| text(&one, name));
        assert_eq!(told, ["forwarded", asker, "tcp", "established"], "{one}");
        let is_translated = one.get("outside").is_some();
        assert!(text(&one, "outside").starts_with(outside), "{one}");
        assert_eq!(is_translated, !outside.is_empty(), "{one}");
        assert!(one.get("received").is_none(), "{one}");
        // What keeps the inner host is a process of this machine in another network namespace.
        assert_eq!((text(&one, "process"), &one["pid"]), ("cat", &inner.pid().into()), "{one}");
    }
    let told = story.cli(&["connections", "--direction", "forwarded"]).stdout;
    assert!(told.contains("10.78.0.2:80 (10.77.0.1:8081)"), "{told}");
    let to = story.json(&["connections", "--subject", "fd78::/64"]);
    assert_eq!(to["items"].as_array().unwrap().len(), 1, "{to}");
    // A ban of the peer that the row names holds for what is forwarded.
    story.order(&["ban", "10.77.0.2", "--for", "1h"]);
    assert!(!story.connects("10.77.0.2", GUARDED_V4, 8081));
}

#[test]
fn a_redirected_connection_is_one_row_with_its_process_and_what_the_peer_sees() {
    let story = Story::new("");
    story.lab.guarded().nft(
        "table ip nat {
           chain pre {
             type nat hook prerouting priority dstnat;
             tcp dport 8082 redirect to :8080
           }
         }",
    );
    let _server = story.serve(8080);
    let mut talk = story.lab.scanner().talk(None, (GUARDED_V4, 8082).into());
    talk.say("hello");
    let is_ours = |one: &Value| one["local"] == "10.77.0.1:8080";
    let one = connection(&story, |one| is_ours(one) && one.get("outside").is_some());
    assert_eq!((text(&one, "direction"), text(&one, "outside")), ("in", "10.77.0.1:8082"));
    assert!(text(&one, "process").starts_with("portguard-probe"), "{one}");
    let all = story.json(&["connections"]);
    assert_eq!(all["items"].as_array().unwrap().iter().filter(|one| is_ours(one)).count(), 1);
}

#[test]
fn of_very_many_flows_some_are_shown_and_the_others_counted() {
    let story = Story::new("");
    let _inner = story.lab.join_inner();
    story.lab.guarded().set("net.netfilter.nf_conntrack_udp_timeout", "600");
    let from = "198.51.100.1:4000".parse().unwrap();
    let to = SocketAddr::new(INNER_V4, 9);
    story.lab.scanner().forge(&Forgery {
        kind: Kind::Datagram,
        from,
        to,
        packets: 10_000,
        sources: 10_000,
    });
    let all = eventually("ten thousand flows", PATIENCE, || {
        let all = story.json(&["connections"]);
        (all["tracking"]["tracked"].as_u64() >= Some(10_000)).then_some(all)
    });
    let shown = all["items"].as_array().unwrap().len();
    let more = usize::try_from(all["more"].as_u64().unwrap()).unwrap();
    assert_eq!(shown, 8_192);
    assert!((10_000..10_100).contains(&(shown + more)), "{shown} and {more}");
    assert!(story.cli(&["connections"]).stderr.contains(&format!("and {more} more")));
}

#[test]
fn interfaces_are_counted() {
    let story = Story::new("");
    let bytes = |name: &str| {
        let all = story.json(&["interfaces"]);
        let one = all.as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
        one.unwrap()["received"]["packets"].as_u64().unwrap()
    };
    let before = bytes("cable");
    story.lab.scanner().run(["ping", "-c", "3", "-i", "0.2", "10.77.0.1"]);
    assert!(bytes("cable") >= before + 3);
    assert!(story.cli(&["interfaces"]).stdout.contains("DROPPED"));
}

/// Waits for the journal's line of an anomaly.
fn anomaly(story: &Story, limit: Duration) -> Value {
    eventually("an anomaly", limit, || {
        let events = story.json(&["events"]);
        events.as_array().unwrap().iter().find(|one| one["kind"] == "anomaly").cloned()
    })
}

#[test]
fn a_process_that_asks_many_peers_is_told_of() {
    let story = Story::new("[anomaly]\nprocess_fanout = { connections = 5, within = '10m' }\n");
    // Nobody is there: each connection waits for a while.
    story.guarded("ip neigh add 10.77.0.77 lladdr 02:00:00:00:00:77 dev cable");
    let scan =
        ["nmap", "-n", "-Pn", "-sT", "-T3", "-p", "1-200", "--max-retries", "9", "10.77.0.77"];
    let _scan = story.lab.guarded().spawn(scan);
    let told = anomaly(&story, PATIENCE);
    assert_eq!(
        (&told["text"], &told["level"]),
        (&"anomaly process_fanout".into(), &"warning".into())
    );
    let pairs = told["evidence"].as_array().unwrap();
    let is = |name: &str, value: &str| pairs.iter().any(|pair| pair[0] == name && pair[1] == value);
    assert!(is("process", "nmap") && is("user", "root") && is("severity", "medium"), "{told}");
    let program = pairs.iter().find(|pair| pair[0] == "program").expect("its executable");
    assert!(program[1].as_str().unwrap().ends_with("/nmap"), "{told}");
}

#[test]
fn a_process_whose_connections_are_short_is_told_of() {
    let story = Story::new("[anomaly]\nprocess_fanout = { connections = 4, within = '10m' }\n");
    let _everywhere = story.lab.scanner().serve("0.0.0.0:7000".parse().unwrap());
    let hops = "for turn in {1..100}; do for host in {2..9}; do \
                exec 3<>/dev/tcp/10.77.0.$host/7000; read -t 0.3 <&3; exec 3>&-; done; done";
    let _worm = story.lab.guarded().spawn(["bash", "-c", hops]);
    let told = anomaly(&story, 3 * PATIENCE);
    let pairs = told["evidence"].as_array().unwrap();
    let is = |name: &str, value: &str| pairs.iter().any(|pair| pair[0] == name && pair[1] == value);
    assert!(is("process", "bash") && is("peers", "4") && is("ports", "7000"), "{told}");
}
