//! Connections as the kernel tracks them for its firewall: of every protocol, forwarded ones too, and
//! with the addresses that it translates.
//!
//! Asked for only when somebody wants to see them: a whole answer costs about a microsecond for each
//! connection. It is read as it comes, and what is kept of it is the caller's business.

mod flow;

use std::{fs, io};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::net::RecvFlags;

use crate::netlink::{self, wire::messages};

pub use flow::{Flow, Pair, read_flow};

/// `NFNL_SUBSYS_CTNETLINK`, and the types of its messages that ask for connections and tell of one
/// (`linux/netfilter/nfnetlink.h`, `nfnetlink_conntrack.h`).
const SUBSYSTEM: u16 = 1;
const NEW: u8 = 0;
const GET: u16 = 1;

/// Length of the request: `struct nlmsghdr` and `struct nfgenmsg`.
const REQUEST: u32 = 20;

/// Room for one datagram of an answer; the kernel fills at most 32 KiB.
const DATAGRAM: usize = 64 << 10;

/// What the kernel keeps of each connection, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether it counts their bytes (`nf_conntrack_acct`).
    pub counts_bytes: bool,
    /// Whether it knows when they began (`nf_conntrack_timestamp`).
    pub keeps_times: bool,
    /// How many it tracks.
    pub tracked: u64,
    /// How many it can track; it drops packets of further ones.
    pub most: u64,
}

/// Tells each tracked connection of this network namespace, up to `most`; returns how many there were.
///
/// # Errors
/// When the kernel tracks none, or does not let this process see them.
pub fn read(most: usize, mut each: impl FnMut(Flow)) -> io::Result<usize> {
    let socket = netlink::connected(NETLINK_NETFILTER)?;
    socket.send(&request(), 0)?;
    let mut datagram = vec![0; DATAGRAM];
    let mut told = 0;
    loop {
        let (length, _) = rustix::net::recv(&socket, &mut datagram[..], RecvFlags::empty())?;
        for message in messages(&datagram[..length]) {
            match (message.netlink_type, message.kind_of(SUBSYSTEM)) {
                (NLMSG_DONE, _) => return Ok(told),
                (NLMSG_ERROR, _) => return refused(message.error_number()).map(|()| told),
                // The kernel ends an answer that nobody reads to its end when the socket is closed.
                (_, Some(NEW)) if told == most => return Ok(told),
                (_, Some(NEW)) => {
                    told += 1;
                    read_flow(message.body()).into_iter().for_each(&mut each);
                }
                _ => {}
            }
        }
    }
}

/// Returns what the kernel keeps of each connection of this network namespace; nothing where it tracks
/// none.
pub fn settings() -> Settings {
    let number = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{name}"));
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    };
    Settings {
        counts_bytes: number("acct") != 0,
        keeps_times: number("timestamp") != 0,
        tracked: number("count"),
        most: number("max"),
    }
}

/// Returns the request for all connections of both families.
fn request() -> Vec<u8> {
    let mut bytes = REQUEST.to_ne_bytes().to_vec();
    bytes.extend((SUBSYSTEM << 8 | GET).to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.resize(REQUEST as usize, 0);
    bytes
}

fn refused(number: Option<i32>) -> io::Result<()> {
    match number {
        Some(0) => Ok(()),
        // What `nfnetlink` says where nobody answers for the subsystem.
        Some(libc::EINVAL | libc::EOPNOTSUPP) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel tells of no tracked connection (nf_conntrack_netlink is not there)",
        )),
        Some(number) => Err(io::Error::from_raw_os_error(number)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
