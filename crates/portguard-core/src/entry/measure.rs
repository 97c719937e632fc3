//! What is done to a subject, and the list of the kernel that carries it out.

use std::fmt;

use crate::{List, Strength};

/// What is done to a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Always accept.
    Allow,
    /// Hold to low rates.
    Throttle(Strength),
    /// Drop.
    Ban,
}

impl Measure {
    /// Returns the measure that a list carries out on a subject; none for [`List::Protect`] and the
    /// lists of doors.
    pub const fn of(list: List) -> Option<Self> {
        match list {
            List::Protect
            | List::Grant
            | List::Shut
            | List::Grace
            | List::Follow
            | List::Closed
            | List::Paused => None,
            List::Allow => Some(Self::Allow),
            List::Ban => Some(Self::Ban),
            List::ThrottleHard => Some(Self::Throttle(Strength::Hard)),
            List::ThrottleSoft => Some(Self::Throttle(Strength::Soft)),
        }
    }

    /// Returns the list that carries the measure out.
    pub const fn list(self) -> List {
        match self {
            Self::Allow => List::Allow,
            Self::Throttle(strength) => List::throttle(strength),
            Self::Ban => List::Ban,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.list().name())
    }
}
