//! What is recorded comes back.

use std::{num::NonZeroU32, slice, sync::Arc};

use portguard_core::{
    Author, Decision, Entry, Evidence, Family, Grade, Health, KnockNews, List, ListedHold, Measure,
    Note, Process, Record, Refusal, Release, ReleaseCause, RemoteStep, Strength, Until,
};
use portguard_store::{Ledger, StoredEntry};

use crate::sample::{KEEP_ALL, START, all_entries, at, ban, holds, nth_subject, offender, subject};

#[test]
fn every_kind_of_note_tells_its_story() {
    let text = Arc::<str>::from;
    check(Note::Started { version: text("1.2.3") }, "started info | version=1.2.3");
    check(
        Note::Stopped { table: text("the kernel table stays") },
        "stopped info `the kernel table stays`",
    );
    let (family, address, port) = (Family::V6, "::1".parse().unwrap(), "udp/53".parse().unwrap());
    check(
        Note::TrapSet { family, address, port },
        "trap-set info | family=ipv6 address=::1 port=udp/53",
    );
    check(
        Note::TrapMissing { family, address, port, why: "held by named (process 7)".into() },
        "trap-missing warning `held by named (process 7)` | family=ipv6 address=::1 port=udp/53",
    );
    check(
        Note::Offence {
            peer: "2001:db8::7".parse().unwrap(),
            subject: subject("2001:db8::/64"),
            origin: text("trap tcp/23"),
            grade: Grade::Handshake,
            evidence: Evidence(vec![
                ("port", "tcp/23".into()),
                ("said", "it's \"=\n\u{1f41f}".into()),
            ]),
            excused: Some("it is allowed".into()),
        },
        "offence info about 2001:db8::7 `trap tcp/23` | counted-for=2001:db8::/64 grade=handshake \
         excused=it is allowed | port=tcp/23 said=it's \"=\n\u{1f41f}",
    );
    check(
        Note::Repaired {
            what: "flush of set ban4".into(),
            by: Process { pid: Some(7), name: "nft".into() },
        },
        "repaired warning `flush of set ban4` | process=nft pid=7",
    );
    check(
        Note::Repaired { what: "flush".into(), by: Process::default() },
        "repaired warning `flush`",
    );
    for (health, told) in [
        (Health::Good, "health info | source=trap health=good"),
        (Health::Degraded("deaf".into()), "health warning `deaf` | source=trap health=degraded"),
        (Health::Broken("gone".into()), "health error `gone` | source=trap health=broken"),
    ] {
        check(Note::Health { source: text("trap"), health }, told);
    }
    check(Note::NotEnforced { why: text("no table") }, "not-enforced error `no table`");
    check(
        Note::Full { table: "bans", dropped: subject("192.0.2.0/24") },
        "full warning about 192.0.2.0/24 | table=bans",
    );
}

#[test]
fn every_decision_and_author_tells_its_story() {
    for (measure, author, told) in [
        (Measure::Allow, Author::Guard, "allow by guard"),
        (
            Measure::Throttle(Strength::Soft),
            Author::Operator(1000),
            "throttle-soft by operator (uid 1000)",
        ),
        (
            Measure::Throttle(Strength::Hard),
            Author::Administrator,
            "throttle-hard by administrator",
        ),
        (Measure::Ban, Author::Configuration, "ban by configuration"),
        (Measure::Ban, Author::Import, "ban by import"),
        (Measure::Ban, Author::ControlFile(NonZeroU32::new(12)), "ban by control file, serial 12"),
        (Measure::Ban, Author::ControlFile(None), "ban by control file, unsigned"),
        (Measure::Ban, Author::Knock("Anna B".parse().unwrap()), "ban by knock of Anna B"),
        (Measure::Ban, Author::Web("alice".parse().unwrap()), "ban by web:alice"),
    ] {
        let decision = Decision {
            subject: subject("192.0.2.7"),
            measure,
            ports: vec!["tcp/22".parse().unwrap(), "tcp/80".parse().unwrap()],
            until: Until::at(at(60)),
            nth_ban: 3,
            reason: "trap tcp/23".into(),
            author,
        };
        check(
            Note::Decision(decision),
            &format!(
                "decision info about 192.0.2.7 {told} ports tcp/22,tcp/80 until @1800000060000 \
                 nth 3 `trap tcp/23`"
            ),
        );
    }
    let refusal = Refusal { why: "it is this host".into(), hint: Some("see [protect]".into()) };
    check(
        Note::Refused {
            subject: subject("127.0.0.1"),
            measure: Measure::Ban,
            refusal,
            author: Author::Operator(0),
        },
        "refused info about 127.0.0.1 ban by operator (uid 0) `it is this host` | hint=see [protect]",
    );
}

