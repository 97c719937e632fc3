//! Watches and standing scans, and trying a rule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A watch: log sources and the rule that reads them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Watch {
    /// Its name.
    pub name: String,
    /// The rule as it is configured.
    pub rule: String,
    /// The files and journal matches that it reads.
    pub sources: Vec<String>,
    /// So many failures ...
    pub howmany: u32,
    /// ... within so many seconds are an offence.
    pub within: u64,
    /// `good`, `degraded` or `broken`.
    pub health: String,
    /// What is missing or does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Lines read since the daemon came up.
    pub lines: u64,
    /// Failures among them.
    pub failures: u64,
    /// Offences that they led to.
    pub offences: u64,
    /// Failures in the last hour.
    pub failures_last_hour: u64,
    /// The last line that told of a failure, at most 1,000 characters of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_line: Option<String>,
    /// When it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
}

/// A standing scan of packet decisions.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Scan {
    /// Which decisions (`blocked`, `allowed`).
    pub rule: String,
    /// Which protocol (`tcp`, `udp`, `icmp`, `any`).
    #[serde(rename = "type")]
    pub kind: String,
    /// So many of one source ...
    pub howmany: u32,
    /// ... within so many seconds put it into the set.
    pub within: u64,
    /// The set.
    pub set: String,
    /// For so many seconds; null: forever.
    pub remove_after: Option<u64>,
    /// How many subjects it found since the daemon came up.
    pub found: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_subject: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<String>,
}

/// Lines to try a rule on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The rule, as in `watch.rule`.
    pub rule: String,
    /// The lines; at most 256 KiB.
    pub text: String,
}

/// What a rule makes of lines.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TrialResult {
    /// How many lines there were.
    pub lines: u64,
    /// How many told of a failure or a success.
    pub matched: u64,
    /// How many said nothing to the rule.
    pub missed: u64,
    /// How many the rule leaves out on purpose.
    pub ignored: u64,
    /// One for each line, in their order, at most 10,000.
    pub judgements: Vec<Judged>,
}

/// What a rule makes of one line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Judged {
    /// `failure`, `success`, `ignored` or `nothing`.
    pub verdict: String,
    /// When, as the line says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// By which user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}
