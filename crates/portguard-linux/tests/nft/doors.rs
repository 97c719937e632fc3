//! Which new connections the rules for ports let in, with real packets of a second host.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use portguard_core::{Change, Follow, PortPolicy};
use portguard_linux::nft::{FrameSpec, Table};

use crate::{
    namespace::{alone, eventually, run},
    peer::{Attempt, Peer},
    setting::{HOUR, apply, element, install, install_for_ever, plain, set_of, table},
    traffic::{accepted, connected, here, here_v6},
};

const CLOSED: [&str; 2] = ["closed 0.0.0.0/0", "closed ::/0"];

fn spec(ports: PortPolicy) -> FrameSpec {
    FrameSpec { ports: Arc::new(ports), ..plain() }
}

/// A table with these rules for ports and a closed posture.
fn closed(ports: PortPolicy) -> Table {
    let mut table = table(&spec(ports));
    apply(&mut table, &CLOSED.map(install_for_ever));
    table
}

fn following(follow: Follow) -> PortPolicy {
    PortPolicy { follow, ..PortPolicy::default() }
}

fn answers(peer: &Peer, to: SocketAddr) -> bool {
    !peer.meets_silence(to)
}

/// Returns whether a datagram of the peer arrives at a socket of ours.
fn arrives(peer: &Peer, socket: &UdpSocket, to: SocketAddr) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    peer.visit(|| {
        let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        UdpSocket::bind(from).unwrap().send_to(b"x", to).unwrap();
    });
    socket.recv(&mut [0; 8]).is_ok()
}

#[test]
fn a_closed_posture_answers_nobody() {
    alone(|| {
        let (peer, _table) = (Peer::joined(), closed(following(Follow::None)));
        let _listener = TcpListener::bind(here(80)).unwrap();
        let datagrams = UdpSocket::bind(here(80)).unwrap();
        for to in [here(80), here(81), here_v6(81)] {
            assert!(peer.meets_silence(to), "{to}");
        }
        assert!(!arrives(&peer, &datagrams, here(80)));
        assert!(!peer.is_answered("10.9.0.1") && !peer.is_answered("fd09::1"));
    });
}

#[test]
fn a_closed_posture_with_an_end_opens_by_itself() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&plain()));
        apply(&mut table, &CLOSED.map(|words| install(words, Duration::from_secs(2))));
        assert!(peer.meets_silence(here(80)));
        eventually("the end of the closed posture", || answers(&peer, here(80)).then_some(()));
        assert!(answers(&peer, here_v6(80)));
    });
}

#[test]
fn an_always_open_port_is_open() {
    alone(|| {
        let always = vec!["tcp/22".parse().unwrap(), "tcp/8000-8010".parse().unwrap()];
        let always = [always, vec!["udp/53".parse().unwrap()]].concat();
        let (peer, _table) =
            (Peer::joined(), closed(PortPolicy { always, ..following(Follow::None) }));
        for to in [here(22), here_v6(22), here(8000), here(8010)] {
            assert!(matches!(peer.connect(to), Attempt::Refused), "{to}");
        }
        assert!(peer.meets_silence(here(8011)) && peer.meets_silence(here(53)));
        let datagrams = UdpSocket::bind(here(53)).unwrap();
        assert!(arrives(&peer, &datagrams, here(53)));
    });
}

#[test]
fn what_is_never_open_stays_closed() {
    alone(|| {
        let never = vec!["tcp/3306".parse().unwrap()];
        let peer = Peer::joined();
        // In an open posture.
        let mut table = table(&spec(PortPolicy { never, ..following(Follow::All) }));
        let _listener = TcpListener::bind(here(3306)).unwrap();
        apply(&mut table, &[install("grant 10.9.0.2 tcp/3306", HOUR)]);
        apply(&mut table, &[install("grant 0.0.0.0/0 tcp/3306", HOUR)]);
        assert!(peer.meets_silence(here(3306)));
        assert!(answers(&peer, here(3307)));
    });
}

#[test]
fn a_grant_opens_for_its_source_alone() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), closed(following(Follow::None)));
        apply(&mut table, &[install("grant 10.9.0.9 tcp/80", HOUR)]);
        assert!(peer.meets_silence(here(80)));
        apply(&mut table, &[install("grant 10.9.0.2 tcp/80", HOUR)]);
        apply(&mut table, &[install("grant fd09::2 udp/80", HOUR)]);
        assert!(matches!(peer.connect(here(80)), Attempt::Refused));
        assert!(peer.meets_silence(here(81)) && peer.meets_silence(here_v6(80)));
        let datagrams = UdpSocket::bind(here_v6(80)).unwrap();
        assert!(arrives(&peer, &datagrams, here_v6(80)));
    });
}

