//! Who listens where: sockets that wait for connections or packets, and whose they are.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use crate::{Family, Port, Subject};

/// A socket that waits for connections (TCP) or for packets from anybody (UDP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Protocol and port.
    pub port: Port,
    /// The address that it is bound to, unspecified for all. A socket of both families that is
    /// bound to one IPv4 address has that address here.
    pub address: IpAddr,
    /// Whether an IPv6 socket leaves IPv4 alone (`IPV6_V6ONLY`).
    pub v6_only: bool,
    /// The kernel's number of the socket, which no other socket has had since it was booted.
    pub socket: u64,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a socket is, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process id.
    pub pid: Option<u32>,
    /// The command name, empty if no process could be found (a socket of the kernel's own).
    pub name: Arc<str>,
    /// The program's file.
    pub exe: Option<Arc<str>>,
    /// The user's name, or number if it has none.
    pub user: Arc<str>,
    /// The systemd unit, from the control group.
    pub unit: Option<Arc<str>>,
    /// The container, from the control group.
    pub container: Option<Arc<str>>,
}

impl Listener {
    /// Returns whether only this host itself can reach it.
    pub fn is_local(&self) -> bool {
        self.address.is_loopback()
    }

    /// Returns whether it takes packets to any address.
    pub fn is_wildcard(&self) -> bool {
        self.address.is_unspecified()
    }

    /// Returns the destinations that it takes packets to: its address alone, or all of a family.
    pub fn destinations(&self) -> Vec<Subject> {
        let all = |family: Family| Subject::containing(family.unspecified(), 0);
        match self.address {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if !self.v6_only => {
                vec![all(Family::V4), all(Family::V6)]
            }
            address if address.is_unspecified() => vec![all(Subject::address(address).family())],
            address => vec![Subject::address(address)],
        }
    }
}

impl Owner {
    /// Returns whether it is a server over which operators come in.
    pub fn is_way_in(&self) -> bool {
        matches!(&*self.name, "sshd" | "dropbear")
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.name, self.pid) {
            ("", _) => f.write_str("the kernel")?,
            (name, None) => f.write_str(name)?,
            (name, Some(pid)) => write!(f, "{name} (process {pid})")?,
        }
        if let Some(unit) = &self.unit {
            write!(f, " of {unit}")?;
        }
        if let Some(container) = &self.container {
            write!(f, " in container {container}")?;
        }
        write!(f, ", user {}", self.user)
    }
}
