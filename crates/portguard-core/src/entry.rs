//! Journal entries: what the guard decided, refused, noticed and repaired, as data.

mod measure;
mod words;

use std::{fmt, net::IpAddr, num::NonZeroU32, sync::Arc};

use crate::{
    DoorAct, Evidence, FaceUser, Family, Grade, Health, KeyName, KnockNews, Owner, Port, Posture,
    Process, Proposal, Reach, Refusal, RemoteStep, Ruling, Severity, ShareStep, Subject, Timestamp,
    Until,
};

pub use measure::Measure;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub note: Note,
}

/// How much an entry matters to somebody who reads along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What an operator would tell a colleague.
    Info,
    /// Worth waking someone eventually.
    Warning,
    /// Broken now.
    Error,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The daemon came up.
    Started {
        /// The program's version.
        version: Arc<str>,
    },
    /// The daemon goes down; the text says what happens to the kernel table.
    Stopped {
        /// `the kernel table stays` or `the kernel table is removed`.
        table: Arc<str>,
    },
    /// A trap stands.
    TrapSet {
        /// The address family.
        family: Family,
        /// The address it is bound to.
        address: IpAddr,
        /// The port.
        port: Port,
    },
    /// A trap cannot be set.
    TrapMissing {
        /// The address family.
        family: Family,
        /// The address it would be bound to.
        address: IpAddr,
        /// The port.
        port: Port,
        /// Why, with the process that holds the port.
        why: String,
    },
    /// Somebody misbehaved.
    Offence {
        /// The address that misbehaved.
        peer: IpAddr,
        /// The subject that it is counted for.
        subject: Subject,
        /// What noticed it (`trap tcp/23`).
        origin: Arc<str>,
        /// How far the evidence can be trusted.
        grade: Grade,
        /// What was seen.
        evidence: Evidence,
        /// Why nothing follows from it, if nothing does.
        excused: Option<String>,
    },
    /// The guard decided.
    Decision(Decision),
    /// A measure ended.
    Release(Release),
    /// The guard would not do what was asked.
    Refused {
        /// Whom it was about.
        subject: Subject,
        /// What was asked.
        measure: Measure,
        /// Why not.
        refusal: Refusal,
        /// Who asked.
        author: Author,
    },
    /// A socket listens that others can reach, or could if somebody approved it.
    Listener {
        /// Protocol and port.
        port: Port,
        /// The address that it is bound to.
        address: IpAddr,
        /// Whose it is.
        owner: Owner,
        /// Whether others reach it.
        reach: Reach,
        /// Why, in words.
        why: String,
    },
    /// Somebody opened or shut ports.
    Doors {
        /// What was done.
        act: DoorAct,
        /// For whom; `None` for everybody.
        from: Option<Subject>,
        /// Which ports.
        ports: Vec<Port>,
        /// The service that was named, or empty.
        service: Arc<str>,
        /// Until when.
        until: Until,
        /// Who did it.
        author: Author,
    },
    /// Ports that somebody had opened or shut are again as the configuration has them.
    DoorsEnded {
        /// What had been done.
        act: DoorAct,
        /// For whom; `None` for everybody.
        from: Option<Subject>,
        /// Which ports.
        ports: Vec<Port>,
        /// Why it ended.
        cause: ReleaseCause,
    },
    /// The posture changed.
    Posture {
        /// What it is from now on.
        posture: Posture,
        /// Who ordered it.
        author: Author,
    },
    /// A risky change was made, and waits for confirmation.
    Awaiting {
        /// What was changed (`lockdown`).
        what: String,
        /// When it rolls back.
        deadline: Timestamp,
        /// Who made it.
        author: Author,
    },
    /// A risky change was confirmed.
    Confirmed {
        /// What was changed.
        what: String,
        /// Who confirmed it.
        author: Author,
    },
    /// A risky change was undone.
    RolledBack {
        /// What had been changed.
        what: String,
        /// Who undid it; `None` if nobody confirmed it in time.
        author: Option<Author>,
    },
    /// From here on nobody is turned away.
    Paused {
        /// Until when.
        until: Timestamp,
        /// Who ordered it.
        author: Author,
    },
    /// A pause is over.
    Resumed {
        /// Who ended it; `None` if its time was over.
        author: Option<Author>,
    },
    /// The configuration file was written.
    File {
        /// Where it lies.
        path: Arc<str>,
        /// What was done to it.
        deed: FileDeed,
    },
    /// The wall clock jumped; no duration changed.
    ClockStepped {
        /// How far, forwards if above zero.
        seconds: i64,
    },
    /// An operator said who may or may not open ports by listening.
    Ruling(Ruling),
    /// An anomaly that no rule about a source could end: a process of this host.
    Anomaly {
        /// What found it (`anomaly process_fanout`).
        origin: Arc<str>,
        /// How bad it is.
        severity: Severity,
        /// What was seen.
        evidence: Evidence,
    },
    /// A rule is proposed.
    Proposed(Proposal),
    /// An operator does not want a proposed rule.
    Dismissed {
        /// Its number.
        id: u64,
        /// Whom it was about.
        subject: Subject,
        /// What had found the anomaly.
        origin: Arc<str>,
        /// Who dismissed it.
        author: Author,
    },
    /// Something became of a port that is shared with others through a provider.
    Share {
        /// The port.
        port: Port,
        /// The provider, as it is configured.
        provider: Arc<str>,
        /// What.
        step: ShareStep,
    },
    /// Something became of the control file.
    Remote {
        /// What.
        step: RemoteStep,
        /// How far the file can be trusted.
        grade: Grade,
    },
    /// Somebody knocked.
    Knock(KnockNews),
    /// Somebody else changed our table, and what was lost is put back.
    Repaired {
        /// What was lost (`flush of set ban4`).
        what: String,
        /// Who did it.
        by: Process,
    },
    /// A source's health changed.
    Health {
        /// The source's name.
        source: Arc<str>,
        /// How it does.
        health: Health,
    },
    /// A batch of changes could not be enforced.
    NotEnforced {
        /// Why.
        why: Arc<str>,
    },
    /// A table of the guard is full and something was dropped from it.
    Full {
        /// The table's name.
        table: &'static str,
        /// What was dropped.
        dropped: Subject,
    },
}

