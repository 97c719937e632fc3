//! What is too old or too much goes, in slices, and the space with it.

use std::{fs, path::Path, time::Duration};

use portguard_core::{ListedHold, Record, Span, Timestamp, Until};
use portguard_store::{Ledger, Pruned, Retention};

use crate::sample::{
    KEEP_ALL, START, all_entries, at, ban, banned, holds, nth_subject, offender, texts,
};

#[test]
fn entries_go_when_they_are_too_old() {
    let keep = Retention { keep_entries: Span::For(Duration::from_secs(100)), ..KEEP_ALL };
    let (_directory, mut ledger) = ledger(keep);
    let records = (0..10).map(|n| entry(at(n), n));
    ledger.record(&records.collect::<Vec<_>>()).unwrap();

    prune_all(&mut ledger, at(104));
    assert_eq!(
        texts(ledger.reader().entries(&all_entries()).unwrap()),
        ["4", "5", "6", "7", "8", "9"]
    );
    prune_all(&mut ledger, at(50));
    assert_eq!(ledger.reader().entries(&all_entries()).unwrap().len(), 6);
    prune_all(&mut ledger, Timestamp::from_secs(50));
    assert_eq!(ledger.reader().entries(&all_entries()).unwrap().len(), 6);
}

#[test]
fn the_newest_entry_stays_so_that_no_id_is_given_twice() {
    let keep = Retention { keep_entries: Span::For(Duration::ZERO), ..KEEP_ALL };
    let (_directory, mut ledger) = ledger(keep);
    ledger.record(&[entry(at(0), 0), entry(at(1), 1)]).unwrap();
    prune_all(&mut ledger, at(1_000));
    ledger.record(&[entry(at(2), 2)]).unwrap();
    let ids: Vec<i64> =
        ledger.reader().entries(&all_entries()).unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [2, 3]);
}

#[test]
fn a_great_many_old_entries_go_in_slices() {
    let keep = Retention { keep_entries: Span::For(Duration::from_secs(100)), ..KEEP_ALL };
    let (_directory, mut ledger) = ledger(keep);
    ledger.record(&(0..12_000).map(|n| entry(at(0), n)).collect::<Vec<_>>()).unwrap();
    ledger.record(&[entry(at(500), 12_000)]).unwrap();
    let mut left = Vec::new();
    while ledger.prune(at(500)).unwrap() == Pruned::MoreIsDue {
        left.push(ledger.reader().entries(&all_entries()).unwrap().len());
    }
    assert_eq!(left[..2], [7_001, 2_001]);
    assert_eq!(texts(ledger.reader().entries(&all_entries()).unwrap()), ["12000"]);
}

#[test]
fn offenders_are_forgotten_after_their_last_offence() {
    let keep = Retention { keep_offenders: Span::For(Duration::from_secs(100)), ..KEEP_ALL };
    let (_directory, mut ledger) = ledger(keep);
    let records = (0..10).map(|n| Record::Offender(nth_subject(n), offender(1, at(n.into()))));
    ledger.record(&records.collect::<Vec<_>>()).unwrap();
    prune_all(&mut ledger, at(107));
    let left = ledger.reader().offenders(99).unwrap();
    assert_eq!(left.iter().map(|one| one.1.last).collect::<Vec<_>>(), [at(9), at(8), at(7)]);
}

#[test]
fn holds_that_ended_while_nobody_was_there_go() {
    let (directory, mut ledger) = ledger(KEEP_ALL);
    let records = (0..12_000).map(|n| {
        let until = if n % 2 == 0 { Until::at(at(5)) } else { Until::FOREVER };
        Record::Hold(ListedHold { until, ..ban(nth_subject(n)) })
    });
    ledger.record(&records.collect::<Vec<_>>()).unwrap();
    drop(ledger);
    let (mut ledger, _) = Ledger::open(&directory.path().join("ledger.db"), KEEP_ALL, at(6));
    prune_all(&mut ledger, at(6));
    let left = holds(&mut ledger.reader());
    assert_eq!(left.len(), 6_000);
    assert!(left.iter().all(|hold| hold.until == Until::FOREVER));
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_entries_and_shrinks() {
    const MAX: u64 = 1 << 20;
    let (directory, mut ledger) = ledger(Retention { max_size: MAX, ..KEEP_ALL });
    let path = directory.path().join("ledger.db");
    ledger
        .record(&(0..1_000).map(|n| Record::Hold(ban(nth_subject(n)))).collect::<Vec<_>>())
        .unwrap();
    ledger.record(&(0..60_000).map(|n| entry(at(n), n)).collect::<Vec<_>>()).unwrap();
    assert!(size_when_closed(&path, ledger) > 4 * MAX);

    let (mut ledger, _) = Ledger::open(&path, Retention { max_size: MAX, ..KEEP_ALL }, START);
    prune_all(&mut ledger, START);

    let left = texts(ledger.reader().entries(&all_entries()).unwrap());
    assert!(left.len() > 1_000, "{} are left", left.len());
    assert_eq!(left.last().unwrap(), "59999");
    assert_eq!(left[0], (60_000 - left.len()).to_string());
    assert_eq!(holds(&mut ledger.reader()).len(), 1_000);
    let size = size_when_closed(&path, ledger);
    assert!(size <= MAX, "{size}");
}

#[test]
fn what_is_in_force_is_kept_even_if_it_is_too_much() {
    let (_directory, mut ledger) = ledger(Retention { max_size: 0, ..KEEP_ALL });
    ledger
        .record(&(0..1_000).map(|n| Record::Hold(ban(nth_subject(n)))).collect::<Vec<_>>())
        .unwrap();
    ledger.record(&(0..1_000).map(|n| entry(at(n), n)).collect::<Vec<_>>()).unwrap();
    prune_all(&mut ledger, START);
    assert_eq!(holds(&mut ledger.reader()).len(), 1_000);
    assert_eq!(ledger.reader().entries(&all_entries()).unwrap().len(), 1);
}

fn ledger(retention: Retention) -> (tempfile::TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, _) = Ledger::open(&directory.path().join("ledger.db"), retention, START);
    (directory, ledger)
}

fn entry(at: Timestamp, n: u64) -> Record {
    Record::Entry(banned(at, nth_subject(u32::try_from(n).unwrap()), &n.to_string()))
}

/// Prunes until nothing is due, and expects that to happen.
fn prune_all(ledger: &mut Ledger, now: Timestamp) {
    let calls = (0..1_000).take_while(|_| ledger.prune(now).unwrap() == Pruned::MoreIsDue).count();
    assert!(calls < 1_000, "it never ends");
}

/// Returns the file's size once the log beside it has gone into it.
fn size_when_closed(path: &Path, ledger: Ledger) -> u64 {
    drop(ledger);
    fs::metadata(path).unwrap().len()
}