#[test]
fn a_knock_tells_its_key_and_its_grade() {
    let address = "2001:db8::7".parse().unwrap();
    let news = KnockNews {
        key: "anna".parse().unwrap(),
        sender: address,
        address,
        service: "ssh".into(),
        refused: None,
    };
    check(
        Note::Knock(news.clone()),
        "knock info about 2001:db8::7 by knock of anna `knock of anna for ssh from 2001:db8::7` | \
         key=anna service=ssh sender=2001:db8::7 grade=authenticated",
    );
    check(
        Note::Knock(KnockNews { refused: Some("it is 61 s old".to_owned()), ..news }),
        "knock warning about 2001:db8::7 by knock of anna `knock of anna for ssh from 2001:db8::7 \
         refused: it is 61 s old` | key=anna service=ssh sender=2001:db8::7 grade=authenticated \
         refused=it is 61 s old",
    );
}

#[test]
fn a_control_file_tells_its_grade() {
    let serial = NonZeroU32::new(12);
    let step = RemoteStep::Accepted { serial, signer: Some("anna".into()), orders: 2 };
    check(
        Note::Remote { step, grade: Grade::Authenticated },
        "remote info by control file, serial 12 `control file, serial 12, signed by anna: orders: \
         2` | grade=authenticated",
    );
    let refusal = Refusal { why: "tcp/1 is in ports.never".into(), hint: Some("reload".into()) };
    let step = RemoteStep::Refused {
        order: "open x from 192.0.2.7".to_owned(),
        from: Some(subject("192.0.2.7")),
        refusal,
        author: Author::ControlFile(None),
    };
    check(
        Note::Remote { step, grade: Grade::Forgeable },
        "remote warning about 192.0.2.7 by control file, unsigned ``open x from 192.0.2.7` of \
         control file, unsigned is not carried out: tcp/1 is in ports.never` | grade=forgeable \
         hint=reload",
    );
}

#[test]
fn every_release_tells_its_cause() {
    for (cause, told) in [
        (ReleaseCause::Expired, "ban `its time is over` | cause=expired"),
        (
            ReleaseCause::Lifted(Author::Operator(7)),
            "ban by operator (uid 7) `lifted by operator (uid 7)` | cause=lifted",
        ),
        (ReleaseCause::Allowed, "ban `it is on the allow list` | cause=allowed"),
        (
            ReleaseCause::Protected("is this host".into()),
            "ban `it is protected: is this host` | cause=protected protection=is this host",
        ),
        (ReleaseCause::Replaced, "ban `another measure took its place` | cause=replaced"),
        (
            ReleaseCause::Evicted,
            "ban `the table was full and it was the next to end` | cause=evicted",
        ),
        (ReleaseCause::Unconfirmed, "ban `no handshake was completed` | cause=unconfirmed"),
    ] {
        let release = Release { subject: subject("192.0.2.7"), measure: Measure::Ban, cause };
        check(Note::Release(release), &format!("release info about 192.0.2.7 {told}"));
    }
}

#[test]
fn holds_come_back_in_the_order_of_subjects() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let mut wanted = Vec::new();
    for (index, list) in List::OF_SOURCES.into_iter().enumerate() {
        for text in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0"] {
            wanted.push(ListedHold {
                list,
                since: at(index as u64),
                until: if index == 0 { Until::FOREVER } else { Until::at(at(60)) },
                nth_ban: u32::MAX - 1,
                author: Author::Operator(u32::MAX),
                reason: "\u{1f41f} and 'quotes'".into(),
                ..ban(subject(text))
            });
        }
    }
    let records: Vec<Record> = wanted.iter().cloned().map(Record::Hold).collect();
    ledger.record(&records).unwrap();
    let mut found = holds(&mut ledger.reader());
    assert!(found.is_sorted_by_key(|hold| hold.subject));
    found.sort_by_key(|hold| (hold.subject, hold.list));
    wanted.sort_by_key(|hold| (hold.subject, hold.list));
    assert_eq!(found, wanted);
}