/// What was done to the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileDeed {
    /// Somebody changed it through a face.
    Changed(Author),
    /// What was changed in it was rolled back, and it has its former text again.
    Restored,
    /// What was changed in it was rolled back, but somebody has written it since: it stays.
    LeftAlone,
}

/// Who decided something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// The guard itself, from evidence.
    Guard,
    /// An operator over the control socket, with this user id.
    Operator(u32),
    /// An operator who came through the web face, which vouches for the name.
    Web(FaceUser),
    /// An administrator who changed our sets with another program (`nft`).
    Administrator,
    /// The configuration.
    Configuration,
    /// An import from another program.
    Import,
    /// A control file with this serial; `None`: one that nobody signed.
    ControlFile(Option<NonZeroU32>),
    /// Somebody who knocked, with this key.
    Knock(KeyName),
}

impl Author {
    /// Returns whether nobody is there who could confirm or take back what was ordered.
    pub const fn is_absent(self) -> bool {
        matches!(self, Self::ControlFile(_))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guard => f.write_str("guard"),
            Self::Operator(uid) => write!(f, "operator (uid {uid})"),
            Self::Web(user) => write!(f, "web:{user}"),
            Self::Administrator => f.write_str("administrator"),
            Self::Configuration => f.write_str("configuration"),
            Self::Import => f.write_str("import"),
            Self::ControlFile(Some(serial)) => write!(f, "control file, serial {serial}"),
            Self::ControlFile(None) => f.write_str("control file, unsigned"),
            Self::Knock(key) => write!(f, "knock of {key}"),
        }
    }
}

/// A measure that the guard decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whom it is about.
    pub subject: Subject,
    /// What is done.
    pub measure: Measure,
    /// The ports it is limited to; empty for all.
    pub ports: Vec<Port>,
    /// When it ends.
    pub until: Until,
    /// Which ban in a row it is; 0 if it is none that a ladder gave.
    pub nth_ban: u32,
    /// Why.
    pub reason: Arc<str>,
    /// Who decided.
    pub author: Author,
}

