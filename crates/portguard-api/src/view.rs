//! What views show.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::order::MeasureName;

/// The state of the guard.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Whether everything that is due at the start is in the kernel.
    pub ready: bool,
    /// The program's version.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// When the daemon came up.
    pub since: String,
    /// `open` or `closed`.
    pub posture: String,
    /// A risky change that rolls back unless it is confirmed.
    #[serde(default)]
    pub pending: Option<crate::port::Pending>,
    /// Sockets that listen.
    #[serde(default)]
    pub listeners: usize,
    /// Sockets that wait for approval.
    #[serde(default)]
    pub listeners_pending: usize,
    /// Ports that operators opened or shut.
    #[serde(default)]
    pub doors: usize,
    /// Whether the daemon only observes and changes nothing in the kernel.
    pub observe: bool,
    /// Until when nobody is turned away because an operator paused it; null: it is not paused.
    #[serde(default)]
    pub paused_until: Option<String>,
    /// What the kernel should hold and does hold.
    pub enforcement: Enforcement,
    /// How many subjects each list holds.
    pub held: Held,
    /// How many offenders are remembered.
    pub offenders: usize,
    /// What the kernel turned away since the table was made.
    pub turned_away: TurnedAway,
    /// The record of packet decisions.
    #[serde(default)]
    pub record: crate::packet::RecordState,
    /// How the control file stands; null: there is none.
    #[serde(default)]
    pub remote: Option<crate::remote::RemoteSummary>,
    /// The interfaces whose packets are looked at.
    #[serde(default)]
    pub taps: Vec<crate::packet::TapState>,
    /// How the knocks do; null: none are taken.
    #[serde(default)]
    pub knock: Option<crate::knock::KnockState>,
    /// The ledger's state.
    pub ledger: Source,
    /// Every other source of events.
    pub sources: Vec<Source>,
    /// How many traps stand.
    pub traps_set: usize,
    /// How many traps can not be set.
    pub traps_missing: usize,
    /// Offences by forgeable packets that were enforced but not written down, being too many.
    pub unwritten_offences: u64,
    /// Events dropped because the guard's queue was full.
    pub dropped_events: u64,
}

/// What the kernel should hold and does hold.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Enforcement {
    /// Elements that the kernel should hold.
    pub wanted: u64,
    /// Elements that the kernel holds.
    pub installed: u64,
    /// Changes on their way to the kernel.
    pub pending: u64,
    /// Why the last change failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How many subjects each list holds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Banned for all ports.
    pub banned: usize,
    /// Banned for certain ports.
    pub banned_for_ports: usize,
    /// On the allow list.
    pub allowed: usize,
    /// Throttled softly.
    pub throttled_soft: usize,
    /// Throttled hard.
    pub throttled_hard: usize,
    /// Protected.
    pub protected: usize,
}

/// What the kernel turned away.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TurnedAway {
    /// Packets of banned subjects.
    pub banned_packets: u64,
    /// Their bytes.
    pub banned_bytes: u64,
    /// Packets of throttled subjects above their rate.
    pub throttled_packets: u64,
    /// Their bytes.
    pub throttled_bytes: u64,
    /// All packets turned away, for whatever reason.
    #[serde(default)]
    pub blocked_packets: u64,
    /// Their bytes.
    #[serde(default)]
    pub blocked_bytes: u64,
    /// New connections that were let in.
    #[serde(default)]
    pub allowed_connections: u64,
}

/// A source of events, or the ledger, and how it does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// `good`, `degraded` or `broken`.
    pub health: String,
    /// What is missing or why it does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// A measure in force.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// Whom it is about.
    pub subject: String,
    /// What is done; `protect` for a protected subject.
    pub measure: String,
    /// The ports it is limited to; empty for all.
    pub ports: Vec<String>,
    /// When it began.
    pub since: String,
    /// When it ends; null: never.
    pub until: Option<String>,
    /// Seconds left; null: no end.
    pub seconds_left: Option<u64>,
    /// Which ban in a row it is; 0 if no ladder gave it.
    pub nth_ban: u32,
    /// Who decided it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Whether the kernel has taken it over.
    pub enforced: bool,
}

/// Somebody who misbehaved before.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Offender {
    /// Whom it is about.
    pub subject: String,
    /// Offences since the subject was last forgotten.
    pub offences: u32,
    /// Bans that followed from them.
    pub bans: u32,
    /// The first of them.
    pub first: String,
    /// The last of them.
    pub last: String,
    /// Whether the subject is banned at the moment.
    pub banned: bool,
}

/// What the kernel says of an address.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// The address asked about.
    pub address: String,
    /// The strongest verdict: `banned`, `throttled`, `allowed`, `protected` or `none`.
    pub verdict: String,
    /// Every element of the kernel that matches.
    pub elements: Vec<KernelElement>,
}

/// An element in the kernel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KernelElement {
    /// The list it stands in.
    pub list: String,
    /// Whom it is about.
    pub subject: String,
    /// The port it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Seconds left; null: no end.
    pub seconds_left: Option<u64>,
    /// Packets that matched.
    pub packets: u64,
    /// Bytes that matched.
    pub bytes: u64,
}

/// The whole story of a subject.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// Whom it is about.
    pub subject: String,
    /// What the kernel says.
    pub check: Check,
    /// Every measure in force that reaches the subject.
    pub holds: Vec<Hold>,
    /// What is remembered of its misbehaviour.
    pub offender: Option<Offender>,
    /// The journal's lines about it, oldest first.
    pub story: Vec<Entry>,
    /// How to undo what is in force.
    pub undo: Vec<String>,
}

/// A trap and its catch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trap {
    /// The port (`tcp/23`).
    pub port: String,
    /// The address it is bound to.
    pub address: String,
    /// Whether it stands.
    pub set: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// How often it was touched since the daemon came up.
    pub touched: u64,
    /// Who touched it last.
    pub last_peer: Option<String>,
    /// When it was touched last.
    pub last_at: Option<String>,
}

/// A line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number; later lines have higher ones.
    pub id: i64,
    /// When.
    pub at: String,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// What kind of line (`offence`, `decision`, `release`, ...).
    pub kind: String,
    /// Whom it is about.
    pub subject: Option<String>,
    /// The measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// When the measure ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Which ban in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth_ban: Option<u32>,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The line in words.
    pub text: String,
    /// What was seen, as named values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<(String, String)>,
}

impl MeasureName {
    /// Returns the name as written in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::ThrottleSoft => "throttle-soft",
            Self::ThrottleHard => "throttle-hard",
            Self::Ban => "ban",
        }
    }
}
