//! Rules that anomalies lead to, and what operators say of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rule that waits for an operator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// Its number.
    pub id: u64,
    /// Whom it is about.
    pub subject: String,
    /// What it would do.
    pub measure: String,
    /// For which ports; empty for all.
    pub ports: Vec<String>,
    /// For how long, in seconds; absent: forever.
    #[serde(rename = "for")]
    pub seconds: Option<u64>,
    /// What found the anomaly (`anomaly port_scan`).
    pub rule: String,
    /// How bad it is: `low`, `medium`, `high`, `critical`.
    pub severity: String,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// What was seen the last time.
    pub evidence: BTreeMap<String, String>,
    /// When it was proposed first.
    pub since: String,
    /// When it is forgotten.
    pub until: String,
    /// How often it was found.
    pub times: u32,
}

/// Say whether a proposed rule is wanted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalOrder {
    /// Its number.
    pub id: u64,
    /// What is said.
    pub verdict: ProposalVerdict,
}

/// What is said of a proposed rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalVerdict {
    /// It is put in force.
    Accept,
    /// It is not wanted.
    Dismiss,
}
