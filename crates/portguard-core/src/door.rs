//! Which ports let whom in: the policy for ports, and what operators open and shut.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    Author, Element, Family, List, Listener, Port, Rate, Subject, Timestamp, Until,
    service::{PortError, PortRange},
};

/// What passes when nothing speaks for or against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Posture {
    /// Everything.
    #[default]
    Open,
    /// Nothing.
    Closed,
}

/// Whose listening sockets open their ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Everybody's.
    All,
    /// Those of whom an [`Approval`] admits.
    #[default]
    Approved,
    /// Nobody's.
    None,
}

/// A name for ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The ports.
    pub ports: Vec<PortRange>,
    /// New connections that one source may make; above it they are turned away.
    pub rate: Option<Rate>,
}

/// Which ports are open, and for whom they may open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortPolicy {
    /// What passes when nothing speaks for or against it.
    pub posture: Posture,
    /// Open even if nothing listens.
    pub always: Vec<PortRange>,
    /// Never open, even if something listens. Stronger than all else here.
    pub never: Vec<PortRange>,
    /// Whose listening sockets open their ports.
    pub follow: Follow,
    /// How long a port stays open after its listener is gone.
    pub grace: Duration,
    /// Who may open what.
    pub approvals: Vec<Approval>,
    /// Names for ports.
    pub services: BTreeMap<Arc<str>, Service>,
    /// Vacant ports that one source is answered at in an open posture; `None`: at all of them.
    pub vacant: Option<Rate>,
}

/// Who may open what by listening; all that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Approval {
    /// The systemd unit.
    pub unit: Option<Arc<str>>,
    /// The program's file.
    pub exe: Option<Arc<str>>,
    /// The user.
    pub user: Option<Arc<str>>,
    /// The ports; empty for any.
    pub ports: Vec<PortRange>,
}

/// What an operator said of listening sockets while the daemon ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Which sockets.
    pub of: Approval,
    /// Whether they may open their ports; a denial is stronger than any approval.
    pub approved: bool,
    /// When.
    pub since: Timestamp,
    /// Who said so.
    pub author: Author,
}

/// A control group whose sockets open their ports in the kernel, by one approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitDoor {
    /// Index into [`PortPolicy::approvals`].
    pub approval: u16,
    /// The group's number in the cgroup v2 hierarchy: its inode number.
    pub group: u64,
    /// How deep it lies below the root: 2 for `system.slice/nginx.service`.
    pub level: u8,
}

/// A control group of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitGroup {
    /// Its inode number.
    pub group: u64,
    /// How deep it lies below the root.
    pub level: u8,
}

/// What is done to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DoorAct {
    /// It is open, whatever the posture.
    Open,
    /// It is shut, whatever listens and whatever the posture.
    Shut,
}

/// A port that somebody opened or shut. Its own key: there is one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Door {
    /// What is done.
    pub act: DoorAct,
    /// For whom; `None` for everybody. A port is shut for everybody only.
    pub from: Option<Subject>,
    /// The port.
    pub port: Port,
}

/// A door with its circumstances, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDoor {
    /// Which.
    pub door: Door,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Until,
    /// Who did it.
    pub author: Author,
    /// The service that was named, or empty.
    pub service: Arc<str>,
}

/// What operators decided beside the configuration and what still waits for confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The posture that an operator ordered; `None` for the configured one.
    pub posture: Option<Posture>,
    /// A change that rolls back unless it is confirmed.
    pub pending: Option<Pending>,
    /// The configuration of ports that was rolled back, by its fingerprint, so that it does not
    /// come back with the next start.
    pub rejected: Option<Arc<str>>,
    /// Until when nobody is turned away; `None`: it is not paused.
    pub paused: Option<Timestamp>,
}

/// A risky change that rolls back unless it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What was changed.
    pub what: RiskyChange,
    /// When it was made.
    pub since: Timestamp,
    /// When it rolls back.
    pub deadline: Timestamp,
    /// Who made it.
    pub author: Author,
}

/// What was changed, with what undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RiskyChange {
    /// The posture became closed; before, operators had ordered this one.
    Lockdown {
        /// What [`Standing::posture`] was.
        before: Option<Posture>,
    },
    /// Ports by which operators come in were shut.
    Shut {
        /// Which.
        ports: Vec<Port>,
    },
    /// A new configuration takes ways in away.
    Configuration {
        /// Its fingerprint.
        fingerprint: Arc<str>,
    },
}

