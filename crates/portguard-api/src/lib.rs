//! The words on the wire: what the control socket takes and gives, as JSON.
//!
//! Plain data with serde and OpenAPI descriptions; no I/O and nothing of the guard's own types, so
//! that every face can use it. Moments are RFC 3339 texts in UTC, lengths of time are whole
//! seconds, subjects are written as on the command line. Fields are added, never renamed.

pub mod config;
pub mod history;
pub mod knock;
pub mod order;
pub mod packet;
pub mod port;
pub mod proposal;
pub mod remote;
pub mod share;
pub mod stream;
pub mod table;
pub mod traffic;
pub mod view;
pub mod watch;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every refused or failed request answers with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What went wrong: one line, lower case, naming the thing.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whose turn it is.
    pub kind: ProblemKind,
}

/// Whose turn it is after a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The request makes no sense as it is.
    Usage,
    /// The rules of the guard forbid it.
    Refused,
    /// The peer may not ask this.
    NotPermitted,
    /// The kernel did not take it over.
    NotEnforced,
    /// The daemon is too busy, or on its way down.
    Unavailable,
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to pass as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
