//! Who is behind an address of this machine that is in another network namespace: containers.
//!
//! Read from `/proc` without entering a namespace. Asked only when somebody wants to see it. Namespaces
//! that share no link with ours are passed by: they may have the same addresses.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use netlink_packet_route::{
    RouteNetlinkMessage,
    nsid::{NsidAttribute, NsidMessage},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use portguard_core::Owner;

use crate::{holder::processes, listener::process, netlink};

/// Most namespaces that are looked into; those of the oldest processes.
const MOST: usize = 1_024;

/// Returns for each of these addresses that one network namespace beside ours has, and no second one,
/// the first process there.
pub fn inhabitants(wanted: &BTreeSet<IpAddr>) -> BTreeMap<IpAddr, Owner> {
    let mut found: BTreeMap<IpAddr, Option<u32>> = BTreeMap::new();
    for pid in first_processes() {
        let addresses: BTreeSet<IpAddr> = addresses(pid).intersection(wanted).copied().collect();
        if addresses.is_empty() || !is_beside(pid) {
            continue;
        }
        for address in addresses {
            match found.entry(address) {
                Entry::Vacant(vacant) => drop(vacant.insert(Some(pid))),
                Entry::Occupied(mut taken) => drop(taken.insert(None)),
            }
        }
    }
    found.into_iter().filter_map(|(address, pid)| Some((address, process(pid?)?))).collect()
}

/// Returns the process with the lowest id of each other network namespace.
fn first_processes() -> Vec<u32> {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let mut seen: BTreeSet<PathBuf> = namespace("thread-self").into_iter().collect();
    let mut pids: Vec<u32> = processes().collect();
    pids.sort_unstable();
    pids.retain(|pid| namespace(&pid.to_string()).is_some_and(|name| seen.insert(name)));
    pids.truncate(MOST);
    pids
}

/// Returns whether ours has a link into the network namespace of a process: the kernel gives a number
/// to each that the other end of a link is in.
fn is_beside(pid: u32) -> bool {
    let mut question = NsidMessage::default();
    question.attributes.push(NsidAttribute::Pid(pid));
    match netlink::ask(NETLINK_ROUTE, &RouteNetlinkMessage::GetNsId(question)) {
        Ok(RouteNetlinkMessage::NewNsId(answer)) => answer
            .attributes
            .iter()
            .any(|attribute| matches!(attribute, NsidAttribute::Id(number) if *number >= 0)),
        _ => false,
    }
}

/// Returns the addresses of the network namespace that a process is in.
fn addresses(pid: u32) -> BTreeSet<IpAddr> {
    let text =
        |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let v4 = in_trie(&text("fib_trie")).into_iter().map(IpAddr::V4);
    v4.chain(in_list(&text("if_inet6")).map(IpAddr::V6)).collect()
}

/// Returns the addresses that a text like `/proc/net/fib_trie` calls local: each stands on the line
/// of its leaf, above the lines of its routes.
fn in_trie(text: &str) -> Vec<Ipv4Addr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        match line.strip_prefix("|-- ") {
            Some(address) => leaf = address.parse().ok(),
            None if line == "/32 host LOCAL" => found.extend(leaf),
            None => {}
        }
    }
    found
}

/// Returns the addresses of a text like `/proc/net/if_inet6`, each as 32 digits.
fn in_list(text: &str) -> impl Iterator<Item = Ipv6Addr> {
    let address = |line: &str| {
        let digits = line.split(' ').next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
    };
    text.lines().filter_map(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_told_from_networks_and_broadcasts() {
        let text = "Local:\n  +-- 0.0.0.0/0 2 0 2\n     +-- 172.17.0.0/16 2 0 2\n        |-- 172.17.0.0\n\
                    \x20          /16 link UNICAST\n        |-- 172.17.0.2\n           /32 host LOCAL\n\
                    \x20       |-- 172.17.255.255\n           /32 link BROADCAST\n";
        assert_eq!(in_trie(text), [Ipv4Addr::new(172, 17, 0, 2)]);
    }

    #[test]
    fn ipv6_addresses_are_read() {
        let text = "fd780000000000000000000000000002 02 40 00 80    cable\n\
                    00000000000000000000000000000001 01 80 10 80       lo\nnonsense 1\n";
        let found: Vec<String> = in_list(text).map(|address| address.to_string()).collect();
        assert_eq!(found, ["fd78::2", "::1"]);
    }
}