/// The end of a measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Whom it was about.
    pub subject: Subject,
    /// What ends.
    pub measure: Measure,
    /// Why it ends.
    pub cause: ReleaseCause,
}

/// Why a measure ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseCause {
    /// Its time was over.
    Expired,
    /// Somebody lifted it.
    Lifted(Author),
    /// The subject was put on the allow list.
    Allowed,
    /// The subject is protected, for this reason.
    Protected(Arc<str>),
    /// A stronger or longer measure took its place.
    Replaced,
    /// The table was full and it was the next to end.
    Evicted,
    /// The kernel listed the source, but no handshake was completed.
    Unconfirmed,
}

impl fmt::Display for ReleaseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("its time is over"),
            Self::Lifted(author) => write!(f, "lifted by {author}"),
            Self::Allowed => f.write_str("it is on the allow list"),
            Self::Protected(why) => write!(f, "it is protected: {why}"),
            Self::Replaced => f.write_str("another measure took its place"),
            Self::Evicted => f.write_str("the table was full and it was the next to end"),
            Self::Unconfirmed => f.write_str("no handshake was completed"),
        }
    }
}

impl Note {
    /// Returns whom the note is about, if it is about somebody.
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::Offence { peer, .. } => Some(Subject::address(*peer)),
            Self::Decision(Decision { subject, .. })
            | Self::Release(Release { subject, .. })
            | Self::Refused { subject, .. } => Some(*subject),
            Self::Proposed(Proposal { subject, .. }) | Self::Dismissed { subject, .. } => {
                Some(*subject)
            }
            Self::Doors { from, .. } | Self::DoorsEnded { from, .. } => *from,
            Self::Remote { step, .. } => step.subject(),
            Self::Knock(news) => Some(news.subject()),
            Self::Full { dropped, .. } => Some(*dropped),
            _ => None,
        }
    }

    /// Returns the stable name of the note's kind, as in `--json`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Stopped { .. } => "stopped",
            Self::TrapSet { .. } => "trap-set",
            Self::TrapMissing { .. } => "trap-missing",
            Self::Offence { .. } => "offence",
            Self::Decision(_) => "decision",
            Self::Release(_) => "release",
            Self::Refused { .. } => "refused",
            Self::Listener { .. } => "listener",
            Self::Doors { .. } => "doors",
            Self::DoorsEnded { .. } => "doors-ended",
            Self::Posture { .. } => "posture",
            Self::Awaiting { .. } => "awaiting",
            Self::Confirmed { .. } => "confirmed",
            Self::RolledBack { .. } => "rolled-back",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::File { .. } => "configuration-file",
            Self::ClockStepped { .. } => "clock-stepped",
            Self::Ruling(_) => "ruling",
            Self::Anomaly { .. } => "anomaly",
            Self::Proposed(_) => "proposed",
            Self::Dismissed { .. } => "dismissed",
            Self::Share { .. } => "share",
            Self::Remote { .. } => "remote",
            Self::Knock(_) => "knock",
            Self::Repaired { .. } => "repaired",
            Self::Health { .. } => "health",
            Self::NotEnforced { .. } => "not-enforced",
            Self::Full { .. } => "full",
        }
    }

    /// Returns how much the note matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::TrapMissing { .. }
            | Self::Awaiting { .. }
            | Self::ClockStepped { .. }
            | Self::RolledBack { .. }
            | Self::Paused { .. }
            | Self::File { deed: FileDeed::Restored | FileDeed::LeftAlone, .. }
            | Self::Proposed(_)
            | Self::Anomaly { .. }
            | Self::Listener { reach: Reach::Pending, .. }
            | Self::Repaired { .. }
            | Self::Full { .. }
            | Self::Knock(KnockNews { refused: Some(_), .. })
            | Self::Health { health: Health::Degraded(_), .. } => Level::Warning,
            Self::Share { step, .. } => step.level(),
            Self::Remote { step, .. } => step.level(),
            Self::Health { health: Health::Broken(_), .. } | Self::NotEnforced { .. } => {
                Level::Error
            }
            _ => Level::Info,
        }
    }
}
