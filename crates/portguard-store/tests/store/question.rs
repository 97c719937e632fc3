//! Questions about the journal and about subjects.

use portguard_core::{Entry, Note, Record, Timestamp};
use portguard_store::{EntryQuery, Ledger, Order, Reader};

use crate::sample::{KEEP_ALL, START, all_entries, at, ban, banned, offender, subject, texts};

/// Subjects in the order of the journal, one a second.
const SUBJECTS: [&str; 12] = [
    "192.0.2.7",
    "192.0.2.0/24",
    "192.0.2.0/25",
    "192.0.2.128",
    "192.0.3.1",
    "0.0.0.0/0",
    "2001:db8::1",
    "2001:db8::/32",
    "2001:db8::/64",
    "2001:db8:0:1::1",
    "::/0",
    "2001:db9::1",
];

#[test]
fn a_subject_is_found_with_what_covers_it_and_what_lies_within() {
    for (about, expect) in [
        ("192.0.2.7", "0.0.0.0/0 192.0.2.0/24 192.0.2.0/25 192.0.2.7"),
        ("192.0.2.8", "0.0.0.0/0 192.0.2.0/24 192.0.2.0/25"),
        ("192.0.2.128/25", "0.0.0.0/0 192.0.2.0/24 192.0.2.128"),
        ("192.0.2.0/23", "0.0.0.0/0 192.0.2.0/24 192.0.2.0/25 192.0.2.7 192.0.2.128 192.0.3.1"),
        ("198.51.100.1", "0.0.0.0/0"),
        ("0.0.0.0/0", "0.0.0.0/0 192.0.2.0/24 192.0.2.0/25 192.0.2.7 192.0.2.128 192.0.3.1"),
        ("2001:db8::1", "::/0 2001:db8::/32 2001:db8::/64 2001:db8::1"),
        ("2001:db8:0:1::/64", "::/0 2001:db8::/32 2001:db8:0:1::1"),
        ("2001:db8::/32", "::/0 2001:db8::/32 2001:db8::/64 2001:db8::1 2001:db8:0:1::1"),
        ("fe80::1", "::/0"),
    ] {
        with_journal(|reader| {
            let story = reader.story(subject(about)).unwrap();
            let holds: Vec<_> = story.holds.iter().map(|hold| hold.subject.to_string()).collect();
            assert_eq!(holds.join(" "), expect, "holds about {about}");
            let offenders: Vec<_> = story.offenders.iter().map(|one| one.0.to_string()).collect();
            assert_eq!(offenders.join(" "), expect, "offenders about {about}");
            let mut entries: Vec<_> =
                story.entries.iter().filter_map(|line| line.subject).collect();
            assert!(story.entries.is_sorted_by_key(|line| line.at), "{about}");
            entries.sort();
            let entries: Vec<_> = entries.iter().map(ToString::to_string).collect();
            assert_eq!(entries.join(" "), expect, "entries about {about}");
        });
    }
}

#[test]
fn journal_lines_are_found_by_every_condition() {
    let all = all_entries;
    check(&all(), "0 1 2 3 4 5 6 7 8 9 10 11 nobody");
    check(&EntryQuery { limit: 2, ..all() }, "0 1");
    check(&EntryQuery { limit: 0, ..all() }, "");
    check(&EntryQuery { after_id: Some(11), ..all() }, "11 nobody");
    check(&EntryQuery { after_id: None, since: Some(at(10)), ..all() }, "10 11 nobody");
    check(&EntryQuery { since: Some(Timestamp::MAX), ..all() }, "");
    check(&EntryQuery { kinds: vec!["not-enforced".into()], ..all() }, "nobody");
    check(
        &EntryQuery { kinds: vec!["not-enforced".into(), "decision".into()], limit: 1, ..all() },
        "0",
    );
    check(&EntryQuery { kinds: vec!["nonsense".into()], ..all() }, "");
    let newest = EntryQuery { after_id: None, order: Order::NewestFirst, limit: 3, ..all() };
    check(&newest, "nobody 11 10");
    check(&EntryQuery { after_id: Some(2), ..newest.clone() }, "nobody 11 10");
    let about = EntryQuery { subject: Some(subject("192.0.2.0/24")), ..newest };
    check(&about, "5 3 2");
    check(&EntryQuery { since: Some(at(3)), ..about.clone() }, "5 3");
    check(&EntryQuery { after_id: Some(3), order: Order::OldestFirst, ..about }, "3 5");
}

#[test]
fn a_reader_sees_what_was_recorded_after_it_was_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut ledger, _) = Ledger::open(&path, KEEP_ALL, START);
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.entries(&all_entries()).unwrap(), []);
    ledger.record(&[Record::Entry(banned(START, subject("192.0.2.7"), "later"))]).unwrap();
    assert_eq!(texts(reader.entries(&all_entries()).unwrap()), ["later"]);
}

#[test]
fn a_reader_of_nothing_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let why = Reader::open(&directory.path().join("ledger.db")).unwrap_err();
    assert_eq!(why.to_string(), "cannot read the ledger");
}

fn check(query: &EntryQuery, expect: &str) {
    with_journal(|reader| {
        let found = texts(reader.entries(query).unwrap());
        assert_eq!(found.join(" "), expect, "{query:?}");
    });
}

/// Hands over a reader of a ledger with a line, a hold and an offender for each subject; the line's
/// text is its number. The last line is about nobody.
fn with_journal(ask: impl FnOnce(&mut Reader)) {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let mut records = Vec::new();
    for (n, text) in SUBJECTS.into_iter().enumerate() {
        let (about, moment) = (subject(text), at(n as u64));
        records.push(Record::Entry(banned(moment, about, &n.to_string())));
        records.push(Record::Hold(ban(about)));
        records.push(Record::Offender(about, offender(1, moment)));
    }
    let note = Note::NotEnforced { why: "nobody".into() };
    records.push(Record::Entry(Entry { at: at(12), note }));
    ledger.record(&records).unwrap();
    ask(&mut ledger.reader());
}
