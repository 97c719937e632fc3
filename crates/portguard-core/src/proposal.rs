//! Rules that anomalies lead to, for an operator to accept.

use std::sync::Arc;

use crate::{Measure, Offence, Port, Severity, Span, Subject, Timestamp};

/// An anomaly with the rule that follows from it.
#[derive(Clone, Debug)]
pub struct Anomaly {
    /// What was seen. Its ladder says how wide a measure is, and how long.
    pub offence: Offence,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// What is done about it.
    pub respond: Respond,
}

/// What an anomaly leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Respond {
    /// A rule that an operator can accept.
    Propose,
    /// A rule in force.
    Auto,
}

/// A rule that waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its number.
    pub id: u64,
    /// Whom it is about.
    pub subject: Subject,
    /// What it would do.
    pub measure: Measure,
    /// For which ports; empty for all.
    pub ports: Vec<Port>,
    /// For how long.
    pub span: Span,
    /// What found the anomaly (`anomaly port_scan`).
    pub origin: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// What was seen the last time, as named values.
    pub evidence: Vec<(String, String)>,
    /// When it was proposed first.
    pub since: Timestamp,
    /// When it is forgotten.
    pub until: Timestamp,
    /// How often it was found.
    pub times: u32,
    /// An operator does not want it; kept so that it is not proposed again.
    pub dismissed: bool,
}
