//! Live connections from outside, and who serves them.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr},
};

use portguard_core::Owner;

use crate::{
    holder::{self, Held},
    host,
    listener::owners_of,
};

/// Most connections that are told of one by one.
const MOST: usize = 1_000;

/// A connection that somebody outside opened to this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Address and port of this host.
    pub local: SocketAddr,
    /// Address and port of the peer.
    pub peer: SocketAddr,
    /// Who serves it, if that can be told.
    pub owner: Option<Owner>,
}

/// Returns whether this host has a TCP connection with a peer: whoever answered a handshake receives
/// what is sent to its address.
///
/// # Errors
/// When the kernel can not be asked.
pub fn is_with(peer: IpAddr) -> io::Result<bool> {
    Ok(holder::connections()?.iter().any(|held| held.peer.to_canonical() == peer))
}

/// Returns the TCP connections from outside to ports that this host listens on, and how many more
/// there are.
///
/// # Errors
/// When the kernel can not be asked.
pub fn from_outside() -> io::Result<(Vec<Connection>, usize)> {
    let listening: BTreeSet<u16> =
        holder::listeners()?.into_iter().map(|held| held.port.number).collect();
    let own = host::own_addresses()?;
    let is_outside = |peer: IpAddr| !peer.is_loopback() && !own.contains(&peer);
    let mut found: Vec<Held> = holder::connections()?
        .into_iter()
        .filter(|held| listening.contains(&held.port.number) && is_outside(held.peer))
        .collect();
    found.sort_by_key(|held| (held.port, held.peer, held.peer_port));
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    let owners = owners_of(found.iter().map(|held| held.inode));
    let connection = |held: &Held| Connection {
        local: SocketAddr::new(held.address.to_canonical(), held.port.number),
        peer: SocketAddr::new(held.peer, held.peer_port),
        owner: owners.get(&held.inode).cloned(),
    };
    Ok((found.iter().map(connection).collect(), more))
}