#[test]
fn grants_of_networks_and_for_everybody_open() {
    alone(|| {
        let peer = Peer::joined();
        let grants = ["grant 10.9.0.0/24 tcp/80", "grant fd09::/64 tcp/80", "grant ::/0 tcp/81"];
        let mut frame = spec(following(Follow::None));
        frame.networks = grants.iter().map(|words| set_of(words)).collect();
        let mut table = table(&frame);
        apply(&mut table, &CLOSED.map(install_for_ever));
        assert!(peer.meets_silence(here(80)) && peer.meets_silence(here_v6(80)));
        apply(&mut table, &grants.map(|words| install(words, HOUR)));
        for to in [here(80), here_v6(80), here_v6(81)] {
            assert!(matches!(peer.connect(to), Attempt::Refused), "{to}");
        }
        assert!(peer.meets_silence(here(81)));
    });
}

#[test]
fn a_shut_port_stays_shut_but_for_a_grant() {
    alone(|| {
        let always = vec!["tcp/80".parse().unwrap()];
        let peer = Peer::joined();
        // In an open posture.
        let mut table = table(&spec(PortPolicy { always, ..following(Follow::All) }));
        let _listener = TcpListener::bind(here(80)).unwrap();
        assert!(answers(&peer, here(80)));
        let shut = ["shut 0.0.0.0/0 tcp/80", "shut ::/0 tcp/80", "grant 0.0.0.0/0 tcp/80"];
        apply(&mut table, &shut.map(|words| install(words, HOUR)));
        assert!(peer.meets_silence(here(80)) && peer.meets_silence(here_v6(80)));
        assert!(answers(&peer, here(81)));
        apply(&mut table, &[install("grant 10.9.0.2 tcp/80", HOUR)]);
        connected(peer.connect(here(80)));
    });
}

#[test]
fn whatever_listens_is_followed_by_its_address() {
    alone(|| {
        let (peer, _table) = (Peer::joined(), closed(following(Follow::All)));
        run("ip", &["addr", "add", "10.9.0.11/24", "dev", "cable"]);
        let other = SocketAddr::new(IpAddr::from([10, 9, 0, 11]), 80);
        let _one = TcpListener::bind(here(80)).unwrap();
        connected(peer.connect(here(80)));
        assert!(peer.meets_silence(other), "another address of this host");
        let _all = TcpListener::bind("0.0.0.0:81").unwrap();
        let other = SocketAddr::new(other.ip(), 81);
        connected(peer.connect(here(81)));
        connected(peer.connect(other));
        assert!(peer.meets_silence(here_v6(81)));
        let _both = TcpListener::bind("[::]:82").unwrap();
        connected(peer.connect(here(82)));
        connected(peer.connect(here_v6(82)));
        let _local = TcpListener::bind("127.0.0.1:83").unwrap();
        assert!(peer.meets_silence(here(83)));
    });
}

#[test]
fn a_port_closes_with_its_listener() {
    alone(|| {
        let (peer, _table) = (Peer::joined(), closed(following(Follow::All)));
        for to in [here(80), here_v6(80)] {
            for _ in 0..3 {
                let listener = TcpListener::bind(to).unwrap();
                drop(connected(peer.connect(to)));
                drop(accepted(&listener));
                drop(listener);
                assert!(peer.meets_silence(to), "{to}");
            }
            let datagrams = UdpSocket::bind(to).unwrap();
            assert!(arrives(&peer, &datagrams, to), "{to}");
            drop(datagrams);
        }
    });
}

#[test]
fn an_approved_socket_is_followed_where_it_listens() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), closed(following(Follow::Approved)));
        apply(&mut table, &[install_for_ever("follow 10.9.0.1 tcp/80")]);
        apply(&mut table, &[install_for_ever("follow 0.0.0.0/0 tcp/81")]);
        apply(&mut table, &[install_for_ever("follow ::/0 udp/82")]);
        assert!(peer.meets_silence(here(80)), "an element alone opens nothing");
        let _one = TcpListener::bind(here(80)).unwrap();
        connected(peer.connect(here(80)));
        let specific = TcpListener::bind(here(81)).unwrap();
        assert!(peer.meets_silence(here(81)), "approved was a socket for all addresses");
        drop(specific);
        let _wildcard = TcpListener::bind("0.0.0.0:81").unwrap();
        connected(peer.connect(here(81)));
        let datagrams = UdpSocket::bind("[::]:82").unwrap();
        assert!(arrives(&peer, &datagrams, here_v6(82)));
        let _stranger = TcpListener::bind("0.0.0.0:84").unwrap();
        assert!(peer.meets_silence(here(84)));
    });
}

