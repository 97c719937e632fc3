//! What is asked of the daemon, and what its answers say. Pure.

use std::{fmt::Write as _, time::Duration};

use portguard_api::{
    Problem,
    history::{History, Top},
    packet::PacketLog,
    port::{Door, Lockdown, PortRow, Ruling},
    proposal::Proposal,
    remote::Remote,
    table::Table,
    traffic::Connections,
    view::{Entry, Hold, Offender, Status, Trap, Why},
    watch::{Scan, Watch},
};
use serde::de::DeserializeOwned;

/// How many rows of a list are asked for: more than anybody scrolls through; a filter finds others.
pub(crate) const ROWS: usize = 500;

/// How many journal lines an answer has: twice those that are kept, for a host on which much happens.
pub(crate) const FOLLOWED: usize = 2_000;

/// How far back the bars of bans and offences go, in seconds: so far that a step is a minute.
const HISTORY: u64 = 7_200;

/// How many packet decisions an answer has: more come in a second than anybody reads.
const PACKETS: usize = 200;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The state of the guard.
    Status,
    /// Journal lines behind the one with this number; without one, the latest.
    Entries(Option<i64>),
    /// Packet decisions behind the one with this number; without one, the latest.
    Packets(Option<u64>),
    /// Who listens where.
    Ports,
    /// Ports that were opened or shut by order.
    Doors,
    /// What was said of listeners.
    Rulings,
    /// Subjects of a list.
    Holds(List, Search),
    /// Who misbehaved before.
    Offenders(Search),
    /// Rules that wait.
    Proposals,
    /// Connections with other hosts.
    Connections,
    /// Traps and their catch.
    Traps,
    /// Watches of logs.
    Watches,
    /// Standing scans.
    Scans,
    /// The control file.
    Remote,
    /// The story of a subject.
    Why(String),
    /// What a lockdown would take away.
    Lockdown,
    /// What happened over time.
    History,
    /// Who and what stands out.
    Top,
}

/// A list of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum List {
    /// Bans in force.
    Bans,
    /// Hard throttles.
    ThrottledHard,
    /// Soft throttles.
    ThrottledSoft,
    /// The allow list.
    Allowed,
    /// Who is protected.
    Protected,
}

/// Which rows of a table are wanted: the daemon sorts and looks through all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// By which column, as the daemon names it; without one, in the table's own order.
    pub(crate) sort: Option<&'static str>,
    /// Whether the greatest come first.
    pub(crate) descending: bool,
    /// What a row must have; an address or a network finds what is in it and around it.
    pub(crate) find: String,
}

/// What the daemon said.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// The state of the guard.
    Status(Box<Status>),
    /// Journal lines, oldest first.
    Entries(Vec<Entry>),
    /// Packet decisions, oldest first.
    Packets(PacketLog),
    /// Who listens where.
    Ports(Vec<PortRow>),
    /// Ports that were opened or shut by order.
    Doors(Vec<Door>),
    /// What was said of listeners.
    Rulings(Vec<Ruling>),
    /// Subjects of a list.
    Holds(List, Table<Hold>),
    /// Who misbehaved before.
    Offenders(Table<Offender>),
    /// Rules that wait.
    Proposals(Vec<Proposal>),
    /// Connections.
    Connections(Connections),
    /// Traps.
    Traps(Vec<Trap>),
    /// Watches.
    Watches(Vec<Watch>),
    /// Scans.
    Scans(Vec<Scan>),
    /// The control file.
    Remote(Box<Remote>),
    /// The story of a subject.
    Why(Box<Why>),
    /// What a lockdown would take away.
    Lockdown(Lockdown),
    /// What happened over time.
    History(History),
    /// Who and what stands out.
    Top(Top),
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum Unanswered {
    /// Nobody answers: why, and what helps.
    Away(String, Option<String>),
    /// The daemon refuses.
    Refused(Problem),
}

