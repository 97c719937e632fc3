//! Asks the kernel for listening sockets over a kept netlink socket, and reads its answer by hand:
//! it is asked many times a minute, and typed messages cost twice the time.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd as _,
    time::Duration,
};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use portguard_core::{Port, Protocol};
use rustix::net::{RecvFlags, sockopt};

use crate::netlink::wire::{attribute, messages};

/// How long the kernel may take for one datagram of an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Room for one datagram of an answer; the kernel fills at most 32 KiB.
const DATAGRAM: usize = 64 << 10;

/// How often a dump is begun anew because something changed while it ran.
const ATTEMPTS: usize = 3;

/// `SOCK_DIAG_BY_FAMILY` (`linux/sock_diag.h`).
const BY_FAMILY: u16 = 20;

/// TCP states (`net/tcp_states.h`); a UDP socket that waits for anybody is in `CLOSE`.
const CLOSE: u32 = 7;
const LISTEN: u32 = 10;

/// Lengths of `struct nlmsghdr`, `struct inet_diag_req_v2` and `struct inet_diag_msg`.
const HEADER: usize = 16;
const DIAG_REQUEST: usize = 56;
const DIAG_MESSAGE: usize = 72;

/// `INET_DIAG_SKV6ONLY`.
const V6_ONLY: u16 = 11;

/// A listening socket as the kernel tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) port: Port,
    pub(super) address: IpAddr,
    pub(super) v6_only: bool,
    pub(super) cookie: u64,
    pub(super) inode: u32,
    pub(super) user: u32,
}

/// A kept netlink socket.
#[derive(Debug)]
pub(super) struct Scan {
    socket: Netlink,
    datagram: Vec<u8>,
}

impl Scan {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Netlink::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        sockopt::set_socket_timeout(socket.as_fd(), sockopt::Timeout::Recv, Some(ANSWER_LIMIT))?;
        Ok(Self { socket, datagram: vec![0; DATAGRAM] })
    }

    /// Returns every listening TCP socket and every unconnected UDP socket.
    pub(super) fn listeners(&mut self) -> io::Result<Vec<Socket>> {
        let mut found = Vec::new();
        for (protocol, state) in [(Protocol::Tcp, LISTEN), (Protocol::Udp, CLOSE)] {
            for family in [libc::AF_INET, libc::AF_INET6] {
                let family = u8::try_from(family).map_err(io::Error::other)?;
                self.dump(family, protocol, 1 << state, &mut found)?;
            }
        }
        Ok(found)
    }

    fn dump(
        &mut self,
        family: u8,
        protocol: Protocol,
        states: u32,
        found: &mut Vec<Socket>,
    ) -> io::Result<()> {
        let before = found.len();
        for _ in 0..ATTEMPTS {
            found.truncate(before);
            self.socket.send(&request(family, protocol, states), 0)?;
            if self.read_answer(protocol, found)? {
                return Ok(());
            }
        }
        // What was read is right, but something may be missing; the next look finds it.
        Ok(())
    }

    /// Reads one whole answer; returns whether it was not interrupted by a change.
    fn read_answer(&mut self, protocol: Protocol, found: &mut Vec<Socket>) -> io::Result<bool> {
        let mut is_whole = true;
        loop {
            let (length, _) =
                rustix::net::recv(&self.socket, &mut self.datagram[..], RecvFlags::empty())?;
            for message in messages(&self.datagram[..length]) {
                is_whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.netlink_type {
                    NLMSG_DONE => return Ok(is_whole),
                    NLMSG_ERROR => return Err(io::Error::other("the kernel refused a dump")),
                    _ => found.extend(read(protocol, message.payload)),
                }
            }
        }
    }
}

/// Returns a dump request: header, `inet_diag_req_v2` without extensions and for any address.
fn request(family: u8, protocol: Protocol, states: u32) -> Vec<u8> {
    let length = u32::try_from(HEADER + DIAG_REQUEST).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + DIAG_REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, protocol.number(), 0, 0]);
    bytes.extend(states.to_ne_bytes());
    bytes.resize(HEADER + DIAG_REQUEST, 0);
    bytes
}

/// Reads a `struct inet_diag_msg` with its attributes.
fn read(protocol: Protocol, body: &[u8]) -> Option<Socket> {
    let attributes = body.get(DIAG_MESSAGE..)?;
    let family = i32::from(body[0]);
    let number = u16::from_be_bytes([body[4], body[5]]);
    let address = match family {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&body[8..12]).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&body[8..24]).ok()?)),
    };
    let cookie = u64::from(u32_at(body, 44)?) | u64::from(u32_at(body, 48)?) << 32;
    let (user, inode) = (u32_at(body, 64)?, u32_at(body, 68)?);
    let v6_only = attribute(attributes, V6_ONLY).is_some_and(|value| value.first() == Some(&1));
    // Port 0: a TCP socket before it is bound, or a UDP socket that nobody can send to.
    let port = Port { protocol, number };
    (number > 0).then_some(Socket { port, address, v6_only, cookie, inode, user })
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}
