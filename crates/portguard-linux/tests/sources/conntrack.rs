//! Connections as the kernel tracks them.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
};

use portguard_linux::conntrack::{self, Flow};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::namespace::{alone, nft, run};

/// More than there are in any of these tests.
const ALL: usize = 10_000;

/// Has the kernel track connections here; it does so where a rule asks for it.
fn track() {
    run("ip", &["address", "add", "192.0.2.1/32", "dev", "lo"]);
    run("ip", &["address", "add", "2001:db8::1/128", "dev", "lo", "nodad"]);
    nft("add table inet t");
    nft("add chain inet t c { type filter hook input priority 0; }");
    nft("add rule inet t c ct state established accept");
}

fn set(parameter: &str) {
    run("sysctl", &["-q", "-w", &format!("net.netfilter.nf_conntrack_{parameter}=1")]);
}

fn flows(most: usize) -> (Vec<Flow>, usize) {
    let mut found = Vec::new();
    let told = conntrack::read(most, |flow| found.push(flow)).unwrap();
    (found, told)
}

#[test]
fn a_flow_is_told_with_what_is_kept_of_it() {
    alone(|| {
        track();
        set("acct");
        set("timestamp");
        let asker = UdpSocket::bind("192.0.2.1:0").unwrap();
        let to: SocketAddr = "192.0.2.1:5353".parse().unwrap();
        let _listener = UdpSocket::bind(to).unwrap();
        asker.send_to(b"hello", to).unwrap();
        let (found, _) = flows(ALL);
        let [flow] = found[..] else { panic!("{found:?}") };
        assert_eq!((flow.protocol, flow.question.destination, flow.state), (17, to, "unreplied"));
        assert_eq!(flow.question.source, asker.local_addr().unwrap());
        // An IPv4 and a UDP header before five bytes.
        assert_eq!(flow.bytes, Some((20 + 8 + 5, 0)));
        assert!(flow.begun.is_some());
        let settings = conntrack::settings();
        assert!(settings.counts_bytes && settings.keeps_times && settings.most > 1);
        assert_eq!(settings.tracked, 1);
    });
}

#[test]
fn both_families_are_told_and_nothing_that_is_not_kept() {
    alone(|| {
        track();
        for at in ["192.0.2.1:80", "[2001:db8::1]:80"] {
            let at: SocketAddr = at.parse().unwrap();
            let _listener = TcpListener::bind(at).unwrap();
            let stream = TcpStream::connect(at).unwrap();
            let (found, _) = flows(ALL);
            let flow = found.iter().find(|flow| flow.question.destination == at).unwrap();
            assert_eq!((flow.protocol, flow.state), (6, "established"));
            assert_eq!(flow.question.source, stream.local_addr().unwrap());
            assert_eq!((flow.bytes, flow.begun, flow.is_over), (None, None, false));
        }
    });
}

#[test]
fn no_more_are_read_than_asked_for() {
    alone(|| {
        track();
        let asker = UdpSocket::bind("192.0.2.1:0").unwrap();
        (1..=3_000).for_each(|port| {
            // Nobody listens there, which the kernel says at the next call.
            let _ = asker.send_to(b"x", ("192.0.2.1", port));
        });
        let (found, told) = flows(1_000);
        assert_eq!((found.len(), told), (1_000, 1_000));
        assert_eq!(flows(ALL).1 as u64, conntrack::settings().tracked);
    });
}

#[test]
fn nothing_is_told_without_privilege() {
    alone(|| {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, sets).unwrap();
        let refused = conntrack::read(ALL, |_| ()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    });
}
