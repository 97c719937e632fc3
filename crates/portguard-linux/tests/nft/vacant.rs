//! What becomes of packets for ports where nothing listens, in an open posture.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use portguard_core::{Follow, PortPolicy, Rate, RateUnit, Service};
use portguard_linux::nft::{FrameSpec, Verdict};

use crate::{
    namespace::{alone, nft, run},
    peer::Peer,
    setting::{HOUR, apply, install, install_for_ever, plain, table},
    traffic::{accepted, connected, here, here_v6},
};

/// Three vacant ports a day, and a service.
fn spec() -> FrameSpec {
    let service = Service { ports: vec!["tcp/443".parse().unwrap()], rate: None };
    let ports = PortPolicy {
        vacant: Some(Rate { count: 3, per: RateUnit::Day }),
        services: [("https".into(), service)].into(),
        follow: Follow::None,
        ..PortPolicy::default()
    };
    FrameSpec { ports: Arc::new(ports), ..plain() }
}

/// Returns which of the ports answer, with a connection or a refusal.
fn answering(peer: &Peer, ports: &[u16], at: fn(u16) -> SocketAddr) -> Vec<u16> {
    ports.iter().copied().filter(|port| !peer.meets_silence(at(*port))).collect()
}

/// Returns whether a datagram of the peer is refused.
fn is_refused(peer: &Peer, to: SocketAddr) -> bool {
    peer.visit(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.connect(to).unwrap();
        socket.send(b"x").unwrap();
        let answer = socket.recv(&mut [0; 8]).unwrap_err();
        answer.kind() == std::io::ErrorKind::ConnectionRefused
    })
}

#[test]
fn a_source_is_answered_at_so_many_vacant_ports_and_all_that_listen() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&spec()));
        assert_eq!(answering(&peer, &[81, 82, 81, 83, 84, 85], here), [81, 82, 81, 83]);
        assert_eq!(answering(&peer, &[81, 84, 82, 83, 443], here), [81, 82, 83, 443]);
        assert_eq!(
            answering(&peer, &[81, 82, 83, 84], here_v6),
            [81, 82, 83],
            "a source of its own"
        );
        let listeners = [here(84), here_v6(84)].map(|to| TcpListener::bind(to).unwrap());
        for (listener, to) in listeners.iter().zip([here(84), here_v6(84)]) {
            drop((connected(peer.connect(to)), accepted(listener)));
        }
        peer.visit(|| {
            run("ip", &["addr", "add", "fd09::3/64", "dev", "far", "nodad"]);
            run("ip", &["addr", "del", "fd09::2/64", "dev", "far"])
        });
        assert!(answering(&peer, &[90], here_v6).is_empty(), "the same network");
        apply(&mut table, &[install("protect 10.9.0.2", HOUR), install("allow fd09::3", HOUR)]);
        assert_eq!(answering(&peer, &[90, 91, 92, 93], here), [90, 91, 92, 93]);
        assert_eq!(answering(&peer, &[90, 91, 92, 93], here_v6), [90, 91, 92, 93]);
    });
}

#[test]
fn datagrams_to_vacant_ports_count_and_those_to_sockets_do_not() {
    alone(|| {
        let (peer, _table) = (Peer::joined(), table(&spec()));
        let socket = UdpSocket::bind(here(86)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let refused: Vec<bool> = (81..86).map(|port| is_refused(&peer, here(port))).collect();
        assert_eq!(refused, [true, true, true, false, false]);
        assert!(!is_refused(&peer, here(86)));
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 1);
        assert!(answering(&peer, &[81], here).is_empty(), "the protocols share the rate");
    });
}

#[test]
fn what_opens_a_vacant_port_comes_before_its_silence() {
    alone(|| {
        let (peer, mut table) = (Peer::joined(), table(&spec()));
        assert_eq!(answering(&peer, &[81, 82, 83, 84], here), [81, 82, 83]);
        apply(&mut table, &[install("grant 10.9.0.2 tcp/84", HOUR)]);
        assert_eq!(answering(&peer, &[84, 85], here), [84]);
        apply(&mut table, &["paused 0.0.0.0/0", "paused ::/0"].map(|one| install(one, HOUR)));
        assert_eq!(answering(&peer, &[85, 86], here), [85, 86]);
    });
}

#[test]
fn without_the_rate_every_vacant_port_answers() {
    alone(|| {
        let ports = PortPolicy { vacant: None, ..PortPolicy::default() };
        let (peer, mut table) =
            (Peer::joined(), table(&FrameSpec { ports: Arc::new(ports), ..plain() }));
        let all: Vec<u16> = (81..101).collect();
        assert_eq!(answering(&peer, &all, here), all);
        let _ = table.apply_frame(&spec()).unwrap();
        assert_eq!(answering(&peer, &all[..4], here), all[..3]);
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
        apply(&mut table, &[install_for_ever("closed 0.0.0.0/0")]);
        assert!(answering(&peer, &all[..1], here).is_empty(), "a closed posture answers nobody");
    });
}

#[test]
fn made_up_sources_without_end_silence_nobody() {
    alone(|| {
        let (peer, _table) = (Peer::joined(), table(&spec()));
        let made_up = |index: u32| std::net::Ipv4Addr::from(0xc600_0000 + index).to_string();
        let all: Vec<String> = (0..65_536).map(made_up).collect();
        for part in all.chunks(2_048) {
            nft(&format!("add element inet guard vacant4 {{ {} }}", part.join(", ")));
        }
        let many: Vec<u16> = (81..91).collect();
        assert_eq!(answering(&peer, &many, here), many, "the set is full");
        assert_eq!(answering(&peer, &many, here_v6), many[..3], "the other one is not");
    });
}