/// Connects from the same port of the peer's twice; the host closes the first connection first.
fn meets_what_is_left(peer: &Peer, listener: &TcpListener, to: SocketAddr) -> bool {
    let theirs = peer.connect_from(5_000, to).unwrap();
    drop(accepted(listener));
    drop(theirs);
    peer.connect_from(5_000, to).is_ok()
}

#[test]
fn what_is_left_of_a_connection_is_not_in_the_way_of_the_next() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), closed(following(Follow::All)));
        for to in [here(80), here_v6(80)] {
            let listener = TcpListener::bind(to).unwrap();
            assert!(meets_what_is_left(&peer, &listener, to), "{to}");
        }
        let _ = table.apply_frame(&spec(following(Follow::Approved))).unwrap();
        let listener = TcpListener::bind(here(81)).unwrap();
        apply(&mut table, &[install_for_ever("follow 10.9.0.1 tcp/81")]);
        assert!(meets_what_is_left(&peer, &listener, here(81)));
        apply(&mut table, &[Change::Remove(element("follow 10.9.0.1 tcp/81"))]);
        assert!(peer.meets_silence(here(81)), "not approved any more");
    });
}

#[test]
fn a_grace_outlives_the_listener() {
    alone(|| {
        let grace = Duration::from_secs(10);
        let ports = PortPolicy { grace, ..following(Follow::All) };
        let (peer, mut table) = (Peer::joined(), closed(ports));
        apply(&mut table, &[install("grace 0.0.0.0/0 tcp/80", Duration::from_secs(2))]);
        apply(&mut table, &[install("grace 10.9.0.1 tcp/81", Duration::from_secs(2))]);
        assert!(matches!(peer.connect(here(80)), Attempt::Refused));
        assert!(matches!(peer.connect(here(81)), Attempt::Refused));
        eventually("the end of the grace", || peer.meets_silence(here(80)).then_some(()));
        assert!(peer.meets_silence(here(81)));
    });
}

#[test]
fn established_connections_survive_closing() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&plain()));
        let listener = TcpListener::bind(here(80)).unwrap();
        let mut theirs = connected(peer.connect(here(80)));
        let mut ours = accepted(&listener);
        let shut = ["shut 0.0.0.0/0 tcp/80", CLOSED[0], CLOSED[1]];
        apply(&mut table, &shut.map(install_for_ever));
        assert!(peer.meets_silence(here(80)));
        for stream in [&theirs, &ours] {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        theirs.write_all(b"a").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        ours.write_all(b"b").unwrap();
        theirs.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn a_forgotten_session_of_a_protected_source_goes_on() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&plain()));
        let listener = TcpListener::bind(here(80)).unwrap();
        let mut theirs = connected(peer.connect(here(80)));
        let mut ours = accepted(&listener);
        ours.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        apply(&mut table, &CLOSED.map(install_for_ever));
        let mut goes_on = || {
            run("conntrack", &["-F"]);
            theirs.write_all(b"a").unwrap();
            ours.read_exact(&mut [0]).is_ok()
        };
        apply(&mut table, &[install_for_ever("protect 10.9.0.2")]);
        assert!(goes_on());
        apply(&mut table, &[Change::Remove(element("protect 10.9.0.2"))]);
        assert!(!goes_on(), "nobody knows the stranger's packet");
    });
}

#[test]
fn an_allowed_source_passes_a_closed_posture() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), closed(following(Follow::None)));
        apply(&mut table, &[install_for_ever("allow 10.9.0.2")]);
        assert!(matches!(peer.connect(here(80)), Attempt::Refused));
        assert!(peer.is_answered("10.9.0.1"));
        assert!(peer.meets_silence(here_v6(80)));
    });
}

#[test]
fn bans_and_throttles_come_before_open_ports() {
    alone(|| {
        let always = vec!["tcp/80".parse().unwrap()];
        let peer = Peer::joined();
        let mut table = closed(PortPolicy { always, ..following(Follow::None) });
        apply(&mut table, &[install("ban 10.9.0.2", HOUR), install("grant 10.9.0.2 tcp/80", HOUR)]);
        assert!(peer.meets_silence(here(80)));
        apply(&mut table, &[Change::Remove(element("ban 10.9.0.2"))]);
        apply(&mut table, &[install("throttle-hard 10.9.0.2", HOUR)]);
        let answered = (0..12).filter(|_| answers(&peer, here(80))).count();
        assert!((1..=6).contains(&answered), "{answered} of 12 attempts were answered");
    });
}