impl Door {
    /// Returns the kernel elements that make the door: one for each family, or the source's.
    pub fn elements(self) -> Vec<Element> {
        let list = match self.act {
            DoorAct::Open => List::Grant,
            DoorAct::Shut => List::Shut,
        };
        let sources = self.from.map_or_else(everybody, |subject| vec![subject]);
        let element = |subject| Element { list, subject, port: Some(self.port) };
        sources.into_iter().map(element).collect()
    }

    /// Returns the door that an element is part of, `None` if it is part of none.
    pub fn of(element: &Element) -> Option<Self> {
        let act = match element.list {
            List::Grant => DoorAct::Open,
            List::Shut => DoorAct::Shut,
            _ => return None,
        };
        let from = (element.subject.prefix_len() > 0).then_some(element.subject);
        (act == DoorAct::Open || from.is_none()).then_some(Self { act, from, port: element.port? })
    }
}

/// Returns the networks of all addresses, one for each family.
pub fn everybody() -> Vec<Subject> {
    [Family::V4, Family::V6].map(|family| Subject::containing(family.unspecified(), 0)).into()
}

impl PortPolicy {
    /// Returns whether a port is open even if nothing listens.
    pub fn is_always(&self, port: Port) -> bool {
        self.always.iter().any(|range| range.contains(port))
    }

    /// Returns whether a port may never open.
    pub fn is_never(&self, port: Port) -> bool {
        self.never.iter().any(|range| range.contains(port))
    }
}

impl Approval {
    /// Returns whether it admits a socket.
    pub fn admits(&self, listener: &Listener) -> bool {
        let owner = &listener.owner;
        let fits = |wanted: &Option<Arc<str>>, found: Option<&Arc<str>>| {
            wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        };
        fits(&self.unit, owner.unit.as_ref())
            && fits(&self.exe, owner.exe.as_ref())
            && fits(&self.user, Some(&owner.user))
            && self.covers(listener.port)
    }

    /// Returns whether it is about a port.
    pub fn covers(&self, port: Port) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|range| range.contains(port))
    }

    /// Returns the unit, if the control group alone decides, so that the kernel can.
    pub fn unit_alone(&self) -> Option<&Arc<str>> {
        self.unit.as_ref().filter(|_| self.exe.is_none() && self.user.is_none())
    }
}

/// Why a text is no approval.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApprovalError {
    /// A word is neither a port nor a name with its kind.
    #[error("`{0}` is neither a port like `tcp/8080` nor `unit:NAME`, `exe:PATH` or `user:NAME`")]
    Word(String),
    /// A port is none.
    #[error(transparent)]
    Port(#[from] PortError),
    /// There is no word.
    #[error("nothing is named; write `tcp/8080`, `unit:NAME`, `exe:PATH` or `user:NAME`")]
    Empty,
}

impl FromStr for Approval {
    type Err = ApprovalError;

    /// Reads words separated by spaces: `unit:nginx.service tcp/80 tcp/443`.
    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        let mut approval = Self::default();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                Some(("unit", name)) if !name.is_empty() => approval.unit = Some(name.into()),
                Some(("exe", path)) if path.starts_with('/') => approval.exe = Some(path.into()),
                Some(("user", name)) if !name.is_empty() => approval.user = Some(name.into()),
                None if word.contains('/') => approval.ports.push(word.parse()?),
                Some(_) | None => return Err(ApprovalError::Word(word.to_owned())),
            }
        }
        if approval == Self::default() { Err(ApprovalError::Empty) } else { Ok(approval) }
    }
}

impl fmt::Display for Approval {
    /// Writes it as it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [("unit", &self.unit), ("exe", &self.exe), ("user", &self.user)];
        let mut words: Vec<String> = named
            .into_iter()
            .filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind}:{name}")))
            .collect();
        words.extend(self.ports.iter().map(ToString::to_string));
        f.write_str(&words.join(" "))
    }
}

impl Posture {
    /// Returns its name, as in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Door {
    /// Writes `open tcp/22 from 192.0.2.7`, `shut tcp/22`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = match self.act {
            DoorAct::Open => "open",
            DoorAct::Shut => "shut",
        };
        write!(f, "{act} {}", self.port)?;
        self.from.map_or(Ok(()), |subject| write!(f, " from {subject}"))
    }
}

impl fmt::Display for RiskyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lockdown { .. } => f.write_str("lockdown"),
            Self::Shut { ports } => {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                write!(f, "close {}", ports.join(" "))
            }
            Self::Configuration { .. } => f.write_str("new configuration"),
        }
    }
}
