//! What can be reached from outside right now, and through which rule.

use std::fmt;

/// Whether others reach a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Others reach it.
    Open,
    /// Nobody reaches it but those it was opened for.
    Closed,
    /// Nobody reaches it until somebody approves of it.
    Pending,
    /// It is bound to this host itself.
    Local,
}

impl Reach {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Pending => "pending",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
