//! Ports, listeners and the posture: what is asked of them, and what is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Open ports.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenOrder {
    /// A service of the configuration, or ports (`tcp/22`, `udp/60000-61000`).
    pub what: String,
    /// For this address or network only; absent: for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For how long, as on the command line; absent: forever.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub span: Option<String>,
}

/// Close ports.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseOrder {
    /// A service of the configuration, or ports.
    pub what: String,
    /// End what was opened for this address or network; absent: close for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Say whether sockets may open their ports by listening.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulingOrder {
    /// Which: words such as `tcp/8080`, `unit:NAME`, `exe:PATH`, `user:NAME`, all of which must
    /// match; absent: all that wait for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// What is said of them.
    pub verdict: RulingName,
}

/// What is said of listening sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RulingName {
    /// They may open their ports.
    Approve,
    /// They may not, whatever else approves of them.
    Deny,
    /// Nothing any more.
    Forget,
}

/// What to do with the posture, or with a change that waits for confirmation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostureOrder {
    /// What to do.
    pub order: PostureName,
}

/// What can be done with the posture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PostureName {
    /// Only what is open by a rule passes; rolls back unless confirmed.
    Lockdown,
    /// Everything passes but offenders.
    Relax,
    /// Keep the change that waits.
    Confirm,
    /// Undo the change that waits.
    Rollback,
}

/// A port, and whether it can be reached from outside.
///
/// Without process ids, and in an order of its own, so that two listings can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortRow {
    /// The port, or a run of ports that nothing listens on (`tcp/22`, `udp/60000-61000`).
    pub port: String,
    /// The address that is listened on; null: nothing listens.
    pub address: Option<String>,
    /// `open`, `closed`, `pending`, `local` or `forwarded`.
    pub reach: String,
    /// The rule that decides (`always`, `grant`, `follow`, `never`, `shut`, `posture`, `approval`,
    /// `denied`, `loopback`, `trap`, `forward`).
    pub rule: String,
    /// The rule in words.
    pub why: String,
    /// Sources that it is open for whatever the rule says.
    pub open_for: Vec<String>,
    /// The service of that name, if the configuration has one with this port.
    pub service: Option<String>,
    /// New connections that one source may make.
    pub rate: Option<String>,
    /// The command that listens; null if nothing does, or the kernel itself.
    pub process: Option<String>,
    /// Its process id; only if asked for, as it changes from start to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The program's file.
    pub exe: Option<String>,
    /// The systemd unit.
    pub unit: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The container.
    pub container: Option<String>,
}

/// A port that somebody opened or shut.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Door {
    /// `open` or `shut`.
    pub act: String,
    /// The port.
    pub port: String,
    /// For whom; null: for everybody.
    pub from: Option<String>,
    /// The service that was named.
    pub service: Option<String>,
    /// Since when.
    pub since: String,
    /// Until when; null: forever.
    pub until: Option<String>,
    /// Seconds left; null: no end.
    pub seconds_left: Option<u64>,
    /// Who did it.
    pub author: String,
    /// Whether the kernel has taken it over.
    pub enforced: bool,
}

/// What an operator said of listening sockets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ruling {
    /// Which.
    pub what: String,
    /// Whether they may open their ports.
    pub approved: bool,
    /// Since when.
    pub since: String,
    /// Who said so.
    pub author: String,
}

/// What a lockdown takes away and what it keeps.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Lockdown {
    /// Whether the posture is closed already.
    pub closed: bool,
    /// What can be reached now and could not any more.
    pub unreachable: Vec<PortRow>,
    /// Live connections from outside; they are kept.
    pub kept: Vec<Session>,
    /// How many more connections there are.
    pub kept_more: usize,
    /// How long the lockdown waits for its confirmation, in seconds; null: forever.
    pub confirm_within: Option<u64>,
}

/// A live connection from outside.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Address and port of this host.
    pub local: String,
    /// Address and port of the peer.
    pub peer: String,
    /// The command that serves it.
    pub process: Option<String>,
    /// The user that it runs as.
    pub user: Option<String>,
}

/// A risky change that rolls back unless it is confirmed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// What was changed.
    pub what: String,
    /// When it rolls back; null: never by itself.
    pub until: Option<String>,
    /// Seconds left; null: no end.
    pub seconds_left: Option<u64>,
    /// Who made it.
    pub author: String,
}

/// What reading the configuration again led to.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// Every mistake; with one of them nothing was taken over.
    pub mistakes: Vec<String>,
    /// What is set in vain.
    pub warnings: Vec<String>,
    /// Set if it takes a way in away and waits for confirmation.
    pub pending: Option<Pending>,
}
