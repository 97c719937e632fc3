//! Things to record, and short ways to look at what was recorded.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

use portguard_core::{
    Author, Decision, Entry, List, ListedHold, Measure, Note, Offender, Record, Span, Subject,
    Timestamp, Until,
};
use portguard_store::{EntryQuery, Order, Reader, Retention, StoredEntry};

/// Keeps everything.
pub(crate) const KEEP_ALL: Retention =
    Retention { keep_entries: Span::Forever, keep_offenders: Span::Forever, max_size: u64::MAX };

/// The moment at which the tests begin.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Returns the moment so many seconds after the start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

pub(crate) fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

/// Returns the `n`-th of a row of different addresses.
pub(crate) fn nth_subject(n: u32) -> Subject {
    Subject::address(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)))
}

/// Returns a ban of the whole subject that ends in the year 2286.
pub(crate) fn ban(subject: Subject) -> ListedHold {
    ListedHold {
        list: List::Ban,
        subject,
        ports: vec![],
        since: START,
        until: Until::at(Timestamp::from_secs(9_999_999_999)),
        nth_ban: 1,
        author: Author::Guard,
        reason: "trap tcp/23".into(),
    }
}

pub(crate) fn offender(offences: u32, last: Timestamp) -> Offender {
    Offender { offences, bans: offences, first: START, last }
}

/// Returns the journal line of a ban.
pub(crate) fn banned(at: Timestamp, subject: Subject, reason: &str) -> Entry {
    let decision = Decision {
        subject,
        measure: Measure::Ban,
        ports: vec![],
        until: Until::FOREVER,
        nth_ban: 1,
        reason: reason.into(),
        author: Author::Guard,
    };
    Entry { at, note: Note::Decision(decision) }
}

/// Returns the records that go with the `n`-th ban: the journal line, with `n` as its reason, the
/// hold and the offender.
pub(crate) fn nth_ban(n: u32) -> [Record; 3] {
    let subject = nth_subject(n);
    [
        Record::Entry(banned(START, subject, &n.to_string())),
        Record::Hold(ban(subject)),
        Record::Offender(subject, offender(1, START)),
    ]
}

/// Asks for every journal line, oldest first.
pub(crate) fn all_entries() -> EntryQuery {
    EntryQuery {
        since: None,
        subject: None,
        kinds: vec![],
        after_id: Some(0),
        limit: usize::MAX,
        order: Order::OldestFirst,
    }
}

/// Returns what is in force on the disk at the start.
pub(crate) fn holds_on_disk(path: &Path) -> Vec<ListedHold> {
    holds(&mut Reader::open(path).unwrap())
}

/// Returns what is in force at the start.
pub(crate) fn holds(reader: &mut Reader) -> Vec<ListedHold> {
    let mut found = Vec::new();
    let tally = reader.holds(START, |chunk| found.extend(chunk)).unwrap();
    assert_eq!((tally.read, tally.skipped), (found.len(), 0));
    found
}

/// Returns the texts of all journal lines on the disk, oldest first.
pub(crate) fn texts_on_disk(path: &Path) -> Vec<String> {
    texts(Reader::open(path).unwrap().entries(&all_entries()).unwrap())
}

pub(crate) fn texts(entries: Vec<StoredEntry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.text).collect()
}
