//! What the kernel's sets hold: elements, the lists they stand in, and changes to them.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{Port, PortPolicy, Span, Subject, Timestamp, UnitDoor};

/// How hard a subject is throttled; the rates are in `[throttle]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// The milder rates.
    Soft,
    /// The harder rates.
    Hard,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
        })
    }
}

/// A list in the kernel, in the order in which a packet meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// Subjects that nothing may touch: no ban, trap or throttle applies to them.
    Protect,
    /// Subjects that are always accepted.
    Allow,
    /// Subjects whose packets are dropped, all or those to certain ports.
    Ban,
    /// Subjects held to the hard rates.
    ThrottleHard,
    /// Subjects held to the soft rates.
    ThrottleSoft,
    /// Sources, each with a port that is open for them; all of a family if it is open for everybody.
    Grant,
    /// Ports that are shut for everybody.
    Shut,
    /// Destinations, each with a port that stays open for a while after its listener is gone.
    Grace,
    /// Destinations, each with a port that is open as long as something listens there.
    Follow,
    /// Families for whom the posture is closed.
    Closed,
    /// Families of which nobody is turned away.
    Paused,
}

impl List {
    /// The lists that say how a source is treated.
    pub const OF_SOURCES: [Self; 5] =
        [Self::Protect, Self::Allow, Self::Ban, Self::ThrottleHard, Self::ThrottleSoft];

    /// The lists that say which ports are open, and for whom.
    pub const OF_DOORS: [Self; 6] =
        [Self::Grant, Self::Shut, Self::Grace, Self::Follow, Self::Closed, Self::Paused];

    /// Every list.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::OF_SOURCES.into_iter().chain(Self::OF_DOORS)
    }

    /// Returns the throttle list of this strength.
    pub const fn throttle(strength: Strength) -> Self {
        match strength {
            Strength::Soft => Self::ThrottleSoft,
            Strength::Hard => Self::ThrottleHard,
        }
    }

    /// Returns the list's name, as in the kernel's set names and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protect => "protect",
            Self::Allow => "allow",
            Self::Ban => "ban",
            Self::ThrottleHard => "throttle-hard",
            Self::ThrottleSoft => "throttle-soft",
            Self::Grant => "grant",
            Self::Shut => "shut",
            Self::Grace => "grace",
            Self::Follow => "follow",
            Self::Closed => "closed",
            Self::Paused => "paused",
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A subject in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// The list that it stands in.
    pub list: List,
    /// Whom it is about.
    pub subject: Subject,
    /// The one port it is about; `None` for all. Of the lists of sources, only [`List::Ban`] has
    /// elements with ports; of the lists of doors, only [`List::Closed`] and
    /// [`List::Paused`] have some without.
    pub port: Option<Port>,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.list, self.subject)?;
        self.port.map_or(Ok(()), |port| write!(f, " {port}"))
    }
}

/// When something ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Until(Timestamp);

impl Until {
    /// It never ends by itself.
    pub const FOREVER: Self = Self(Timestamp::MAX);

    /// Returns the end of what begins at `now` and lasts for a span.
    pub fn after(span: Span, now: Timestamp) -> Self {
        match span {
            Span::For(length) => Self::at(now.plus(length)),
            Span::Forever => Self::FOREVER,
        }
    }

    /// Returns an end at `moment`.
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// Returns the moment of the end, `None` if there is none.
    pub fn moment(self) -> Option<Timestamp> {
        (self != Self::FOREVER).then_some(self.0)
    }

    /// Returns whether the end has come at `now`.
    pub fn is_over(self, now: Timestamp) -> bool {
        self != Self::FOREVER && self.0 <= now
    }
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.moment() {
            Some(moment) => write!(f, "@{}", moment.as_millis()),
            None => f.write_str("forever"),
        }
    }
}

/// One element that the kernel has to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The element shall be in the kernel until then; one that is there gets the new end.
    Install(Element, Until),
    /// The element shall not be in the kernel; one that is absent is no error.
    Remove(Element),
}

impl Change {
    /// Returns the element that the change is about.
    pub const fn element(&self) -> Element {
        match self {
            Self::Install(element, _) | Self::Remove(element) => *element,
        }
    }
}

/// One difference that the kernel has to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// An element comes or goes.
    Element(Change),
    /// These control groups, and no others, open their ports.
    Units(Arc<BTreeSet<UnitDoor>>),
    /// These are the rules for ports.
    Ports(Arc<PortPolicy>),
}
