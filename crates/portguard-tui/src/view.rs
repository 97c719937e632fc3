//! Pages and their views, in the order of the web face, and which questions each needs. Pure.

mod columns;

use crate::ask::{Ask, List, Search};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Page {
    /// How things are.
    Overview,
    /// Who listens, and what can be reached.
    Ports,
    /// Who is held, and who misbehaved before.
    Offenders,
    /// Packets, connections, proposed rules.
    Traffic,
    /// Traps, watches and scans.
    Traps,
    /// The journal.
    Logs,
    /// What comes from afar: the control file, and knocks.
    Afar,
}

/// A part of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// Rates, counts, the worst, the latest.
    Overview,
    /// How each source does.
    Sources,
    /// Who listens where.
    Ports,
    /// Ports that were opened or shut by order.
    Doors,
    /// What was said of listeners.
    Rulings,
    /// Bans in force.
    Bans,
    /// Throttles in force.
    Throttled,
    /// The allow list.
    Allowed,
    /// Who is protected.
    Protected,
    /// Who misbehaved before.
    Offenders,
    /// Packet decisions as they come.
    Packets,
    /// Connections with other hosts.
    Connections,
    /// Rules that wait.
    Proposals,
    /// Traps and their catch.
    Traps,
    /// Watches of logs.
    Watches,
    /// Standing scans.
    Scans,
    /// The journal as it goes on.
    Journal,
    /// The services that the control file may drive.
    ControlFile,
    /// Lines of the control file that are not carried out.
    LeftOut,
    /// The last knocks that a key signed.
    Knocks,
    /// Who may knock.
    Keys,
}

impl Page {
    /// All pages in their order.
    pub(crate) const ALL: [Self; 7] = [
        Self::Overview,
        Self::Ports,
        Self::Offenders,
        Self::Traffic,
        Self::Traps,
        Self::Logs,
        Self::Afar,
    ];

    /// Returns its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Ports => "Ports",
            Self::Offenders => "Offenders",
            Self::Traffic => "Traffic",
            Self::Traps => "Traps",
            Self::Logs => "Logs",
            Self::Afar => "Afar",
        }
    }

    /// Returns its views.
    pub(crate) const fn views(self) -> &'static [View] {
        match self {
            Self::Overview => &[View::Overview, View::Sources],
            Self::Ports => &[View::Ports, View::Doors, View::Rulings],
            Self::Offenders => {
                &[View::Bans, View::Throttled, View::Allowed, View::Protected, View::Offenders]
            }
            Self::Traffic => &[View::Packets, View::Connections, View::Proposals],
            Self::Traps => &[View::Traps, View::Watches, View::Scans],
            Self::Logs => &[View::Journal],
            Self::Afar => &[View::ControlFile, View::LeftOut, View::Knocks, View::Keys],
        }
    }
}

impl View {
    /// Returns its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Sources => "sources",
            Self::Ports => "ports",
            Self::Doors => "opened and shut",
            Self::Rulings => "approved and denied",
            Self::Bans => "bans",
            Self::Throttled => "throttled",
            Self::Allowed => "allowed",
            Self::Protected => "protected",
            Self::Offenders => "offenders",
            Self::Packets => "packets",
            Self::Connections => "connections",
            Self::Proposals => "proposals",
            Self::Traps => "traps",
            Self::Watches => "watches",
            Self::Scans => "scans",
            Self::Journal => "journal",
            Self::ControlFile => "control file",
            Self::LeftOut => "left out",
            Self::Knocks => "knocks",
            Self::Keys => "keys",
        }
    }

    /// Returns whether the newest row comes first and the cursor stays with it.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Packets | Self::Journal)
    }

    /// Returns whether the daemon sorts it and looks through it, being a part of many rows.
    pub(crate) const fn is_searched(self) -> bool {
        matches!(
            self,
            Self::Bans | Self::Throttled | Self::Allowed | Self::Protected | Self::Offenders
        )
    }

    /// Returns the lists that it shows.
    pub(crate) const fn lists(self) -> &'static [List] {
        match self {
            Self::Bans => &[List::Bans],
            Self::Throttled => &[List::ThrottledHard, List::ThrottledSoft],
            Self::Allowed => &[List::Allowed],
            Self::Protected => &[List::Protected],
            _ => &[],
        }
    }

    /// Returns what is asked for it, beside the status and the journal, that every view needs.
    pub(crate) fn asks(self, search: Search, packets_after: Option<u64>) -> Vec<Ask> {
        match self {
            Self::Overview => {
                let worst = Ask::Offenders(Search::worst());
                vec![worst, Ask::Proposals, Ask::History, Ask::Top]
            }
            // The status has them.
            Self::Sources | Self::Journal | Self::Knocks | Self::Keys => Vec::new(),
            Self::Ports => vec![Ask::Ports],
            Self::Doors => vec![Ask::Doors],
            Self::Rulings => vec![Ask::Rulings],
            Self::Bans | Self::Throttled | Self::Allowed | Self::Protected => {
                let lists = self.lists().iter();
                lists.map(|list| Ask::Holds(*list, search.clone())).collect()
            }
            Self::Offenders => vec![Ask::Offenders(search)],
            Self::Packets => vec![Ask::Packets(packets_after)],
            Self::Connections => vec![Ask::Connections],
            Self::Proposals => vec![Ask::Proposals],
            Self::Traps => vec![Ask::Traps],
            Self::Watches => vec![Ask::Watches],
            Self::Scans => vec![Ask::Scans],
            Self::ControlFile | Self::LeftOut => vec![Ask::Remote],
        }
    }
}
