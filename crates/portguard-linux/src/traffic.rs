//! TCP connections as the kernel has them now, and what came through each interface.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    net::SocketAddr,
    os::unix::fs::FileExt as _,
};

use netlink_packet_sock_diag::inet::{ExtensionFlags, InetResponse, StateFlags, nlas::Nla};
use portguard_core::{Owner, Protocol};

use crate::{listener::owners_of, sock_diag};

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The kernel's number of the socket, which no other socket has had since it was booted; 0 if
    /// none is left.
    pub cookie: u64,
    /// Address and port of this host.
    pub local: SocketAddr,
    /// Address and port of the peer.
    pub peer: SocketAddr,
    /// How far it is (`established`, `syn-sent`).
    pub state: &'static str,
    /// Whether this host asked for it.
    pub is_outbound: bool,
    /// Bytes that came, and bytes that the peer has taken; `None` of one that is over.
    pub bytes: Option<(u64, u64)>,
    /// The socket's inode number; 0 if no process has it.
    pub inode: u64,
    /// The user that it belongs to, by number.
    pub user: u32,
}

/// The state of a socket that waits for connections (`TCP_LISTEN`).
const LISTENS: u8 = 10;

/// States by their numbers (`net/tcp_states.h`).
const STATES: [&str; 12] = [
    "unknown",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
];

/// Where `tcpi_bytes_acked` and `tcpi_bytes_received` stand in `struct tcp_info` (`linux/tcp.h`).
const ACKED: usize = 120;
const RECEIVED: usize = 128;

fn number(info: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*info.get(at..)?.first_chunk()?))
}

/// Returns all TCP connections with other hosts, up to `most`, and how many more there are.
///
/// # Errors
/// When the kernel does not answer.
pub fn conversations(most: usize) -> io::Result<(Vec<Conversation>, usize)> {
    // Those that listen are in the same answer: they tell who asked for a connection.
    let states = StateFlags::all() & !StateFlags::CLOSE;
    let mut listening = BTreeSet::new();
    let (mut found, mut more): (Vec<Conversation>, usize) = (Vec::new(), 0);
    for socket in sock_diag::sockets(Protocol::Tcp, &states, &ExtensionFlags::INFO)? {
        let id = &socket.header.socket_id;
        if socket.header.state == LISTENS {
            listening.insert(id.source_port);
        } else if id.destination_address.to_canonical().is_loopback() {
            // This host with itself.
        } else if found.len() >= most {
            more += 1;
        } else {
            found.push(conversation(&socket));
        }
    }
    for one in &mut found {
        one.is_outbound = !listening.contains(&one.local.port());
    }
    Ok((found, more))
}

/// Returns a connection; who asked for it is not known from its socket alone.
fn conversation(socket: &InetResponse) -> Conversation {
    let (header, id) = (&socket.header, &socket.header.socket_id);
    let bytes = socket.nlas.iter().find_map(|one| match one {
        Nla::TcpInfo(info) => Some((number(info, RECEIVED)?, number(info, ACKED)?)),
        _ => None,
    });
    Conversation {
        cookie: u64::from_ne_bytes(id.cookie),
        local: SocketAddr::new(id.source_address.to_canonical(), id.source_port),
        peer: SocketAddr::new(id.destination_address.to_canonical(), id.destination_port),
        state: STATES.get(usize::from(header.state)).copied().unwrap_or(STATES[0]),
        is_outbound: true,
        bytes,
        inode: u64::from(header.inode),
        user: header.uid,
    }
}

/// Returns the owners of sockets by their inode numbers; those that can not be told are left out.
pub fn owners(inodes: impl Iterator<Item = u64>) -> BTreeMap<u64, Owner> {
    owners_of(inodes.filter(|inode| *inode != 0))
}

/// Tells cheaply whether this host asked for TCP connections: the kernel counts them.
#[derive(Debug)]
pub struct Asked(File);

impl Asked {
    /// Opens the counters of this network namespace.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn open() -> io::Result<Self> {
        File::open("/proc/thread-self/net/snmp").map(Self)
    }

    /// Returns how many TCP connections were asked for since the namespace is there, those of this
    /// host with itself among them (`ActiveOpens`, RFC 4022). Costs some 16 us.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn count(&self) -> io::Result<u64> {
        let mut text = [0; SNMP];
        let length = self.0.read_at(&mut text, 0)?;
        let text = str::from_utf8(&text[..length]).unwrap_or_default();
        active_opens(text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Room for `/proc/net/snmp`, which has about 1,500 letters.
const SNMP: usize = 4_096;

/// Returns the counter of a text in which a line of names stands above a line of numbers.
fn active_opens(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|name| name == "ActiveOpens")?;
    numbers.split(' ').nth(at)?.parse().ok()
}

/// What came and went through an interface since it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What came.
    pub received: Counts,
    /// What went.
    pub sent: Counts,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets that were dropped for want of room.
    pub dropped: u64,
}

/// Returns the interfaces of this network namespace, as `proc_pid_net(5)` has them.
///
/// # Errors
/// When the kernel does not tell.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let text = fs::read_to_string("/proc/thread-self/net/dev")?;
    Ok(text.lines().filter_map(interface).collect())
}

fn interface(line: &str) -> Option<Interface> {
    let (name, numbers) = line.split_once(':')?;
    let numbers: Vec<u64> =
        numbers.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let counts = |at: usize| {
        let [bytes, packets, errors, dropped] = *numbers.get(at..at + 4)?.first_chunk()?;
        Some(Counts { bytes, packets, errors, dropped })
    };
    Some(Interface { name: name.trim().to_owned(), received: counts(0)?, sent: counts(8)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_are_asked_for_are_counted() {
        let text = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoMin MaxConn ActiveOpens\n\
                    Tcp: 200 -1 42\nUdp: InDatagrams\nUdp: 7\n";
        assert_eq!(active_opens(text), Some(42));
        assert_eq!(active_opens("Tcp: RtoMin ActiveOpens\n"), None);
        let asked = Asked::open().unwrap();
        let before = asked.count().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(asked.count().unwrap() > before);
    }

    #[test]
    fn an_interface_is_read() {
        let line = "  eth0: 1500 10 1 2 0 0 0 0 900 8 3 4 0 0 0 0";
        let expected = Interface {
            name: "eth0".to_owned(),
            received: Counts { bytes: 1_500, packets: 10, errors: 1, dropped: 2 },
            sent: Counts { bytes: 900, packets: 8, errors: 3, dropped: 4 },
        };
        assert_eq!(interface(line), Some(expected));
        assert_eq!(interface("Inter-|   Receive"), None);
        assert!(interfaces().unwrap().iter().any(|one| one.name == "lo"));
    }
}
