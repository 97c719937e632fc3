//! Connections with other hosts, and what came through each interface.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The connections of this host.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Connections {
    /// Those that began last first.
    pub items: Vec<Connection>,
    /// How many more there are.
    pub more: usize,
}

/// A TCP connection.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// `in`: the peer asked for it; `out`: this host did.
    pub direction: String,
    /// Address and port of this host.
    pub local: String,
    /// Address and port of the peer.
    pub peer: String,
    /// How far it is (`established`, `syn-sent`).
    pub state: String,
    /// The process id, if a process has it.
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
    /// The user.
    pub user: String,
    /// Bytes that came.
    pub received: u64,
    /// Bytes that the peer has taken.
    pub sent: u64,
    /// Since when it is known.
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
