//! What operators ask for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Put a subject on a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldOrder {
    /// What to do.
    pub measure: MeasureName,
    /// An address or network.
    pub subject: String,
    /// For how long, as on the command line; absent: forever.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub span: Option<String>,
    /// For which ports (`tcp/22`); empty for all. Bans only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Take a subject off a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftOrder {
    /// Which kind of measure to end; of the throttles, either.
    pub measure: LiftedName,
    /// An address or network; absent: all of them (bans only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Many subjects at once, in one go to the kernel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManyOrder {
    /// The single orders.
    pub holds: Vec<HoldOrder>,
}

/// What another program remembers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportOrder {
    /// Where it comes from (`port-trap`).
    pub source: String,
    /// Measures in force.
    pub holds: Vec<ImportedHold>,
    /// Past offenders.
    pub offenders: Vec<ImportedOffender>,
}

/// A measure in force in another program.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedHold {
    /// What is done.
    pub measure: MeasureName,
    /// To whom.
    pub subject: String,
    /// Since when, in seconds since the Unix epoch.
    pub since: u64,
    /// Until when, in seconds since the Unix epoch; absent: forever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Which ban in a row it is.
    pub nth_ban: u32,
    /// Why.
    pub reason: String,
}

/// An offender that another program remembers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedOffender {
    /// Whom it is about.
    pub subject: String,
    /// How many offences.
    pub offences: u32,
    /// How many bans.
    pub bans: u32,
    /// The first offence, in seconds since the Unix epoch.
    pub first: u64,
    /// The last offence, in seconds since the Unix epoch.
    pub last: u64,
}

/// A measure, as named everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeasureName {
    /// Always accept.
    Allow,
    /// Hold to the soft rates.
    ThrottleSoft,
    /// Hold to the hard rates.
    ThrottleHard,
    /// Drop.
    Ban,
}

/// A kind of measure that can be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LiftedName {
    /// An entry of the allow list.
    Allow,
    /// A throttle of either strength.
    Throttle,
    /// A ban, for all ports or some.
    Ban,
}

/// What an order led to. It is in the kernel and in the ledger when this is answered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderDone {
    /// How many subjects it was about.
    pub subjects: usize,
    /// The orders among many that were refused, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedOrder>,
    /// Set when the decision is not on disk yet, with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten: Option<String>,
    /// Set when nothing was changed in the kernel because the daemon only observes.
    #[serde(default)]
    pub observed_only: bool,
}

/// One refused order among many.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefusedOrder {
    /// Whom it was about.
    pub subject: String,
    /// Why not.
    pub why: String,
}

/// Pause: for a while nobody is turned away, and what is decided meanwhile waits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseOrder {
    /// For how long (`10m`), at most a day; absent: go on at once.
    #[serde(default, rename = "for")]
    pub span: Option<String>,
}
