//! Connections with other hosts and through this one, and what came through each interface.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The connections of this host, and those that it forwards.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Connections {
    /// Those that began last first.
    pub items: Vec<Connection>,
    /// How many more there are.
    pub more: usize,
    /// What the kernel tracks: forwarded connections, and those of other protocols than TCP, are known
    /// from there alone.
    pub tracking: Tracking,
}

/// What the kernel's connection tracking tells.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Tracking {
    /// Why nothing of it is among the connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether it counts bytes (`net.netfilter.nf_conntrack_acct`).
    pub counts_bytes: bool,
    /// Whether it keeps when connections began (`net.netfilter.nf_conntrack_timestamp`).
    pub keeps_times: bool,
    /// How many connections it tracks, those of this host with itself among them.
    pub tracked: u64,
    /// How many it can track; packets of further ones are lost.
    pub most: u64,
}

/// A connection.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// `in`: the peer asked for it; `out`: this host did; `forwarded`: it goes through this host.
    pub direction: String,
    /// `peer` or `local`: which end asked for it.
    pub asked_by: String,
    /// `tcp`, `udp`, ..., or the protocol's number.
    pub protocol: String,
    /// Address and port of this host, of a forwarded one those of the machine behind it. Without a
    /// port where the protocol has none.
    pub local: String,
    /// Address and port of the peer.
    pub peer: String,
    /// What the peer sees in place of `local`, where this host translates addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
    /// Who the peer really is, where this host translates its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_peer: Option<String>,
    /// How far it is (`established`, `syn-sent`); of a protocol without states `unreplied`, `replied`
    /// or `assured` (there is a stream of packets both ways).
    pub state: String,
    /// The process id, if a process of this host has it; of a forwarded one that of the container's
    /// first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The command name; empty if unknown.
    pub process: String,
    /// The program's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// The systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The user; empty if unknown.
    pub user: String,
    /// Bytes that came: of a TCP connection of this host what was said, otherwise whole packets; left
    /// out where they are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// Bytes that went, and that the peer has taken if it is a TCP connection of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    /// Since when it is known, or when it began if the kernel keeps that.
    pub since: String,
    /// For how long, in seconds.
    pub seconds: u64,
}

/// What came and went through an interface since it is there.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What came.
    pub received: Counts,
    /// What went.
    pub sent: Counts,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
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
