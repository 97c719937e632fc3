//! Sends forged packets through a raw socket, whose kernel adds nothing to them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with},
};

use crate::packet::{Kind, Packet};

/// Sends so many packets from so many successive addresses in turn and returns how many went out.
pub(crate) fn send(
    kind: Kind,
    from: SocketAddr,
    to: SocketAddr,
    packets: u32,
    sources: u32,
) -> io::Result<u32> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW))?;
    // The kernel routes by the address alone and refuses a port on a raw IPv6 socket.
    let route = SocketAddr::new(to.ip(), 0);
    for index in 0..packets {
        let address = successor(from.ip(), index % sources.max(1));
        let from = SocketAddr::new(address, from.port());
        let Some(bytes) = (Packet { kind, from, to, sequence: index }).bytes() else {
            return Err(io::Error::other(format!("{from} and {to} are of different families")));
        };
        // A full queue of the device empties by itself.
        while let Err(why) = sendto(&socket, &bytes, SendFlags::empty(), &route) {
            if why != Errno::NOBUFS {
                return Err(why.into());
            }
        }
    }
    Ok(packets)
}

/// Returns the address so many steps further on.
fn successor(address: IpAddr, steps: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().wrapping_add(steps)).into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits().wrapping_add(steps.into())).into()
        }
    }
}
