//! What the rules do to real packets of a second host.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use portguard_core::{Family, Protocol};
use portguard_linux::nft::{FrameSpec, Table, TrapEvidence, TrapRule};

use crate::{
    namespace::{alone, eventually},
    peer::{Attempt, Peer},
    setting::{
        ALMOST_AN_HOUR, HOUR, apply, element, install, install_for_ever, plain, set_of, table, trap,
    },
};

const HOST: [u8; 4] = [10, 9, 0, 1];
const PEER: [u8; 4] = [10, 9, 0, 2];

#[test]
fn a_ban_cuts_connections_that_stand_and_counts() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&plain()));
        let listener = TcpListener::bind(here(80)).unwrap();
        let mut theirs = connected(peer.connect(here(80)));
        let mut ours = accepted(&listener);

        apply(&mut table, &[install("ban 10.9.0.2", HOUR)]);
        theirs.write_all(b"x").unwrap();

        let dropped = eventually("a dropped packet", || {
            Some(table.counters().unwrap().banned).filter(|tally| tally.packets > 0)
        });
        assert!(dropped.bytes > 40);
        let found = table.find(PEER.into(), &[]).unwrap();
        assert!(found[0].matched.packets > 0);
        ours.set_nonblocking(true).unwrap();
        assert!(ours.read(&mut [0]).is_err());
        assert!(peer.meets_silence(here(80)));
        assert!(peer.meets_silence(here(81)));
    });
}

#[test]
fn bans_of_networks_of_any_length_hold() {
    alone(|| {
        let peer = Peer::joined();
        let banned = ["ban 10.9.0.0/24", "ban 10.0.0.0/7", "ban 0.0.0.0/0", "ban 10.9.0.2/31"];
        let mut spec = plain();
        spec.networks = banned.iter().map(|words| set_of(words)).collect();
        spec.networks.insert(set_of("ban fd09::/33"));
        let mut table = table(&spec);
        for words in banned {
            assert!(matches!(peer.connect(here(80)), Attempt::Refused), "before {words}");
            apply(&mut table, &[install(words, HOUR)]);
            assert!(peer.meets_silence(here(80)), "{words}");
            apply(&mut table, &[portguard_core::Change::Remove(element(words))]);
        }
        for words in ["ban fd09::/33", "ban fd09::/64", "ban fd09::2"] {
            assert!(matches!(peer.connect(here_v6(80)), Attempt::Refused), "before {words}");
            apply(&mut table, &[install(words, HOUR)]);
            assert!(peer.meets_silence(here_v6(80)), "{words}");
            apply(&mut table, &[portguard_core::Change::Remove(element(words))]);
        }
    });
}

#[test]
fn a_ban_of_a_port_leaves_the_others_open() {
    alone(|| {
        let peer = Peer::joined();
        let mut spec = plain();
        spec.networks.insert(set_of("ban fd09::/64 tcp/80"));
        let mut table = table(&spec);
        let bans = ["ban 10.9.0.2 tcp/80", "ban 10.9.0.2 udp/81", "ban fd09::/64 tcp/80"];
        apply(&mut table, &bans.map(|words| install(words, HOUR)));
        for address in [here(0), here_v6(0)] {
            let at = |port| SocketAddr::new(address.ip(), port);
            assert!(peer.meets_silence(at(80)));
            assert!(matches!(peer.connect(at(81)), Attempt::Refused));
        }
    });
}

#[test]
fn an_allowed_source_passes_a_ban() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&plain()));
        apply(&mut table, &[install("ban 10.9.0.2", HOUR), install("allow 10.9.0.2", HOUR)]);
        assert!(matches!(peer.connect(here(80)), Attempt::Refused));
    });
}

#[test]
fn who_completes_a_handshake_with_a_trap_is_banned() {
    alone(|| {
        let peer = Peer::joined();
        for (host, source, banned) in [
            (here(23), IpAddr::from(PEER), "ban 10.9.0.2"),
            (here_v6(23), "fd09::2".parse().unwrap(), "ban fd09::/64"),
            (here_link_local(23), "fe80::2".parse().unwrap(), "ban fe80::2"),
        ] {
            let mut table = trapped(&[]);
            let listener = TcpListener::bind(host).unwrap();

            connected(peer.connect(host));

            accepted(&listener);
            let found = table.find(source, &[]).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].element, element(banned));
            assert!((ALMOST_AN_HOUR..=HOUR).contains(&found[0].remaining.unwrap()));
            let elsewhere = SocketAddr::new(host.ip(), 80);
            if !matches!(host, SocketAddr::V6(v6) if v6.scope_id() > 0) {
                assert!(peer.meets_silence(elsewhere), "{banned}");
            }
            table.remove().unwrap();
        }
    });
}

#[test]
fn a_handshake_that_is_not_completed_bans_nobody() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        let _listener = TcpListener::bind(here(23)).unwrap();
        peer.complete_no_handshake();
        // The trap's answer came, so the first packet was judged.
        connected(peer.connect(here(23)));
        assert_eq!(table.find(PEER.into(), &[]).unwrap(), []);
    });
}

#[test]
fn a_probe_throttles_hard_and_bans_nobody() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        let _listener = TcpListener::bind(here(24)).unwrap();
        peer.complete_no_handshake();

        connected(peer.connect(here(24)));

        let found = table.find(PEER.into(), &[]).unwrap();
        assert_eq!(found[0].element, element("throttle-hard 10.9.0.2"));
        let answered = (0..12).filter(|_| !peer.meets_silence(here(80))).count();
        assert!((1..=5).contains(&answered), "{answered} of 12 attempts were answered");
        assert!(table.counters().unwrap().throttled.packets > 0);
        assert_eq!(table.counters().unwrap().banned.packets, 0);
    });
}