#[test]
fn a_hold_takes_the_place_of_the_one_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let whole = ban(subject("192.0.2.7"));
    let ssh = ListedHold { ports: vec!["tcp/22".parse().unwrap()], ..whole.clone() };
    let web = ListedHold { ports: vec!["tcp/80".parse().unwrap()], ..whole.clone() };
    let longer = ListedHold { until: Until::FOREVER, nth_ban: 2, ..whole.clone() };
    let records = [&whole, &ssh, &longer, &web].map(|hold| Record::Hold(hold.clone()));
    ledger.record(&records).unwrap();
    assert_eq!(holds(&mut ledger.reader()), [longer, web.clone()]);

    let ended = Record::HoldEnded { list: List::Ban, subject: whole.subject, ports: vec![] };
    for _ in 0..2 {
        ledger.record(slice::from_ref(&ended)).unwrap();
    }
    assert_eq!(holds(&mut ledger.reader()), [web]);
}

#[test]
fn holds_that_are_over_are_not_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let until = |n: u32, until| Record::Hold(ListedHold { until, ..ban(nth_subject(n)) });
    ledger
        .record(&[
            until(1, Until::at(at(9))),
            until(2, Until::at(at(10))),
            until(3, Until::at(at(11))),
            until(4, Until::FOREVER),
        ])
        .unwrap();
    let mut found = Vec::new();
    let tally = ledger.reader().holds(at(10), |chunk| found.extend(chunk)).unwrap();
    assert_eq!(tally.read, 2);
    let found: Vec<_> = found.into_iter().map(|hold| hold.subject).collect();
    assert_eq!(found, [nth_subject(3), nth_subject(4)]);
}

#[test]
fn holds_are_handed_over_in_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let records: Vec<Record> = (0..20_001).map(|n| Record::Hold(ban(nth_subject(n)))).collect();
    ledger.record(&records).unwrap();
    let mut sizes = Vec::new();
    ledger.reader().holds(START, |chunk| sizes.push(chunk.len())).unwrap();
    assert_eq!(sizes, [10_000, 10_000, 1]);
}

#[test]
fn the_newest_offenders_come_first() {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let past = |n: u32, last| (nth_subject(n), offender(n, at(last)));
    let records = [past(1, 30), past(2, 10), past(3, 20), past(2, 40)];
    ledger.record(&records.map(|(subject, past)| Record::Offender(subject, past))).unwrap();
    let mut reader = ledger.reader();
    assert_eq!(reader.offenders(2).unwrap(), [past(2, 40), past(1, 30)]);
    assert_eq!(reader.offenders(usize::MAX).unwrap().len(), 3);
}

#[test]
fn a_batch_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut ledger, _) = Ledger::open(&path, KEEP_ALL, START);
    let strict = rusqlite::Connection::open(&path).unwrap();
    strict
        .execute(
            "CREATE TRIGGER grumpy BEFORE INSERT ON offenders BEGIN SELECT raise(FAIL, 'no'); END",
            [],
        )
        .unwrap();
    let records =
        [Record::Hold(ban(nth_subject(1))), Record::Offender(nth_subject(1), offender(1, START))];
    let why = ledger.record(&records).unwrap_err();
    assert_eq!(why.to_string(), "cannot write the ledger");
    assert_eq!(holds(&mut ledger.reader()), []);
}

/// Records a note, and compares its line, and the line that comes back, with what is expected.
fn check(note: Note, expect: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, START);
    let entry = Entry { at: at(5), note };
    let line = StoredEntry::from(&entry);
    assert_eq!(told(&line), expect);
    ledger.record(&[Record::Entry(entry)]).unwrap();
    let stored = ledger.reader().entries(&all_entries()).unwrap();
    assert_eq!(stored, [StoredEntry { id: 1, ..line }]);
}

/// Writes a line with everything in it.
fn told(line: &StoredEntry) -> String {
    let mut told = format!("{} {}", line.kind, format!("{:?}", line.level).to_lowercase());
    let mut tell = |part: String| told.push_str(&part);
    assert_eq!(line.at, at(5));
    if let Some(subject) = line.subject {
        tell(format!(" about {subject}"));
    }
    if let Some(measure) = line.measure {
        tell(format!(" {measure}"));
    }
    if let Some(author) = line.author {
        tell(format!(" by {author}"));
    }
    if !line.ports.is_empty() {
        let ports: Vec<_> = line.ports.iter().map(ToString::to_string).collect();
        tell(format!(" ports {}", ports.join(",")));
    }
    if let Some(until) = line.until {
        tell(format!(" until {until:?}"));
    }
    if line.nth_ban > 0 {
        tell(format!(" nth {}", line.nth_ban));
    }
    if !line.text.is_empty() {
        tell(format!(" `{}`", line.text));
    }
    for pairs in [&line.details, &line.evidence] {
        if !pairs.is_empty() {
            tell(" |".to_owned());
        }
        for (name, value) in pairs {
            tell(format!(" {name}={value}"));
        }
    }
    told
}