impl Ask {
    /// Returns the path and query of the question.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Status => "/v1/status".to_owned(),
            Self::Entries(None) => format!("/v1/events?limit={FOLLOWED}"),
            Self::Entries(Some(last)) => format!("/v1/events?after={last}&limit={FOLLOWED}"),
            Self::Packets(None) => format!("/v1/log?limit={PACKETS}"),
            Self::Packets(Some(last)) => format!("/v1/log?limit={PACKETS}&after={last}"),
            Self::Ports => "/v1/ports?all=true".to_owned(),
            Self::Doors => "/v1/doors".to_owned(),
            Self::Rulings => "/v1/rulings".to_owned(),
            Self::Holds(list, search) => {
                format!("/v1/table/holds?list={}&limit={ROWS}{}", list.name(), search.query())
            }
            Self::Offenders(search) => {
                format!("/v1/table/offenders?limit={ROWS}{}", search.query())
            }
            Self::Proposals => "/v1/proposals".to_owned(),
            Self::Connections => "/v1/connections".to_owned(),
            Self::Traps => "/v1/traps".to_owned(),
            Self::Watches => "/v1/watches".to_owned(),
            Self::Scans => "/v1/scans".to_owned(),
            Self::Remote => "/v1/remote".to_owned(),
            Self::Why(subject) => format!("/v1/why?subject={subject}"),
            Self::Lockdown => "/v1/lockdown".to_owned(),
            Self::History => format!("/v1/history?span={HISTORY}"),
            Self::Top => "/v1/top?span=3600&limit=30".to_owned(),
        }
    }

    /// Returns how often it is asked. A table is a copy of all its rows, which the daemon keeps for
    /// three seconds.
    pub(crate) const fn every(&self) -> Duration {
        match self {
            Self::Holds(..) | Self::Offenders(_) | Self::Why(_) => Duration::from_secs(3),
            Self::History | Self::Top => Duration::from_secs(5),
            _ => Duration::from_secs(1),
        }
    }

    /// Returns whether it is the same question, wherever that goes on.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Entries(_), Self::Entries(_)) | (Self::Packets(_), Self::Packets(_)) => true,
            _ => self == other,
        }
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When it is none to this question.
    pub(crate) fn read(&self, answer: &[u8]) -> Result<News, Unanswered> {
        Ok(match self {
            Self::Status => News::Status(json(answer)?),
            Self::Entries(_) => News::Entries(json(answer)?),
            Self::Packets(_) => News::Packets(json(answer)?),
            Self::Ports => News::Ports(json(answer)?),
            Self::Doors => News::Doors(json(answer)?),
            Self::Rulings => News::Rulings(json(answer)?),
            Self::Holds(list, _) => News::Holds(*list, json(answer)?),
            Self::Offenders(_) => News::Offenders(json(answer)?),
            Self::Proposals => News::Proposals(json(answer)?),
            Self::Connections => News::Connections(json(answer)?),
            Self::Traps => News::Traps(json(answer)?),
            Self::Watches => News::Watches(json(answer)?),
            Self::Scans => News::Scans(json(answer)?),
            Self::Remote => News::Remote(json(answer)?),
            Self::Why(_) => News::Why(json(answer)?),
            Self::Lockdown => News::Lockdown(json(answer)?),
            Self::History => News::History(json(answer)?),
            Self::Top => News::Top(json(answer)?),
        })
    }
}

impl List {
    /// Returns its name in paths.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bans => "bans",
            Self::ThrottledHard => "throttled-hard",
            Self::ThrottledSoft => "throttled-soft",
            Self::Allowed => "allowed",
            Self::Protected => "protected",
        }
    }
}

impl Search {
    /// Returns the worst first, by their bans.
    pub(crate) fn worst() -> Self {
        Self { sort: Some("bans"), descending: true, find: String::new() }
    }

    fn query(&self) -> String {
        let mut query = String::new();
        if let Some(sort) = self.sort {
            // Writing to a string does not fail.
            let _ = write!(query, "&sort={sort}&descending={}", self.descending);
        }
        if !self.find.is_empty() {
            query.push_str("&find=");
        }
        for byte in self.find.bytes() {
            // As above.
            let _ = match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(query, "{}", char::from(byte)),
                _ => write!(query, "%{byte:02x}"),
            };
        }
        query
    }
}

impl Unanswered {
    /// Returns why, and what helps.
    pub(crate) fn words(&self) -> (&str, Option<&str>) {
        match self {
            Self::Away(why, hint) => (why, hint.as_deref()),
            Self::Refused(problem) => (&problem.error, problem.hint.as_deref()),
        }
    }
}

fn json<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Unanswered> {
    let unread = |error| format!("the daemon's answer can not be read: {error}");
    let hint = "the daemon may be of another version than this program";
    serde_json::from_slice(answer)
        .map_err(|error| Unanswered::Away(unread(error), Some(hint.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_written_so_that_nothing_else_is_asked() {
        let search = Search { find: "a&b=é /".to_owned(), ..Search::worst() };
        assert_eq!(
            Ask::Holds(List::Bans, search).path(),
            "/v1/table/holds?list=bans&limit=500&sort=bans&descending=true&find=a%26b%3d%c3%a9%20%2f"
        );
        assert_eq!(Ask::Offenders(Search::default()).path(), "/v1/table/offenders?limit=500");
    }
}
