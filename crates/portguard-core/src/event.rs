//! What goes in: what sources saw, and how far it can be trusted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    Author, Element, Ladder, List, ListedDoor, Listener, Subject, Timestamp, UnitGroup, Until,
};

/// Something a source saw.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened, by the source's clock.
    pub at: Timestamp,
    /// What was seen.
    pub fact: Fact,
}

/// What an event says.
#[derive(Clone, Debug)]
pub enum Fact {
    /// Somebody misbehaved.
    Offence(Offence),
    /// A trap's rule put the peer on a list inside the kernel; the offence itself follows as an
    /// event of its own, or the listing was wrong.
    KernelListed {
        /// The list that the kernel chose.
        list: List,
        /// The source of the packet.
        peer: IpAddr,
        /// How wide the kernel's element is: the subject it stands for.
        subject: Subject,
    },
    /// Somebody else added an element to one of our sets.
    ElementAdded {
        /// The element.
        element: Element,
        /// When it ends.
        until: Until,
        /// Who did it, if the kernel tells.
        by: Process,
    },
    /// Somebody else removed an element from one of our sets.
    ElementRemoved {
        /// The element.
        element: Element,
        /// Who did it, if the kernel tells.
        by: Process,
    },
    /// The kernel lost elements or the frame through somebody else; all of it has to go in again.
    KernelLost {
        /// What was lost, in words (`flush of set ban4`).
        what: String,
        /// Who did it, if the kernel tells.
        by: Process,
    },
    /// What the kernel was found to hold when the daemon came up.
    KernelHolds(Vec<(Element, Until)>),
    /// The addresses that must never be touched, each with the reason; replaces the ones before.
    Protected(BTreeMap<Subject, Arc<str>>),
    /// The subjects behind which somebody may need a way in: peers of live authenticated sessions
    /// and what the configuration protects; replaces the ones before.
    People(BTreeSet<Subject>),
    /// A host of the allow list was looked up; replaces the addresses known before.
    HostResolved {
        /// The name.
        host: Arc<str>,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// A source's health changed.
    Health {
        /// The source's name.
        source: Arc<str>,
        /// How it does.
        health: Health,
    },
    /// A source is there no more.
    SourceGone {
        /// The source's name.
        source: Arc<str>,
    },
    /// The enforcer worked through changes.
    Outcome {
        /// All changes up to this generation are in the kernel, or have failed.
        generation: u64,
        /// Why the last batch failed, if it did.
        failure: Option<Arc<str>>,
    },
    /// A part of what the ledger remembers, at start.
    Restored(Vec<ListedHold>),
    /// Past offenders that the ledger remembers, at start: subject, offences, bans, last offence.
    RestoredOffenders(Vec<(Subject, crate::Offender)>),
    /// Every socket that listens, whenever that has changed.
    Listeners(Vec<Listener>),
    /// The control groups of the units that approvals name, whenever that has changed.
    Units(BTreeMap<Arc<str>, BTreeSet<UnitGroup>>),
    /// Doors that the ledger remembers, at start.
    RestoredDoors(Vec<ListedDoor>),
    /// An anomaly was found.
    Anomaly(Box<crate::Anomaly>),
    /// Proposed rules that the ledger remembers, at start.
    RestoredProposals(Vec<crate::Proposal>),
    /// Somebody knocked.
    Knock(crate::Knock),
    /// Something for the journal: the daemon came up or goes down, a trap stands or can not.
    Noted(crate::Note),
}

/// A misbehaviour, as a detector reports it.
#[derive(Clone, Debug)]
pub struct Offence {
    /// The address that misbehaved.
    pub peer: IpAddr,
    /// What noticed it, as shown to people (`trap tcp/23`).
    pub origin: Arc<str>,
    /// How far the evidence can be trusted.
    pub grade: Grade,
    /// How the measure grows.
    pub ladder: Arc<Ladder>,
    /// What was seen.
    pub evidence: Evidence,
    /// The trap that noticed it, by port and bound address, if it was one.
    pub trap: Option<(crate::Port, IpAddr)>,
    /// A ban for it is for these ports only; `None`: for all.
    pub ports: Option<Arc<Vec<crate::Port>>>,
}

/// How far evidence can be trusted. Only [`Grade::Handshake`] and better may ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// One packet, whose source anybody can write.
    Forgeable,
    /// A completed handshake: the peer receives what is sent to its address.
    Handshake,
    /// An authenticated report.
    Authenticated,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forgeable => "forgeable",
            Self::Handshake => "handshake",
            Self::Authenticated => "authenticated",
        })
    }
}

/// What was seen, as named values in the order they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(pub Vec<(&'static str, String)>);

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{name}={value}")?;
        }
        Ok(())
    }
}

/// A process of this host, as far as the kernel names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The process id, if known.
    pub pid: Option<u32>,
    /// The command name, empty if unknown.
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.pid) {
            ("", None) => f.write_str("an unknown process"),
            ("", Some(pid)) => write!(f, "process {pid}"),
            (name, None) => f.write_str(name),
            (name, Some(pid)) => write!(f, "{name} (process {pid})"),
        }
    }
}

/// How a source of events, the kernel table or the ledger does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Good,
    /// It works in part; the text says what is missing.
    Degraded(String),
    /// It does not work; the text says why.
    Broken(String),
}

/// A hold as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedHold {
    /// Where it stands.
    pub list: List,
    /// Whom it is about.
    pub subject: Subject,
    /// The ports it is limited to; empty for all.
    pub ports: Vec<crate::Port>,
    /// When it began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Until,
    /// Which ban in a row it is; 0 if it is none that a ladder gave.
    pub nth_ban: u32,
    /// Who decided it.
    pub author: Author,
    /// Why.
    pub reason: Arc<str>,
}