#[test]
fn a_completed_handshake_with_a_probe_trap_bans() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        let listener = TcpListener::bind(here(24)).unwrap();
        connected(peer.connect(here(24)));
        accepted(&listener);
        let found = table.find(PEER.into(), &[]).unwrap();
        assert!(found.iter().any(|found| found.element == element("ban 10.9.0.2")), "{found:?}");
    });
}

#[test]
fn a_datagram_to_a_trap_throttles_hard() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        let trap = UdpSocket::bind(here(161)).unwrap();
        peer.visit(|| {
            UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", here(161)).unwrap();
        });
        let found = eventually("a throttle", || {
            Some(table.find(PEER.into(), &[]).unwrap()).filter(|found| !found.is_empty())
        });
        assert_eq!(found[0].element, element("throttle-hard 10.9.0.2"));
        trap.set_nonblocking(true).unwrap();
        assert!(trap.recv(&mut [0]).is_err(), "the datagram went through");
    });
}

#[test]
fn answers_to_our_own_datagrams_are_no_probes() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        let ours = UdpSocket::bind(here(161)).unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        peer.visit(|| {
            let theirs = UdpSocket::bind("10.9.0.2:53").unwrap();
            theirs.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            ours.send_to(b"question", "10.9.0.2:53").unwrap();
            let (_, from) = theirs.recv_from(&mut [0; 16]).unwrap();
            theirs.send_to(b"answer", from).unwrap();
        });
        ours.recv(&mut [0; 16]).unwrap();
        assert_eq!(table.find(PEER.into(), &[]).unwrap(), []);
    });
}

#[test]
fn a_probe_does_not_shorten_a_longer_throttle() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        apply(&mut table, &[install("throttle-hard 10.9.0.2", 48 * HOUR)]);
        assert!(matches!(peer.connect(here(24)), Attempt::Refused));
        let found = table.find(PEER.into(), &[]).unwrap();
        assert!(found[0].remaining > Some(47 * HOUR), "{found:?}");
    });
}

#[test]
fn a_protected_source_is_neither_banned_nor_throttled() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), trapped(&[]));
        apply(
            &mut table,
            &[install_for_ever("protect 10.9.0.2"), install("throttle-hard 10.9.0.2", HOUR)],
        );
        let listener = TcpListener::bind(here(23)).unwrap();
        connected(peer.connect(here(23)));
        accepted(&listener);
        let answered =
            (0..12).filter(|_| matches!(peer.connect(here(80)), Attempt::Refused)).count();
        assert_eq!(answered, 12);
        let found = table.find(PEER.into(), &[]).unwrap();
        assert!(!found.iter().any(|found| found.element == element("ban 10.9.0.2")), "{found:?}");
    });
}

#[test]
fn a_tarpit_holds_the_connection_of_a_banned_source() {
    alone(|| {
        let held = TrapRule { tarpit: true, ..trap(Family::V4, Protocol::Tcp, &[25]) };
        let (peer, mut table) = (Peer::joined(), trapped(&[held]));
        let listener = TcpListener::bind(here(25)).unwrap();
        let mut theirs = connected(peer.connect(here(25)));
        let mut ours = accepted(&listener);
        assert_eq!(table.find(PEER.into(), &[]).unwrap()[0].element, element("ban 10.9.0.2"));

        for stream in [&theirs, &ours] {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        ours.write_all(b"a").unwrap();
        theirs.read_exact(&mut [0]).unwrap();
        theirs.write_all(b"b").unwrap();
        ours.read_exact(&mut [0]).unwrap();

        assert!(peer.meets_silence(here(25)));
        assert!(peer.meets_silence(here(80)));
    });
}

#[test]
fn a_frame_for_this_host_alone_bans_too() {
    alone(|| {
        let peer = Peer::joined();
        let mut table = table(&FrameSpec { forward: false, ..plain() });
        apply(&mut table, &[install("ban 10.9.0.2", HOUR)]);
        assert!(peer.meets_silence(here(80)));
    });
}

/// A table with a handshake trap on 23, a probe trap on 24, a UDP trap on 161, and `more`.
fn trapped(more: &[TrapRule]) -> Table {
    let mut traps = more.to_vec();
    for family in [Family::V4, Family::V6] {
        traps.push(trap(family, Protocol::Tcp, &[23]));
        let probe = trap(family, Protocol::Tcp, &[24]);
        traps.push(TrapRule { evidence: TrapEvidence::Probe, ..probe });
        traps.push(trap(family, Protocol::Udp, &[161]));
    }
    table(&FrameSpec { traps, ..plain() })
}

pub(crate) fn here(port: u16) -> SocketAddr {
    (HOST, port).into()
}

pub(crate) fn here_v6(port: u16) -> SocketAddr {
    SocketAddr::new("fd09::1".parse().unwrap(), port)
}

/// The link-local address; both hosts have the cable as their second link.
fn here_link_local(port: u16) -> SocketAddr {
    SocketAddrV6::new("fe80::1".parse().unwrap(), port, 0, 2).into()
}

pub(crate) fn connected(attempt: Attempt) -> TcpStream {
    match attempt {
        Attempt::Connected(stream) => stream,
        other => panic!("not connected: {other:?}"),
    }
}

/// The connection that waits at a listener.
pub(crate) fn accepted(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = eventually("a connection", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream
}
