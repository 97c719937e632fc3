//! Decisions about packets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The decisions that were asked for, and what is missing in the record.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PacketLog {
    /// The decisions, oldest first.
    pub items: Vec<Packet>,
    /// What became of all that the kernel told of.
    pub record: RecordState,
}

/// What became of the packets that the kernel decided about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordState {
    /// Taken into the record since the daemon came up.
    pub taken: u64,
    /// Kept at the moment.
    pub kept: u64,
    /// Gone to make room for newer ones.
    pub overwritten: u64,
    /// Lost on the way from the kernel, at least.
    pub lost: u64,
    /// Without a whole IP header.
    pub unreadable: u64,
    /// Counted but not told of by the kernel, being above `firewall.log_limit`.
    pub over_limit: u64,
}

/// What became of the packets of an interface that is tapped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TapState {
    /// The interface's name.
    pub interface: String,
    /// Whether it is there and is read.
    pub is_open: bool,
    /// Looked at since the daemon came up.
    pub taken: u64,
    /// Of other protocols than IP, or cut off.
    pub passed_over: u64,
    /// Dropped by the kernel, since they came faster than they were looked at.
    pub lost: u64,
}

/// A decision about a packet.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Packet {
    /// Its number; later ones have higher ones.
    pub number: u64,
    /// When.
    pub at: String,
    /// `blocked` or `allowed`.
    pub verdict: String,
    /// The rule that decided (`ban`, `closed`, `always`, ...).
    pub rule: String,
    /// The set or the service that matched.
    pub matched: Option<String>,
    /// The interface it came in by.
    pub interface: Option<String>,
    /// `tcp`, `udp`, `icmp`, `icmpv6` or the protocol's number.
    pub protocol: String,
    /// The source address.
    pub source: String,
    /// The source port.
    pub source_port: Option<u16>,
    /// The destination address.
    pub destination: String,
    /// The destination port.
    pub destination_port: Option<u16>,
    /// The type and code of ICMP (`8/0`).
    pub icmp: Option<String>,
    /// The TCP flags that are set (`SYN`).
    pub flags: Option<String>,
    /// Length of the packet in bytes.
    pub length: u16,
    /// Time to live, or hop limit.
    pub ttl: u8,
}
