//! Facts about the host: its addresses, its gateways, and that changes of them are heard.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use portguard_linux::host::{Watch, gateways, own_addresses};

use crate::namespace::{alone, run};

#[test]
fn every_own_address_is_found_and_no_other_end() {
    alone(|| {
        cable();
        ip("address add 192.0.2.1 peer 192.0.2.2 dev near");
        let expect = ["127.0.0.1", "::1", "10.9.0.1", "fd09::1", "192.0.2.1"];
        assert_eq!(without_link_local(own_addresses().unwrap()), addresses(&expect));
    });
}

#[test]
fn the_gateways_of_every_table_are_found() {
    alone(|| {
        cable();
        ip("route add default via 10.9.0.254");
        ip("route add 198.51.100.0/24 via 10.9.0.253 table 77");
        ip(
            "route add 203.0.113.0/24 nexthop via 10.9.0.252 dev near nexthop via 10.9.0.251 dev near",
        );
        ip("-6 route add default via fe80::fe dev near");
        ip(
            "-6 route add 2001:db8::/32 nexthop via fd09::fd dev near nexthop via fd09::fc dev near",
        );
        ip("route add 198.51.100.0/25 via inet6 fd09::fb dev near");
        let expect = [
            "10.9.0.254",
            "10.9.0.253",
            "10.9.0.252",
            "10.9.0.251",
            "fe80::fe",
            "fd09::fd",
            "fd09::fc",
            "fd09::fb",
        ];
        assert_eq!(gateways().unwrap(), addresses(&expect));
    });
}

#[test]
fn gateways_of_next_hop_objects_are_found() {
    alone(|| {
        cable();
        ip("nexthop add id 5 via 10.9.0.250 dev near");
        ip("route add default nhid 5");
        assert_eq!(gateways().unwrap(), addresses(&["10.9.0.250"]));
    });
}

#[test]
fn changes_are_heard_at_once_and_as_one() {
    alone(|| {
        cable();
        let watch = Watch::open().unwrap();
        assert!(!watch.wait(Duration::ZERO).unwrap());
        for change in [
            "address add 10.9.1.1/24 dev near",
            "route add default via 10.9.0.254",
            "route delete default via 10.9.0.254",
            "address delete 10.9.1.1/24 dev near",
        ] {
            ip(change);
            assert!(watch.wait(Duration::from_secs(10)).unwrap(), "{change}");
            assert!(!watch.wait(Duration::ZERO).unwrap(), "{change}");
        }
    });
}

/// Adds an interface that is up, with one address of each family.
fn cable() {
    ip("link add near type veth peer name far");
    for interface in ["near", "far"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/accept_dad"), "0").unwrap();
        ip(&format!("link set {interface} up"));
    }
    ip("address add 10.9.0.1/24 dev near");
    ip("address add fd09::1/64 dev near nodad");
}

fn ip(command: &str) {
    run("ip", &command.split(' ').collect::<Vec<_>>());
}

fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn without_link_local(mut found: BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    found.retain(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    found
}
