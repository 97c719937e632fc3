//! What a network needs to work passes a closed posture.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use portguard_core::PortPolicy;
use portguard_linux::nft::{FrameSpec, Icmp};

use crate::{
    namespace::{alone, run},
    peer::Peer,
    setting::{apply, install_for_ever, plain, table},
    traffic::here_v6,
};

const CLOSED: [&str; 2] = ["closed 0.0.0.0/0", "closed ::/0"];

fn closed_with(icmp: Icmp) -> FrameSpec {
    FrameSpec { icmp, ports: Arc::new(PortPolicy::default()), ..plain() }
}

#[test]
fn echo_passes_only_with_all_icmp() {
    alone(|| {
        let peer = Peer::joined();
        for (icmp, expected) in [(Icmp::Essential, false), (Icmp::All, true), (Icmp::None, false)] {
            let mut table = table(&closed_with(icmp));
            apply(&mut table, &CLOSED.map(install_for_ever));
            assert_eq!(peer.is_answered("10.9.0.1"), expected, "{icmp:?}");
            assert_eq!(peer.is_answered("fd09::1"), expected, "{icmp:?}");
            table.remove().unwrap();
        }
    });
}

#[test]
fn what_the_network_needs_passes_a_closed_posture() {
    alone(|| {
        let peer = Peer::joined();
        let ports = PortPolicy { always: vec!["tcp/22".parse().unwrap()], ..PortPolicy::default() };
        for icmp in [Icmp::Essential, Icmp::None] {
            let mut table = table(&FrameSpec { icmp, ports: Arc::new(ports.clone()), ..plain() });
            apply(&mut table, &CLOSED.map(install_for_ever));
            // Whoever knows nothing of this host has to find it first.
            peer.visit(|| run("ip", &["-6", "neigh", "flush", "all"]));
            run("ip", &["-6", "neigh", "flush", "all"]);
            assert!(!peer.meets_silence(here_v6(22)), "neighbour discovery with {icmp:?}");
            table.remove().unwrap();
        }
        // The peer says that our datagram is too long for its next link.
        let mut table = table(&closed_with(Icmp::Essential));
        apply(&mut table, &CLOSED.map(install_for_ever));
        peer.visit(|| {
            run("sysctl", &["-qw", "net.ipv4.ip_forward=1"]);
            run("ip", &["link", "add", "narrow", "mtu", "1000", "type", "veth"]);
            run("ip", &["addr", "add", "10.8.0.1/24", "dev", "narrow"]);
            run("ip", &["link", "set", "narrow", "up"]);
        });
        run("ip", &["route", "add", "10.8.0.0/24", "via", "10.9.0.2"]);
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect("10.8.0.9:9").unwrap();
        let learnt = crate::namespace::eventually("a path MTU", || {
            // A refusal is what the too long one is answered with, once it is known.
            let _ = socket.send(&[0; 1400]);
            let route = run("ip", &["route", "get", "10.8.0.9"]);
            route.contains("mtu 1000").then_some(route)
        });
        assert!(learnt.contains("mtu 1000"));
    });
}

#[test]
fn answers_of_dhcp_servers_pass() {
    alone(|| {
        let peer = Peer::joined();
        let mut table = table(&closed_with(Icmp::Essential));
        apply(&mut table, &CLOSED.map(install_for_ever));
        for (ours, theirs, to) in [
            ("0.0.0.0:68", "10.9.0.2:67", "10.9.0.1:68"),
            ("[::]:546", "[fe80::2%2]:547", "[fe80::1%2]:546"),
        ] {
            let client = UdpSocket::bind(ours).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            peer.visit(|| {
                let to = scoped(to, "far");
                let server = UdpSocket::bind(scoped(theirs, "far")).unwrap();
                server.send_to(b"lease", to).unwrap();
            });
            client.recv(&mut [0; 8]).unwrap();
        }
        // The same from elsewhere is no answer.
        let client = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        peer.visit(|| {
            UdpSocket::bind("10.9.0.2:66").unwrap().send_to(b"x", "10.9.0.1:68").unwrap();
        });
        assert!(client.recv(&mut [0; 8]).is_err());
    });
}

/// Reads an address whose scope is the link of this name in this namespace.
fn scoped(text: &str, link: &str) -> SocketAddr {
    let index = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    let scope = index.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.last() == Some(&link)).then(|| u32::from_str_radix(fields[1], 16).unwrap())
    });
    let mut address: SocketAddr = text.replace("%2", "").parse().unwrap();
    if let SocketAddr::V6(v6) = &mut address
        && v6.ip().is_unicast_link_local()
    {
        v6.set_scope_id(scope.expect("the link has an address"));
    }
    address
}
