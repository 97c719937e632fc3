//! Facts about this host that decide who is protected: its addresses, gateways, resolvers and the
//! peers of live authenticated sessions.

mod session;
mod utmp;

use std::{collections::BTreeSet, io, net::IpAddr, time::Duration};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteVia},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use portguard_core::Subject;

use crate::netlink;

pub use session::ssh_peers;

/// The addresses of this host, and what is on its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Its own addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Addresses that mean everybody on a link (IPv4 alone has them).
    pub broadcasts: BTreeSet<IpAddr>,
    /// The networks that its addresses are in.
    pub networks: Vec<Subject>,
}

/// Returns every address of this host.
///
/// # Errors
/// When the kernel does not answer.
pub fn own_addresses() -> io::Result<BTreeSet<IpAddr>> {
    attached().map(|attached| attached.addresses)
}

/// Returns every address of this host, with the networks that these are in.
///
/// # Errors
/// When the kernel does not answer.
pub fn attached() -> io::Result<Attached> {
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut found = Attached::default();
    for message in netlink::dump(NETLINK_ROUTE, &request)? {
        let RouteNetlinkMessage::NewAddress(message) = message else { continue };
        let (mut local, mut whole) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                // On a point-to-point link `Address` is the other end and `Local` is ours.
                AddressAttribute::Local(address) => local = Some(*address),
                AddressAttribute::Address(address) => whole = Some(*address),
                AddressAttribute::Broadcast(address) => {
                    found.broadcasts.insert(IpAddr::V4(*address));
                }
                _ => {}
            }
        }
        found.addresses.extend(local.or(whole));
        let network = |address| Subject::containing(address, message.header.prefix_len);
        found.networks.extend(whole.or(local).map(network));
    }
    Ok(found)
}

/// Returns every next hop of every routing table.
///
/// # Errors
/// When the kernel does not answer.
pub fn gateways() -> io::Result<BTreeSet<IpAddr>> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        for message in netlink::dump(NETLINK_ROUTE, &RouteNetlinkMessage::GetRoute(question))? {
            if let RouteNetlinkMessage::NewRoute(route) = message {
                next_hops(&route.attributes, &mut found);
            }
        }
    }
    Ok(found)
}

fn next_hops(attributes: &[RouteAttribute], found: &mut BTreeSet<IpAddr>) {
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(gateway))
            | RouteAttribute::Via(RouteVia::Inet(gateway)) => {
                found.insert(IpAddr::V4(*gateway));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway))
            | RouteAttribute::Via(RouteVia::Inet6(gateway)) => {
                found.insert(IpAddr::V6(*gateway));
            }
            RouteAttribute::MultiPath(hops) => {
                for hop in hops {
                    next_hops(&hop.attributes, found);
                }
            }
            _ => {}
        }
    }
}

/// Returns the name servers in the text of a resolver configuration (resolv.conf(5)).
pub fn resolvers(text: &str) -> BTreeSet<IpAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next())?
    });
    // A zone (`fe80::1%eth0`) names the interface; the address is what packets carry.
    servers.filter_map(|server| server.split('%').next()?.parse().ok()).collect()
}

/// Multicast groups that tell of changed addresses and routes: `RTMGRP_IPV4_IFADDR` (0x10),
/// `RTMGRP_IPV4_ROUTE` (0x40), `RTMGRP_IPV6_IFADDR` (0x100), `RTMGRP_IPV6_ROUTE` (0x400) of
/// linux/rtnetlink.h.
const CHANGES: u32 = 0x10 | 0x40 | 0x100 | 0x400;

/// Hears of changed addresses and routes.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
}

impl Watch {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, CHANGES))?;
        Ok(Self { socket })
    }

    /// Waits for a change, at most `wait`, and returns whether there was one.
    ///
    /// # Errors
    /// When the socket is broken. A full buffer counts as a change.
    pub fn wait(&self, wait: Duration) -> io::Result<bool> {
        let mut is_changed = false;
        let mut wait = wait;
        while netlink::is_heard_within(&self.socket, wait)? {
            match self.socket.recv_from_full() {
                Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => return Err(error),
                _ => is_changed = true,
            }
            // Changes come in a row; they are one.
            wait = Duration::ZERO;
        }
        Ok(is_changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_our_addresses() {
        assert!(own_addresses().unwrap().contains(&IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn the_routing_tables_are_readable() {
        let strangers = gateways().unwrap();
        assert!(strangers.iter().all(|gateway| !gateway.is_unspecified()), "{strangers:?}");
    }

    #[test]
    fn name_servers_are_read_with_and_without_zone() {
        let text = "# comment\nnameserver 192.0.2.53\n nameserver fe80::1%eth0\noptions edns0\n\
                    nameserver nonsense\nnameserver\n";
        let found: Vec<String> = resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53", "fe80::1"]);
    }
}
