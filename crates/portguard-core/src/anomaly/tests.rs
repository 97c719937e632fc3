//! Scripts of packets that must be found, and of packets that must not.

use std::net::Ipv4Addr;

use super::*;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;

/// A play of packets, and what was found.
struct Play {
    anomalies: Anomalies,
    /// In milliseconds.
    now: u64,
    outcome: Outcome,
    found: Vec<Suspicion>,
}

impl Play {
    fn new() -> Self {
        Self::by(Limits::default())
    }

    fn by(limits: Limits) -> Self {
        let (anomalies, now) = (Anomalies::new(limits, 7), 1_795_176_000_000);
        Self { anomalies, now, outcome: Outcome::Unknown, found: Vec::new() }
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis;
        self
    }

    fn send(&mut self, from: &str, to: &str, protocol: u8, content: Content) {
        let address = |text: &str| text.parse().unwrap();
        let packet = Packet {
            at: Timestamp::from_millis(self.now),
            source: address(from),
            destination: address(to),
            protocol,
            content,
            outcome: self.outcome,
        };
        self.found.extend(self.anomalies.see(&packet));
    }

    fn tcp(&mut self, from: (&str, u16), to: (&str, u16), flags: u8) -> &mut Self {
        self.numbered(from, to, flags, (1, 1))
    }

    fn numbered(
        &mut self,
        from: (&str, u16),
        to: (&str, u16),
        flags: u8,
        (sequence, acknowledgement): (u32, u32),
    ) -> &mut Self {
        let (source, destination) = (from.1, to.1);
        let content = Content::Tcp { source, destination, flags, sequence, acknowledgement };
        self.send(from.0, to.0, 6, content);
        self
    }

    fn udp(&mut self, from: (&str, u16), to: (&str, u16)) -> &mut Self {
        let content = Content::Udp { source: from.1, destination: to.1 };
        self.send(from.0, to.0, 17, content);
        self
    }

    fn ping(&mut self, from: &str, to: &str) -> &mut Self {
        self.send(from, to, 1, Content::Icmp { kind: 8 });
        self
    }

    /// A whole connection, in order.
    fn visit(&mut self, from: (&str, u16), to: (&str, u16)) -> &mut Self {
        self.numbered(from, to, SYN, (10, 0)).numbered(to, from, SYN | ACK, (70, 11));
        self.numbered(from, to, ACK, (11, 71)).numbered(from, to, PUSH, (11, 71));
        self.numbered(to, from, PUSH, (71, 20)).numbered(from, to, ACK | 1, (20, 90));
        self.numbered(to, from, ACK | 1, (90, 21))
    }

