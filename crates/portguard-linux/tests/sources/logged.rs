//! Packets that rules log: what is read of them, and what is counted when too many come.

use std::{
    net::{IpAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use portguard_linux::nflog::{LoggedPacket, Reader, VolumeReader};

use crate::namespace::{alone, nft};

const GROUP: u16 = 7;
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_logged_syn_is_read_with_its_rule() {
    alone(|| {
        log_to_port_23();
        let mut reader = Reader::open(GROUP).unwrap();
        for own in ["127.0.0.1", "::1"] {
            let own: IpAddr = own.parse().unwrap();
            TcpStream::connect((own, 23)).unwrap_err();
            let logged = next(&mut reader);
            assert_eq!(logged.prefix, "a rule: ");
            assert_eq!(logged.interface, Some(1));
            assert_eq!((logged.packet.source, logged.packet.destination), (own, own));
            assert_eq!((logged.packet.protocol, logged.packet.tcp_flags), (6, Some(0x02)));
            assert_eq!(logged.packet.ports.unwrap().1, 23);
        }
        assert_eq!((reader.lost(), reader.unreadable()), (0, 0));
    });
}

#[test]
fn a_group_has_one_reader() {
    alone(|| {
        let _first = Reader::open(GROUP).unwrap();
        let error = Reader::open(GROUP).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
    });
}

#[test]
fn nothing_logged_is_nothing_received() {
    alone(|| {
        let mut reader = Reader::open(GROUP).unwrap();
        assert_eq!(reader.receive(Duration::ZERO).unwrap(), []);
        assert_eq!(reader.receive(Duration::from_millis(1)).unwrap(), []);
    });
}

#[test]
fn every_packet_is_received_or_counted_as_lost() {
    alone(|| {
        log_to_port_23();
        let mut reader = Reader::open(GROUP).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sent = 0;
        let mut log = |count: u64| {
            for _ in 0..count {
                sender.send_to(&[0; 64], "127.0.0.1:23").unwrap();
            }
            sent += count;
            sent
        };
        // More than the buffer holds; a packet that comes later shows the gap.
        let mut sent_so_far = log(60_000);
        let mut received = 0;
        let deadline = Instant::now() + PATIENCE;
        while received + reader.lost() < sent_so_far {
            let packets = reader.receive(Duration::from_millis(20)).unwrap().len();
            received += u64::try_from(packets).unwrap();
            if packets == 0 {
                sent_so_far = log(1);
            }
            assert!(Instant::now() < deadline, "{received} received, {} lost", reader.lost());
        }
        assert!(reader.lost() > 0);
        assert_eq!(received + reader.lost(), sent_so_far);
        println!("{received} received, {} lost", reader.lost());
    });
}

fn log_to_port_23() {
    nft("add table inet logs");
    nft("add chain inet logs input { type filter hook input priority 0; }");
    for protocol in ["tcp", "udp"] {
        nft(&format!(
            "add rule inet logs input {protocol} dport 23 log prefix \"a rule: \" group {GROUP}"
        ));
    }
    nft("add rule inet logs input tcp dport 23 reject with tcp reset");
}

fn next(reader: &mut Reader) -> LoggedPacket {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(logged) = reader.receive(Duration::from_millis(100)).unwrap().pop() {
            return logged;
        }
        assert!(Instant::now() < deadline, "nothing was logged");
    }
}

#[test]
fn packets_in_volume_are_read_with_their_group_rule_and_link() {
    alone(|| {
        nft("add table inet logs");
        nft("add chain inet logs input { type filter hook input priority 0; }");
        for (port, group) in [(23, 71), (24, 72)] {
            nft(&format!(
                "add rule inet logs input udp dport {port} log prefix \"ban ban4\" group {group} \
                 snaplen 128 queue-threshold 64"
            ));
        }
        let mut reader = VolumeReader::open(&[71, 72]).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:4000").unwrap();
        for port in [23, 24, 23] {
            sender.send_to(b"x", ("127.0.0.1", port)).unwrap();
        }
        let mut found = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while found.len() < 3 && Instant::now() < deadline {
            reader
                .receive(Duration::from_millis(100), |logged| {
                    assert_eq!((logged.prefix, logged.in_interface), ("ban ban4", 1));
                    assert_eq!(logged.link_header.len(), 14, "an Ethernet header");
                    assert_eq!(logged.payload[0] >> 4, 4, "an IPv4 packet");
                    found.push(logged.group);
                })
                .unwrap();
        }
        found.sort_unstable();
        assert_eq!(found, [71, 71, 72]);
        assert_eq!(reader.lost(), 0);
    });
}

#[test]
fn packets_in_volume_are_received_or_counted_as_lost() {
    alone(|| {
        log_to_port_23();
        let mut reader = VolumeReader::open(&[GROUP]).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sent = 0;
        let mut log = |count: u64| {
            for _ in 0..count {
                sender.send_to(&[0; 64], "127.0.0.1:23").unwrap();
            }
            sent += count;
            sent
        };
        let mut sent_so_far = log(300_000);
        let mut received = 0;
        let deadline = Instant::now() + PATIENCE;
        while received + reader.lost() < sent_so_far {
            let packets = reader.receive(Duration::from_millis(300), |_| {}).unwrap();
            received += u64::try_from(packets).unwrap();
            if packets == 0 {
                sent_so_far = log(64);
            }
            assert!(Instant::now() < deadline, "{received} received, {} lost", reader.lost());
        }
        assert!(reader.lost() > 0);
        assert_eq!(received + reader.lost(), sent_so_far);
    });
}
