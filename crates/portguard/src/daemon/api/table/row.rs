//! Rows of tables: how they are copied, sorted, searched and shown. Pure.

use std::{cmp::Reverse, fmt::Write as _};

use portguard_api::view;
use portguard_core::{Guard, Hold, List, Offender, Subject, Timestamp};

use super::super::answer;

/// Why writing into a `String` cannot fail.
const IN_MEMORY: &str = "a string grows as needed";

/// A row of a table.
pub(super) trait Row: Send + Sync + Sized + 'static {
    /// What it is sorted by.
    type Column: Copy + Eq + Send + Sync + 'static;
    /// What tells where to copy it from.
    type From: Copy + Send + 'static;
    /// How faces see it.
    type View: Send;

    /// The order of the table when nobody asks for another one.
    const OWN_ORDER: Self::Column;
    /// The names of all columns.
    const COLUMNS: &'static [&'static str];

    fn column(name: &str) -> Option<Self::Column>;
    fn slice(guard: &Guard, from: Self::From, after: Option<Subject>, most: usize) -> Vec<Self>;
    fn order_own(rows: &mut [Self]);
    fn subject(&self) -> Subject;
    /// Appends everything of the row that can be searched.
    fn write_words(&self, words: &mut String);
    fn sort(order: &mut [u32], rows: &[Self], column: Self::Column);
    fn shown(&self, now: Timestamp) -> Self::View;
}

/// A hold of a list.
pub(super) struct HoldRow {
    pub(super) list: List,
    pub(super) subject: Subject,
    pub(super) hold: Hold,
    pub(super) is_enforced: bool,
}

/// A column of holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HoldColumn {
    Subject,
    Ports,
    Since,
    Until,
    NthBan,
    Author,
    Reason,
    Enforced,
}

impl Row for HoldRow {
    type Column = HoldColumn;
    type From = List;
    type View = view::Hold;

    const OWN_ORDER: HoldColumn = HoldColumn::Subject;
    const COLUMNS: &'static [&'static str] = &[
        "subject",
        "measure",
        "ports",
        "since",
        "until",
        "seconds_left",
        "nth_ban",
        "author",
        "reason",
        "enforced",
    ];

    fn column(name: &str) -> Option<HoldColumn> {
        Some(match name {
            // All rows of a list have one measure.
            "subject" | "measure" => HoldColumn::Subject,
            "ports" => HoldColumn::Ports,
            "since" => HoldColumn::Since,
            "until" | "seconds_left" => HoldColumn::Until,
            "nth_ban" => HoldColumn::NthBan,
            "author" => HoldColumn::Author,
            "reason" => HoldColumn::Reason,
            "enforced" => HoldColumn::Enforced,
            _ => return None,
        })
    }

    fn slice(guard: &Guard, list: List, after: Option<Subject>, most: usize) -> Vec<Self> {
        let reached = guard.enforced_generation();
        let row = |(subject, hold): (Subject, Hold)| {
            let is_enforced = hold.generation <= reached;
            Self { list, subject, hold, is_enforced }
        };
        guard.holds(list, after, most).into_iter().map(row).collect()
    }

    fn order_own(_: &mut [Self]) {}

    fn subject(&self) -> Subject {
        self.subject
    }

    fn write_words(&self, words: &mut String) {
        let Self { subject, hold, .. } = self;
        write!(words, "{subject} {} {}", hold.author, hold.reason).expect(IN_MEMORY);
        for port in hold.port_list() {
            write!(words, " {port}").expect(IN_MEMORY);
        }
    }

    fn sort(order: &mut [u32], rows: &[Self], column: HoldColumn) {
        let row = |index: &u32| &rows[*index as usize];
        match column {
            // As they are.
            HoldColumn::Subject => {}
            HoldColumn::Ports => {
                order.sort_by(|a, b| row(a).hold.port_list().cmp(row(b).hold.port_list()));
            }
            HoldColumn::Since => order.sort_by_key(|one| row(one).hold.since),
            HoldColumn::Until => order.sort_by_key(|one| {
                let end = row(one).hold.until.moment();
                (end.is_none(), end)
            }),
            HoldColumn::NthBan => order.sort_by_key(|one| row(one).hold.nth_ban),
            HoldColumn::Author => order.sort_by_cached_key(|one| row(one).hold.author.to_string()),
            HoldColumn::Reason => order.sort_by(|a, b| row(a).hold.reason.cmp(&row(b).hold.reason)),
            HoldColumn::Enforced => order.sort_by_key(|one| row(one).is_enforced),
        }
    }

    fn shown(&self, now: Timestamp) -> view::Hold {
        let reached = if self.is_enforced { self.hold.generation } else { 0 };
        answer::hold(self.list, self.subject, &self.hold, reached, now)
    }
}

/// An offender.
pub(super) struct OffenderRow {
    pub(super) subject: Subject,
    pub(super) past: Offender,
    pub(super) is_banned: bool,
}

/// A column of offenders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffenderColumn {
    /// The newest offence first.
    Own,
    Subject,
    Offences,
    Bans,
    First,
    Last,
    Banned,
}

impl Row for OffenderRow {
    type Column = OffenderColumn;
    type From = ();
    type View = view::Offender;

    const OWN_ORDER: OffenderColumn = OffenderColumn::Own;
    const COLUMNS: &'static [&'static str] =
        &["subject", "offences", "bans", "first", "last", "banned"];

    fn column(name: &str) -> Option<OffenderColumn> {
        Some(match name {
            "subject" => OffenderColumn::Subject,
            "offences" => OffenderColumn::Offences,
            "bans" => OffenderColumn::Bans,
            "first" => OffenderColumn::First,
            "last" => OffenderColumn::Last,
            "banned" => OffenderColumn::Banned,
            _ => return None,
        })
    }

    fn slice(guard: &Guard, (): (), after: Option<Subject>, most: usize) -> Vec<Self> {
        let found = guard.offenders_after(after, most).into_iter();
        found.map(|(subject, past, is_banned)| Self { subject, past, is_banned }).collect()
    }

    fn order_own(rows: &mut [Self]) {
        rows.sort_by_key(|row| Reverse(row.past.last));
    }

    fn subject(&self) -> Subject {
        self.subject
    }

    fn write_words(&self, words: &mut String) {
        write!(words, "{}", self.subject).expect(IN_MEMORY);
    }

    fn sort(order: &mut [u32], rows: &[Self], column: OffenderColumn) {
        let row = |index: &u32| &rows[*index as usize];
        match column {
            OffenderColumn::Own => {}
            OffenderColumn::Subject => order.sort_by_key(|one| row(one).subject),
            OffenderColumn::Offences => order.sort_by_key(|one| row(one).past.offences),
            OffenderColumn::Bans => order.sort_by_key(|one| row(one).past.bans),
            OffenderColumn::First => order.sort_by_key(|one| row(one).past.first),
            OffenderColumn::Last => order.sort_by_key(|one| row(one).past.last),
            OffenderColumn::Banned => order.sort_by_key(|one| row(one).is_banned),
        }
    }

    fn shown(&self, _: Timestamp) -> view::Offender {
        answer::offender(self.subject, &self.past, self.is_banned)
    }
}
