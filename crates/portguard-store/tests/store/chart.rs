//! What happened in each step of time.

use std::time::Duration;

use portguard_core::{Author, Decision, Entry, Measure, Note, Record, Until};
use portguard_store::{Ledger, reader::Counted};

use crate::sample::{KEEP_ALL, START, at, subject};

#[test]
fn offences_and_bans_are_counted_step_by_step() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let decision = |seconds: u64, measure| {
        Record::Entry(Entry {
            at: at(seconds),
            note: Note::Decision(Decision {
                subject: subject("192.0.2.7"),
                measure,
                ports: Vec::new(),
                until: Until::FOREVER,
                nth_ban: 1,
                reason: "trap tcp/23".into(),
                author: Author::Guard,
            }),
        })
    };
    let offence = |seconds: u64| {
        Record::Entry(Entry {
            at: at(seconds),
            note: Note::Offence {
                peer: [192, 0, 2, 7].into(),
                subject: subject("192.0.2.7"),
                origin: "trap tcp/23".into(),
                grade: portguard_core::Grade::Handshake,
                evidence: portguard_core::Evidence::default(),
                excused: None,
            },
        })
    };
    let records = [
        offence(0),
        offence(9),
        decision(9, Measure::Ban),
        decision(10, Measure::Allow),
        decision(10, Measure::Ban),
        offence(29),
        offence(30),
    ];
    ledger.record(&records).unwrap();
    let counted = |offences, bans| Counted { offences, bans };
    let mut reader = ledger.reader();
    let of_ten = reader.counted(at(0), Duration::from_secs(10), 3).unwrap();
    assert_eq!(of_ten, [counted(2, 1), counted(0, 1), counted(1, 0)]);
    assert_eq!(reader.counted(at(100), Duration::from_secs(10), 2).unwrap(), [counted(0, 0); 2]);
    assert_eq!(reader.counted(at(0), Duration::from_secs(100), 1).unwrap(), [counted(4, 2)]);
}
