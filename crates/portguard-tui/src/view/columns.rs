//! The columns of each view. Pure.

use crate::table::Column;

use super::View;

impl View {
    /// Returns its columns; of what does not fit, those with the greatest number go first.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Overview => &[],
            Self::Sources => SOURCES,
            Self::Ports => PORTS,
            Self::Doors => DOORS,
            Self::Rulings => RULINGS,
            Self::Bans | Self::Throttled | Self::Allowed | Self::Protected => HOLDS,
            Self::Offenders => OFFENDERS,
            Self::Packets => PACKETS,
            Self::Connections => CONNECTIONS,
            Self::Proposals => PROPOSALS,
            Self::Traps => TRAPS,
            Self::Watches => WATCHES,
            Self::Scans => SCANS,
            Self::Journal => JOURNAL,
            Self::ControlFile => CONTROL_FILE,
            Self::LeftOut => LEFT_OUT,
            Self::Knocks => KNOCKS,
            Self::Keys => KEYS,
        }
    }
}

const SOURCES: &[Column] = &[
    text("SOURCE", 10, 0),
    text("HEALTH", 8, 0),
    text("SINCE (UTC)", 14, 2),
    text("DETAIL", 12, 1),
];

const PORTS: &[Column] = &[
    text("PORT", 8, 0),
    text("REACH", 7, 0),
    text("PROCESS", 8, 0),
    text("ADDRESS", 9, 3),
    text("UNIT", 8, 4),
    text("USER", 5, 2),
    text("WHY", 14, 1),
];

const DOORS: &[Column] = &[
    text("PORT", 8, 0),
    text("IS", 4, 0),
    text("FOR", 9, 0),
    text("LEFT", 7, 1),
    text("BY", 8, 2),
    text("SERVICE", 7, 3),
];

const RULINGS: &[Column] =
    &[text("VERDICT", 8, 0), text("WHAT", 12, 0), text("SINCE (UTC)", 14, 1), text("BY", 8, 2)];

const HOLDS: &[Column] = &[
    text("SUBJECT", 15, 0).by("subject"),
    text("MEASURE", 7, 2),
    text("LEFT", 7, 0).by("seconds_left"),
    count("NTH", 3).by("nth_ban"),
    text("BY", 5, 4).by("author"),
    text("REASON", 12, 1).by("reason"),
];

const OFFENDERS: &[Column] = &[
    text("SUBJECT", 15, 0).by("subject"),
    count("OFFENCES", 0).by("offences"),
    count("BANS", 1).by("bans"),
    text("NOW", 6, 0).by("banned"),
    text("FIRST (UTC)", 14, 3).by("first"),
    text("LAST (UTC)", 14, 2).by("last"),
];

const PACKETS: &[Column] = &[
    text("AT (UTC)", 8, 0),
    text("VERDICT", 7, 0),
    text("RULE", 8, 2),
    text("PROTO", 4, 1),
    text("SOURCE", 15, 0),
    text("TO", 12, 1),
    text("FLAGS", 3, 4),
    text("IN", 4, 5),
    count("LEN", 6),
];

const CONNECTIONS: &[Column] = &[
    text("DIR", 3, 0),
    text("PROTO", 5, 4),
    text("PEER", 15, 0),
    text("LOCAL", 12, 3),
    text("STATE", 6, 5),
    text("PROCESS", 8, 1),
    text("USER", 5, 4),
    count("RECEIVED", 2),
    count("SENT", 2),
    count("AGE", 1),
];

const PROPOSALS: &[Column] = &[
    count("ID", 0),
    text("SUBJECT", 15, 0),
    text("MEASURE", 7, 0),
    text("FOR", 4, 3),
    text("ANOMALY", 9, 1),
    text("SEVERITY", 8, 2),
    count("SURE", 4),
    count("SEEN", 5),
    text("EVIDENCE", 12, 6),
];

const TRAPS: &[Column] = &[
    text("PORT", 8, 0),
    text("ADDRESS", 7, 3),
    text("STATE", 7, 0),
    count("TOUCHED", 1),
    text("LAST BY", 12, 1),
    text("LAST AT (UTC)", 14, 2),
];

const WATCHES: &[Column] = &[
    text("WATCH", 8, 0),
    text("HEALTH", 8, 0),
    count("LINES", 3),
    count("FAILURES", 1),
    count("LAST HOUR", 4),
    count("OFFENCES", 2),
    text("LAST LINE", 14, 5),
];

const SCANS: &[Column] = &[
    text("RULE", 7, 0),
    text("TYPE", 4, 1),
    text("LIMIT", 10, 2),
    text("SET", 8, 0),
    text("FOR", 7, 3),
    count("FOUND", 0),
    text("LAST", 12, 4),
];

const JOURNAL: &[Column] =
    &[text("AT (UTC)", 8, 0), text("KIND", 8, 0), text("SUBJECT", 12, 1), text("WHAT", 16, 0)];

const CONTROL_FILE: &[Column] = &[
    text("SERVICE", 8, 0),
    text("STATE", 6, 0),
    text("UNTIL (UTC)", 14, 1),
    text("BY", 8, 2),
    text("OPEN FOR", 12, 3),
];

const LEFT_OUT: &[Column] = &[count("LINE", 0), text("ORDER", 12, 1), text("WHY", 16, 0)];

const KNOCKS: &[Column] = &[
    text("AT (UTC)", 14, 2),
    text("KEY", 8, 0),
    text("SERVICE", 7, 1),
    text("SENDER", 12, 3),
    text("FOR", 12, 0),
    text("BECAME", 9, 0),
];

const KEYS: &[Column] = &[text("KEY", 8, 0), count("TAKEN", 1), text("SERVICES", 12, 0)];

/// A column of texts: its head, how narrow it may become, and when it goes.
const fn text(head: &'static str, least: u16, goes: u8) -> Column {
    Column::text(head, least, goes)
}

/// A column of numbers: its head, and when it goes.
const fn count(head: &'static str, goes: u8) -> Column {
    Column::count(head, goes)
}
