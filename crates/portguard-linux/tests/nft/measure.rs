//! Rates of services, and what is told of verdicts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use portguard_core::{Follow, PortPolicy, Rate, RateUnit, Service};
use portguard_linux::{
    nflog::VolumeReader,
    nft::{FrameSpec, Log},
};

use crate::{
    namespace::{alone, run},
    peer::Peer,
    setting::{HOUR, apply, install, install_for_ever, plain, table},
    traffic::{connected, here, here_v6},
};

const BLOCKED: u16 = 81;
const ALLOWED: u16 = 82;
const CLOSED: [&str; 2] = ["closed 0.0.0.0/0", "closed ::/0"];

fn rated() -> PortPolicy {
    let ports = vec!["tcp/80-90".parse().unwrap()];
    let rate = Some(Rate { count: 10, per: RateUnit::Hour });
    let web = Service { ports: ports.clone(), rate };
    PortPolicy { always: ports, services: [("my web".into(), web)].into(), ..PortPolicy::default() }
}

fn telling(ports: PortPolicy, per_second: u32) -> FrameSpec {
    let limit = Rate { count: per_second, per: RateUnit::Second };
    let log = Log { blocked: Some(BLOCKED), allowed: Some(ALLOWED), limit };
    FrameSpec { ports: Arc::new(ports), log, ..plain() }
}

fn answered(peer: &Peer, to: SocketAddr, attempts: usize) -> usize {
    (0..attempts).filter(|_| !peer.meets_silence(to)).count()
}

#[test]
fn a_service_has_a_rate_for_each_source() {
    alone(|| {
        let peer = Peer::joined();
        let mut table = table(&FrameSpec { ports: Arc::new(rated()), ..plain() });
        apply(&mut table, &CLOSED.map(install_for_ever));
        assert_eq!(answered(&peer, here(80), 12), 10);
        assert_eq!(answered(&peer, here(81), 1), 0, "the rate is the service's");
        assert_eq!(answered(&peer, here_v6(80), 12), 10, "another source");
        peer.visit(|| {
            run("ip", &["addr", "del", "10.9.0.2/24", "dev", "far"]);
            run("ip", &["addr", "add", "10.9.0.3/24", "dev", "far"])
        });
        assert_eq!(answered(&peer, here(80), 1), 1, "another source");
        apply(&mut table, &[install("grant 10.9.0.3 tcp/80", HOUR)]);
        assert_eq!(answered(&peer, here(80), 12), 12, "a grant is not counted");
        apply(&mut table, &[install_for_ever("protect fd09::2")]);
        assert_eq!(answered(&peer, here_v6(80), 3), 3, "a protected source is not counted");
    });
}

/// Receives until each of the reasons has come, and returns how often each did in its group.
fn told(reader: &mut VolumeReader, wanted: &[(u16, &str)]) -> BTreeMap<(u16, String), usize> {
    let mut found: BTreeMap<(u16, String), usize> = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    let all: BTreeSet<(u16, String)> =
        wanted.iter().map(|(group, reason)| (*group, (*reason).to_owned())).collect();
    while !all.iter().all(|key| found.contains_key(key)) {
        assert!(Instant::now() < deadline, "wanted {all:?}, came {found:?}");
        reader
            .receive(Duration::from_millis(200), |logged| {
                *found.entry((logged.group, logged.prefix.to_owned())).or_default() += 1;
            })
            .unwrap();
    }
    found
}

#[test]
fn verdicts_are_told_with_rule_and_set() {
    alone(|| {
        let peer = Peer::joined();
        let mut reader = VolumeReader::open(&[BLOCKED, ALLOWED]).unwrap();
        let never = vec!["tcp/3306".parse().unwrap()];
        let ports = PortPolicy { never, ..rated() };
        let mut table = table(&telling(ports, 2_000));
        apply(
            &mut table,
            &["grant 10.9.0.2 tcp/8080", "grant ::/0 tcp/8081", "shut 0.0.0.0/0 tcp/25"]
                .map(|words| install(words, HOUR)),
        );
        // An open posture first: whoever is not turned away is told of as well.
        assert_eq!(answered(&peer, here(9), 1), 1);
        apply(&mut table, &CLOSED.map(install_for_ever));
        for to in [here(3306), here(8080), here_v6(8081), here(25), here(9)] {
            let _ = answered(&peer, to, 1);
        }
        let _ = answered(&peer, here(80), 11);
        apply(&mut table, &[install("ban 10.9.0.2", HOUR)]);
        let _ = answered(&peer, here(80), 1);
        apply(&mut table, &[install("allow fd09::2", HOUR)]);
        let _ = answered(&peer, here_v6(9), 1);
        told(
            &mut reader,
            &[
                (ALLOWED, "open"),
                (BLOCKED, "never"),
                (ALLOWED, "grant grant4"),
                (ALLOWED, "grant grant6_0"),
                (BLOCKED, "shut shut4_0"),
                (BLOCKED, "closed"),
                (ALLOWED, "always"),
                (BLOCKED, "rate my web"),
                (BLOCKED, "ban ban4"),
                (ALLOWED, "allow allow6"),
            ],
        );
    });
}

#[test]
fn followed_connections_are_told_once_each() {
    alone(|| {
        let peer = Peer::joined();
        let mut reader = VolumeReader::open(&[BLOCKED, ALLOWED]).unwrap();
        let ports = PortPolicy { follow: Follow::All, ..PortPolicy::default() };
        let mut table = table(&telling(ports, 2_000));
        apply(&mut table, &CLOSED.map(install_for_ever));
        let _listener = TcpListener::bind(here(80)).unwrap();
        drop(connected(peer.connect(here(80))));
        let found = told(&mut reader, &[(ALLOWED, "follow")]);
        assert_eq!(found[&(ALLOWED, "follow".to_owned())], 1, "only the first packet is new");
    });
}

#[test]
fn what_is_over_the_limit_is_counted() {
    alone(|| {
        let peer = Peer::joined();
        let mut reader = VolumeReader::open(&[BLOCKED, ALLOWED]).unwrap();
        let mut table = table(&telling(PortPolicy::default(), 5));
        apply(&mut table, &CLOSED.map(install_for_ever));
        peer.visit(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            for _ in 0..100 {
                socket.send_to(b"x", here(9)).unwrap();
            }
        });
        let found = told(&mut reader, &[(BLOCKED, "closed")]);
        let totals = table.counters().unwrap();
        assert_eq!(totals.blocked.packets, 100);
        let logged = totals.logged_blocked.packets;
        assert!((5..20).contains(&logged), "{logged} of 100 were told of");
        assert!(found[&(BLOCKED, "closed".to_owned())] as u64 <= logged);

        // A changed limit counts from the next frame on.
        let _ = table.apply_frame(&telling(PortPolicy::default(), 100_000)).unwrap();
        peer.visit(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            for _ in 0..100 {
                socket.send_to(b"x", here(9)).unwrap();
            }
        });
        let after = table.counters().unwrap();
        assert_eq!(after.logged_blocked.packets - logged, 100);
    });
}
