//! Who holds a port: listening sockets of this network namespace and the processes behind them.

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv6Addr},
    path::Path,
};

use netlink_packet_sock_diag::inet::{ExtensionFlags, StateFlags, nlas::Nla};
use portguard_core::{Port, Protocol};

use crate::sock_diag;

/// A socket that waits for packets or connections, or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Protocol and local port.
    pub port: Port,
    /// The local address; unspecified if bound to all.
    pub address: IpAddr,
    /// The peer's address, unspecified if there is none.
    pub peer: IpAddr,
    /// The peer's port, 0 if there is none.
    pub peer_port: u16,
    /// Whether an IPv6 socket leaves IPv4 alone (`IPV6_V6ONLY`).
    pub v6_only: bool,
    /// The socket's inode number.
    pub inode: u64,
}

/// The process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub command: String,
    /// The systemd unit, from its control group.
    pub unit: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.command, self.pid)?;
        self.unit.as_ref().map_or(Ok(()), |unit| write!(f, " of {unit}"))
    }
}

/// Returns every listening TCP socket and every unconnected UDP socket.
///
/// # Errors
/// When the kernel does not answer.
pub fn listeners() -> io::Result<Vec<Held>> {
    // UDP sockets that wait for packets from anybody are in state CLOSE.
    let mut found = sockets(Protocol::Tcp, &StateFlags::LISTEN)?;
    found.extend(sockets(Protocol::Udp, &StateFlags::CLOSE)?);
    Ok(found)
}

/// Returns every established TCP connection.
///
/// # Errors
/// When the kernel does not answer.
pub fn connections() -> io::Result<Vec<Held>> {
    sockets(Protocol::Tcp, &StateFlags::ESTABLISHED)
}

/// Returns every UDP socket, connected or not.
///
/// # Errors
/// When the kernel does not answer.
pub fn datagram_sockets() -> io::Result<Vec<Held>> {
    sockets(Protocol::Udp, &StateFlags::all())
}

/// Returns the process that keeps `address` and `port` from being bound, if it can be named.
pub fn holder_of(port: Port, address: IpAddr) -> Option<Holder> {
    let in_the_way = |sockets: Vec<Held>| {
        let mut sockets = sockets.into_iter();
        sockets.find(|held| held.port == port && held.inode != 0 && is_in_the_way(held, address))
    };
    // A connection keeps its local port too, be it one that a client was given.
    let held = in_the_way(listeners().ok()?)
        .or_else(|| in_the_way(sockets(port.protocol, &StateFlags::all()).ok()?))?;
    process_with(held.inode)
}

/// Returns whether a socket keeps `ours` from being bound.
fn is_in_the_way(held: &Held, ours: IpAddr) -> bool {
    let takes_both = held.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !held.v6_only;
    // A socket of both families may be bound to one IPv4 address (`::ffff:192.0.2.1`).
    let theirs = held.address.to_canonical();
    let is_same_family = theirs.is_ipv4() == ours.is_ipv4();
    let meets = theirs == ours || theirs.is_unspecified() || ours.is_unspecified();
    takes_both || (is_same_family && meets)
}

fn sockets(protocol: Protocol, states: &StateFlags) -> io::Result<Vec<Held>> {
    let sockets = sock_diag::sockets(protocol, states, &ExtensionFlags::empty())?;
    let held = sockets.into_iter().map(|socket| {
        let id = &socket.header.socket_id;
        Held {
            port: Port { protocol, number: id.source_port },
            address: id.source_address,
            peer: id.destination_address.to_canonical(),
            peer_port: id.destination_port,
            v6_only: socket.nlas.contains(&Nla::SkV6Only(true)),
            inode: u64::from(socket.header.inode),
        }
    });
    Ok(held.collect())
}

/// Returns the process that has the socket with this inode open.
fn process_with(inode: u64) -> Option<Holder> {
    let socket = format!("socket:[{inode}]");
    processes().find(|pid| holds(*pid, |target| target == socket)).map(holder)
}

/// Returns the ids of all processes.
pub(crate) fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns whether a process has a descriptor open whose target satisfies `wanted`.
pub(crate) fn holds(pid: u32, mut wanted: impl FnMut(&str) -> bool) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(&mut wanted))
}

fn holder(pid: u32) -> Holder {
    let command = command(pid).unwrap_or_else(|| "a process".to_owned());
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    Holder { pid, command, unit: unit_of(&groups) }
}

/// Returns a process's command name.
pub(crate) fn command(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Returns the innermost systemd unit in the text of `/proc/PID/cgroup` (cgroups(7)).
fn unit_of(groups: &str) -> Option<String> {
    let is_unit = |part: &&str| {
        let extension = Path::new(part).extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("service" | "scope"))
    };
    groups.lines().find_map(|line| line.rsplit('/').find(is_unit).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn a_listening_socket_is_found_with_its_process() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let port = Port { protocol: Protocol::Tcp, number: local.port() };
        let holder = holder_of(port, "0.0.0.0".parse().unwrap()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(holder_of(port, "127.0.0.2".parse().unwrap()), None);
    }

    #[test]
    fn a_udp_socket_is_found_with_its_process() {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        let number = socket.local_addr().unwrap().port();
        let port = Port { protocol: Protocol::Udp, number };
        let holder = holder_of(port, "::".parse().unwrap()).unwrap();
        assert_eq!(holder.pid, std::process::id());
    }

    #[test]
    fn the_innermost_unit_names_the_service() {
        let nested = "0::/system.slice/nginx.service\n";
        assert_eq!(unit_of(nested), Some("nginx.service".to_owned()));
        let user = "0::/user.slice/user-0.slice/session-3.scope\n";
        assert_eq!(unit_of(user), Some("session-3.scope".to_owned()));
        assert_eq!(unit_of("0::/\n"), None);
    }
}
