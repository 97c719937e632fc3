//! Batches against the kernel, in a namespace of their own.

use std::{net::UdpSocket, time::Duration};

use portguard_core::Until;

use super::*;

#[path = "../../../tests/nft/namespace.rs"]
mod namespace;

use namespace::{alone, eventually, nft};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// What Debian 12's kernel (6.1) can do; any later kernel can be treated like it.
const OLD: Abilities = Abilities { destroys: false, updates: false };

#[test]
fn the_kernel_release_tells_what_it_can_do() {
    let check = |release, destroys, updates| {
        assert_eq!(Abilities::of(release), Abilities { destroys, updates }, "{release}");
    };
    check("6.1.0-25-amd64\n", false, false);
    check("6.8.0-45-generic", true, false);
    check("6.12.6", true, true);
    check("7.0-rc1", true, true);
    check("", false, false);
}

#[test]
fn an_old_kernel_replaces_what_it_cannot_update_and_keeps_the_counter() {
    alone(|| {
        let mut socket = with_set();
        apply(&mut socket, &[install("127.0.0.9", HOUR), install("192.0.2.8", HOUR)]);
        UdpSocket::bind("127.0.0.9:0").unwrap().send_to(b"x", "127.0.0.1:9").unwrap();

        apply(&mut socket, &[install("192.0.2.9", HOUR), install("127.0.0.9", 2 * HOUR)]);

        let found = find(&mut socket, "127.0.0.9").unwrap();
        assert_eq!(found.lifetime.timeout, Some(7_200_000));
        assert_eq!(found.matched().packets, 1);
        assert!(find(&mut socket, "192.0.2.9").is_some());
    });
}

#[test]
fn an_old_kernel_removes_what_is_there_and_takes_no_offence_at_what_is_not() {
    alone(|| {
        let mut socket = with_set();
        apply(
            &mut socket,
            &[install("192.0.2.7", HOUR), install("192.0.2.8", Duration::from_millis(50))],
        );
        eventually("the end of an element", || {
            find(&mut socket, "192.0.2.8").is_none().then_some(())
        });

        let gone =
            ["192.0.2.6", "192.0.2.7", "192.0.2.8"].map(|words| Change::Remove(element(words)));
        apply(&mut socket, &gone);
        apply(&mut socket, &gone[..1]);

        assert_eq!(find(&mut socket, "192.0.2.7"), None);
        apply(&mut socket, &[install("192.0.2.8", HOUR), install("192.0.2.8", 2 * HOUR)]);
        let found = find(&mut socket, "192.0.2.8").unwrap();
        assert_eq!(found.lifetime.timeout, Some(7_200_000));
    });
}

fn with_set() -> Socket {
    nft("table inet guard {
           set ban4 { type ipv4_addr; flags dynamic,timeout; size 100; counter; }
           chain early { type filter hook prerouting priority -310; ip saddr @ban4 drop; }
         }");
    Socket::open(0).unwrap()
}

fn apply(socket: &mut Socket, changes: &[Change]) {
    let outcome = Target { socket, table: "guard", abilities: OLD }.apply(changes, NOW).unwrap();
    assert_eq!(outcome.not_applied, []);
    assert_eq!(outcome.applied, changes.len());
}

fn find(socket: &mut Socket, address: &str) -> Option<Record> {
    let element = element(address);
    look_up(socket, "guard", ListSet::of(&element), ListSet::key(&element)).unwrap()
}

fn install(address: &str, stays: Duration) -> Change {
    Change::Install(element(address), Until::at(NOW.plus(stays)))
}

fn element(address: &str) -> Element {
    Element { list: portguard_core::List::Ban, subject: address.parse().unwrap(), port: None }
}
