//! Which UDP socket of this host a flow belongs to. Pure.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use portguard_linux::holder::Held;

use super::tracked::Ends;

/// UDP sockets by their ports.
#[derive(Debug, Default)]
pub(super) struct Datagrams(BTreeMap<u16, Vec<Held>>);

impl Datagrams {
    pub(super) fn new(sockets: Vec<Held>) -> Self {
        let mut by_port: BTreeMap<u16, Vec<Held>> = BTreeMap::new();
        for held in sockets.into_iter().filter(|held| held.inode != 0) {
            by_port.entry(held.port.number).or_default().push(held);
        }
        Self(by_port)
    }

    /// Returns the inode of the socket that gets what comes: as the kernel has it, one that is
    /// connected with the peer, otherwise one bound to the address, otherwise one for any.
    pub(super) fn inode(&self, ends: &Ends) -> Option<u64> {
        let sockets = self.0.get(&ends.local.port())?.iter();
        let ranked = sockets.filter_map(|held| Some((rank(held, ends)?, held.inode)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, inode)| inode)
    }
}

/// Returns how closely a socket fits: connected, bound to the address, or neither; `None` if it gets
/// nothing of this.
fn rank(held: &Held, ends: &Ends) -> Option<(bool, bool)> {
    let local = ends.local.ip();
    let takes_v4 = held.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !held.v6_only;
    let bound = held.address.to_canonical();
    let is_any = bound.is_unspecified() && (bound.is_ipv4() == local.is_ipv4() || takes_v4);
    let is_connected = held.peer_port != 0;
    let is_with_peer = (held.peer, held.peer_port) == (ends.peer.ip(), ends.peer.port());
    ((is_any || bound == local) && (!is_connected || is_with_peer))
        .then_some((is_connected, bound == local))
}

#[cfg(test)]
mod tests {
    use portguard_core::{Port, Protocol};

    use super::*;

    fn held(inode: u64, local: &str, peer: &str, v6_only: bool) -> Held {
        let local: std::net::SocketAddr = local.parse().unwrap();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        Held {
            port: Port { protocol: Protocol::Udp, number: local.port() },
            address: local.ip(),
            peer: peer.ip(),
            peer_port: peer.port(),
            v6_only,
            inode,
        }
    }

    #[test]
    fn the_closest_socket_has_the_flow() {
        let sockets = Datagrams::new(vec![
            held(1, "0.0.0.0:53", "0.0.0.0:0", false),
            held(2, "192.0.2.1:53", "0.0.0.0:0", false),
            held(3, "192.0.2.1:53", "203.0.113.9:40", false),
            held(4, "[::]:54", "[::]:0", false),
            held(5, "[::]:55", "[::]:0", true),
            held(6, "[::ffff:192.0.2.1]:56", "[::]:0", false),
            held(0, "0.0.0.0:57", "0.0.0.0:0", false),
        ]);
        for (local, peer, expected) in [
            ("192.0.2.1:53", "203.0.113.9:40", Some(3)),
            ("192.0.2.1:53", "203.0.113.9:41", Some(2)),
            ("192.0.2.2:53", "203.0.113.9:40", Some(1)),
            ("192.0.2.2:54", "203.0.113.9:40", Some(4)),
            ("192.0.2.2:55", "203.0.113.9:40", None),
            ("[2001:db8::1]:55", "[2001:db8::2]:40", Some(5)),
            ("192.0.2.1:56", "203.0.113.9:40", Some(6)),
            ("[2001:db8::1]:53", "[2001:db8::2]:40", None),
            ("192.0.2.1:57", "203.0.113.9:40", None),
        ] {
            let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
            let ends = Ends { protocol: 17, local, peer };
            assert_eq!(sockets.inode(&ends), expected, "{local} {peer}");
        }
    }
}
