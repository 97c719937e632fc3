//! What happened over time, for charts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Counts for steps of time, the oldest step first, without gaps.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// How long a step is, in seconds.
    pub step: u64,
    /// The steps. Those from before the daemon came up know no packets.
    pub steps: Vec<Step>,
}

/// What was counted within one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// When the step began, in seconds of Unix time.
    pub at: u64,
    /// Offences.
    pub offences: u64,
    /// Bans that began.
    pub bans: u64,
    /// New connections that were let in; null: not counted then.
    pub let_in: Option<u64>,
    /// Packets that were turned away; null: not counted then.
    pub turned_away: Option<u64>,
}

/// Who and what stands out within a span of time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Top {
    /// Whose packets were turned away most often, the worst first.
    pub sources: Vec<Ranked>,
    /// The ports (`tcp/22`) at which most packets were turned away.
    pub ports_blocked: Vec<Ranked>,
    /// The ports with most new connections that were let in.
    pub ports_allowed: Vec<Ranked>,
}

/// A name with its count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ranked {
    /// The address or the port.
    pub name: String,
    /// How often.
    pub count: u64,
}
