//! Trap listeners: sockets that nobody honest connects to.
//!
//! A connection that `accept` returns has completed its handshake: the TCP stack has checked the
//! peer's acknowledgement, which only somebody who receives at that address can send. UDP traps
//! only keep the port from others; their packets are logged and dropped by the firewall.

mod serve;
mod tarpit;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use portguard_core::{Family, Port, Protocol};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use thiserror::Error;

use crate::holder::{Holder, holder_of};

pub use serve::{StopSignal, Touch, serve};

/// Connections that wait for `accept`. They are taken within microseconds; a longer queue would
/// only keep more of a flood.
const BACKLOG: i32 = 1024;

/// Size of the buffers of what is held but not read; the kernel raises it to its own minimum.
const SMALLEST_BUFFER: usize = 1;

/// A trap that is to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSpec {
    /// The number under which touches are reported.
    pub id: usize,
    /// The address family.
    pub family: Family,
    /// The address to bind to; `None` for all.
    pub address: Option<IpAddr>,
    /// Protocol and port.
    pub port: Port,
    /// Whether connections are held with slow bytes.
    pub tarpit: bool,
}

/// A trap whose port is held.
#[derive(Debug)]
pub struct BoundTrap {
    pub(crate) spec: TrapSpec,
    pub(crate) socket: OwnedFd,
}

/// Why a trap can not be set.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error("the port is taken by {}", .holder.as_ref().map_or("an unknown process".to_owned(), ToString::to_string))]
    Taken {
        /// Who, if it can be found out.
        holder: Option<Holder>,
    },
    /// The address is none of this host's.
    #[error("the address is none of this host's")]
    AddressNotHere,
    /// Ports below `net.ipv4.ip_unprivileged_port_start` need `CAP_NET_BIND_SERVICE`.
    #[error("this process may not take the port")]
    NotPermitted,
    /// The system refuses.
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
}

impl TrapSpec {
    /// Returns the address that is bound.
    pub fn bound_address(&self) -> IpAddr {
        self.address.unwrap_or(self.family.unspecified())
    }
}

impl BoundTrap {
    /// Returns what was asked for.
    pub fn spec(&self) -> &TrapSpec {
        &self.spec
    }
}

/// Takes the trap's port.
///
/// # Errors
/// When the port is taken, the address is not here, or the system refuses.
pub fn bind(spec: &TrapSpec) -> Result<BoundTrap, BindError> {
    let address = spec.bound_address();
    open(spec, address)
        .map_err(|errno| match errno {
            rustix::io::Errno::ADDRINUSE => {
                BindError::Taken { holder: holder_of(spec.port, address) }
            }
            rustix::io::Errno::ADDRNOTAVAIL => BindError::AddressNotHere,
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => BindError::NotPermitted,
            other => BindError::System(other.into()),
        })
        .map(|socket| BoundTrap { spec: *spec, socket })
}

fn open(spec: &TrapSpec, address: IpAddr) -> rustix::io::Result<OwnedFd> {
    let family = match spec.family {
        Family::V4 => AddressFamily::INET,
        Family::V6 => AddressFamily::INET6,
    };
    let kind = match spec.port.protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, kind, flags, None)?;
    if spec.family == Family::V6 {
        // Families are trapped apart: an IPv6 socket must not take IPv4's port as well.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if spec.port.protocol == Protocol::Tcp {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if spec.tarpit || spec.port.protocol == Protocol::Udp {
        // Accepted connections inherit the sizes, and the smallest window is offered from the start.
        sockopt::set_socket_recv_buffer_size(&socket, SMALLEST_BUFFER)?;
        sockopt::set_socket_send_buffer_size(&socket, SMALLEST_BUFFER)?;
    }
    net::bind(&socket, &SocketAddr::new(address, spec.port.number))?;
    if spec.port.protocol == Protocol::Tcp {
        net::listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}