    /// Returns who was found by what, once all had time to answer.
    fn found(&mut self) -> Vec<(String, Detector)> {
        let later = Timestamp::from_millis(self.now + 100_000);
        self.found.extend(self.anomalies.settle(later));
        let mut all: Vec<_> = self.found.iter().map(|one| (subject(one), one.detector)).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Whom it is about; `-` if that can not be told.
fn subject(one: &Suspicion) -> String {
    one.subject.map_or_else(|| "-".to_owned(), |subject| subject.to_string())
}

const HOST: &str = "192.0.2.1";
const BAD: &str = "203.0.113.7";

fn bad(detector: Detector) -> Vec<(String, Detector)> {
    vec![(BAD.to_owned(), detector)]
}

#[test]
fn ten_ports_in_vain_are_a_scan_and_nine_are_none() {
    for (ports, expected) in [(10, bad(Detector::PortScan)), (6, Vec::new())] {
        let mut play = Play::new();
        for port in 1..=ports {
            play.wait(100).tcp((BAD, 40_000), (HOST, port), SYN);
        }
        assert_eq!(play.found(), expected);
    }
}

#[test]
fn what_was_turned_away_is_found_at_once() {
    let mut play = Play::new();
    play.outcome = Outcome::Refused;
    for port in 1..=10 {
        play.tcp((BAD, 40_000), (HOST, port), SYN);
    }
    let first = &play.found[0];
    assert_eq!((first.detector, first.severity), (Detector::PortScan, Severity::High));
    assert_eq!(first.grade(), Grade::Forgeable);
    let evidence = first.evidence.to_string();
    assert!(evidence.contains("ports=10 hosts=1 tried=tcp/1 tcp/2"), "{evidence}");
}

#[test]
fn a_victim_that_refuses_and_answers_is_no_scanner() {
    let mut play = Play::new();
    for port in 1..=1_000 {
        play.tcp((BAD, 40_000), (HOST, port), SYN);
        play.wait(5).tcp((HOST, port), (BAD, 40_000), 0x14);
    }
    assert!(play.found().iter().all(|(who, _)| who == BAD));
}

#[test]
fn answers_that_nobody_asked_for_are_no_scan() {
    let mut play = Play::new();
    for number in 0..2_000_u32 {
        let to = Ipv4Addr::from_bits(0xc000_0200 + number % 500).to_string();
        let port = 1_024 + u16::try_from(number).unwrap();
        play.wait(7).tcp((BAD, 80), (&to, port), SYN | ACK);
        play.tcp((BAD, 80), (&to, port), 0x14).udp((BAD, 53), (&to, port));
    }
    assert_eq!(play.found(), []);
}

#[test]
fn connections_in_order_are_no_scan_whatever_their_ports() {
    let mut play = Play::new();
    for port in 1..=40 {
        play.wait(900).visit((BAD, 40_000 + port), (HOST, port));
    }
    let found = play.found();
    assert!(!found.iter().any(|(_, one)| *one == Detector::PortScan), "{found:?}");
}

#[test]
fn open_ports_of_many_hosts_are_swept_if_nothing_is_said_to_them() {
    let mut play = Play::new();
    for number in 1..=10 {
        let host = format!("192.0.2.{number}");
        play.wait(10).tcp((BAD, 40_000), (&host, 22), SYN).tcp((&host, 22), (BAD, 40_000), 0x12);
        play.tcp((BAD, 40_000), (&host, 22), 0x04);
    }
    assert_eq!(play.found(), bad(Detector::Sweep));
    let mut play = Play::new();
    for number in 1..=10 {
        play.ping(BAD, &format!("192.0.2.{number}"));
    }
    assert_eq!(play.found(), bad(Detector::Sweep));
}

#[test]
fn a_scan_over_a_day_is_found() {
    let mut play = Play::new();
    for port in 1..=20 {
        play.wait(3_600_000).tcp((BAD, 40_000), (HOST, port), SYN);
    }
    let found: Vec<_> = play.found().into_iter().map(|(_, one)| one).collect();
    assert_eq!(found, [Detector::SlowScan, Detector::InVain]);
}

#[test]
fn flags_that_no_connection_has_are_found() {
    for flags in [0, 0x01, 0x29, 0x03] {
        let mut play = Play::new();
        for port in 1..=3 {
            play.tcp((BAD, 40_000), (HOST, port), flags);
        }
        assert_eq!(play.found(), bad(Detector::StealthScan), "{flags}");
    }
    for flags in [ACK, ACK | 1] {
        let mut play = Play::new();
        for port in 1..=10 {
            play.tcp((BAD, 40_000), (HOST, port), flags).wait(10);
            play.tcp((HOST, port), (BAD, 40_000), 0x04);
        }
        assert_eq!(play.found(), bad(Detector::PortScan), "{flags}");
    }
}

#[test]
fn connections_that_began_before_are_no_scan() {
    let mut play = Play::new();
    for port in 1..=30 {
        play.wait(30).tcp((HOST, 443), (BAD, 50_000 + port), PUSH);
        play.wait(30).tcp((BAD, 50_000 + port), (HOST, 443), ACK);
    }
    assert_eq!(play.found(), []);
}

#[test]
fn floods_are_found_even_if_they_stay_just_below_the_limit() {
    let mut play = Play::new();
    for _ in 0..2_700 {
        play.wait(1).udp((BAD, 40_000), (HOST, 27_015));
        play.now += u64::from(play.now.is_multiple_of(4));
    }
    assert_eq!(play.found(), bad(Detector::UdpFlood));
    let mut play = Play::new();
    for number in 0..300 {
        play.wait(1).tcp((BAD, 1_024 + number), (HOST, 80), SYN);
    }
    let found: Vec<_> = play.found().into_iter().map(|(_, one)| one).collect();
    assert_eq!(found, [Detector::ConnectionRate, Detector::SynFlood]);
    let mut play = Play::new();
    for _ in 0..200 {
        play.wait(100).ping(BAD, HOST);
        play.send(HOST, BAD, 1, Content::Icmp { kind: 0 });
    }
    assert_eq!(play.found(), bad(Detector::IcmpFlood));
}

#[test]
fn a_conversation_is_no_flood() {
    let mut play = Play::new();
    for _ in 0..4_000 {
        play.udp((BAD, 40_000), (HOST, 51_820)).udp((HOST, 51_820), (BAD, 40_000));
    }
    assert_eq!(play.found(), []);
}

#[test]
fn many_connections_in_order_are_told_of_mildly() {
    let mut play = Play::new();
    for number in 0..60 {
        play.wait(200).visit((BAD, 40_000 + number), (HOST, 80));
    }
    let found = play.found();
    assert_eq!(found, bad(Detector::ConnectionRate));
    assert_eq!(play.found[0].severity, Severity::Medium);
    assert!(play.found[0].is_proved);
}

#[test]
fn guessing_and_probing_are_found() {
    let mut play = Play::new();
    for number in 0..11 {
        play.wait(6_000).visit((BAD, 40_000 + number), (HOST, 22));
    }
    assert_eq!(play.found(), bad(Detector::Guessing));
    let mut play = Play::new();
    for number in 0..35_u16 {
        play.wait(30)
            .visit((BAD, 40_000 + number), (HOST, [25, 80, 443, 8080][usize::from(number % 4)]));
    }
    assert_eq!(play.found(), bad(Detector::Probing));
}

#[test]
fn sources_of_one_network_that_scan_together_are_found_as_one() {
    let mut play = Play::new();
    for number in 0..40_u16 {
        let source = format!("203.0.113.{}", 10 + number % 20);
        play.wait(2_000).tcp((&source, 40_000), (HOST, 1 + number), SYN);
    }
    assert_eq!(play.found(), [("203.0.113.0/24".to_owned(), Detector::DistributedScan)]);
}

#[test]
fn strangers_are_found() {
    let unauthorized = Unauthorized {
        ports: vec!["tcp/5432".parse().unwrap()],
        only: vec!["10.0.0.0/8".parse().unwrap()],
        severity: Severity::Critical,
    };
    let limits = Limits { unauthorized: vec![unauthorized], ..Limits::default() };
    let mut play = Play::by(limits);
    play.tcp(("10.1.1.1", 40_000), (HOST, 5432), SYN).tcp((BAD, 40_000), (HOST, 5432), SYN);
    play.send(BAD, HOST, 47, Content::Other);
    play.send(BAD, "224.0.0.18", 112, Content::Other);
    let found: Vec<_> = play.found().into_iter().map(|(who, one)| (who, one.key())).collect();
    let bad = BAD.to_owned();
    assert_eq!(found, [(bad.clone(), "unexpected_protocol"), (bad, "unauthorized")]);
}

#[test]
fn who_looks_for_its_like_among_many_alarms_nobody() {
    let mut play = Play::new();
    for number in 1..=60_u16 {
        let peer = format!("198.51.{number}.9");
        play.wait(300).udp((BAD, 6881), (&peer, 20_000 + 7 * number));
    }
    assert!(
        play.found().iter().all(|(_, one)| *one != Detector::Sweep && *one != Detector::PortScan)
    );
    assert!(play.found.iter().all(|one| one.severity < Severity::High), "{:?}", play.found);
}

#[test]
fn discovery_on_the_link_is_no_scan() {
    let mut play = Play::new();
    for number in 1..=60 {
        play.wait(50).udp((BAD, 40_000 + number), ("239.255.255.250", 1900));
        play.udp((BAD, 137), ("203.0.113.255", 137)).udp((BAD, 5353), ("224.0.0.251", 5353));
        play.udp((BAD, 1900), (HOST, 40_000 + number));
        play.udp((BAD, 50_000), (HOST, 33_434 + number));
    }
    assert_eq!(play.found(), []);
}

#[test]
fn a_scanner_is_found_among_any_number_of_forged_sources() {
    let mut play = Play::new();
    for number in 0..1_000_000_u32 {
        let forged = Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).to_string();
        play.tcp((&forged, 1_024), (HOST, 80), SYN);
        if number % 60_000 == 0 {
            let port = u16::try_from(number / 60_000).unwrap() + 1;
            play.tcp((BAD, 40_000), (HOST, port), SYN);
        }
    }
    let found = play.found();
    assert!(found.contains(&bad(Detector::PortScan)[0]), "{found:?}");
    // All others are told of as one, by what they do.
    assert!(found.contains(&("-".to_owned(), Detector::SynFlood)), "{found:?}");
    assert!(play.anomalies.sources.len() <= MOST_SOURCES);
    assert!(play.anomalies.networks.len() <= MOST_NETWORKS);
}

#[test]
fn times_that_go_backwards_confuse_nobody() {
    let mut play = Play::new();
    for port in 1..=10 {
        play.now -= 500;
        play.tcp((BAD, 40_000), (HOST, port), SYN);
    }
    play.now += 20_000;
    play.tcp((BAD, 40_000), (HOST, 11), SYN);
    assert_eq!(play.found(), bad(Detector::PortScan));
}
