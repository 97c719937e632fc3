//! What was decided about a packet, and by which rule.

use std::{fmt, sync::Arc};

use crate::Headers;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was turned away.
    Blocked,
    /// It was let in as the first of its connection.
    Allowed,
}

impl Verdict {
    /// Returns the verdict's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Allowed => "allowed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A decision about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketDecision {
    /// Its number; later ones have higher ones. 0 before it is recorded.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided, and the set or service that matched: `ban ban4`, `closed`.
    pub reason: Arc<str>,
    /// The interface it came in by; empty if unknown.
    pub interface: Arc<str>,
    /// What its headers say.
    pub headers: Headers,
}

impl PacketDecision {
    /// Returns the rule's word: `ban`.
    pub fn rule(&self) -> &str {
        word(&self.reason)
    }

    /// Returns the set or the service that matched, if the rule looked one up.
    pub fn matched(&self) -> Option<&str> {
        self.reason.split_once(' ').map(|(_, matched)| matched)
    }
}

/// Returns the rule's word in a reason.
pub(crate) fn word(reason: &str) -> &str {
    reason.split(' ').next().unwrap_or(reason)
}
