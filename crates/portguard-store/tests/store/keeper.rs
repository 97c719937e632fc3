//! The keeper takes everything, whatever stands between it and its file.

use std::{fs, thread};

use portguard_core::{Health, ListedHold, Record};
use portguard_store::{Keeper, Opening};
use rusqlite::{Connection, TransactionBehavior};

use crate::sample::{
    KEEP_ALL, START, all_entries, at, ban, banned, holds, holds_on_disk, nth_ban, nth_subject,
    texts_on_disk,
};

/// How many journal lines may wait.
const LIMIT: u64 = 65_536;

#[test]
fn a_locked_ledger_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    let mut other = Connection::open(&path).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();

    keeper.record(nth_ban(0).to_vec(), START);
    let told = "the ledger waits in memory: another program keeps the ledger locked";
    assert_eq!(keeper.health(), Health::Degraded(told.to_owned()));
    keeper.record(nth_ban(1).to_vec(), START);
    assert_eq!(keeper.waiting(), 6);
    assert_eq!(holds(&mut keeper.reader()), []);

    drop(lock);
    keeper.record(nth_ban(2).to_vec(), at(1));
    assert_eq!(keeper.health(), Health::Good);
    assert_eq!(texts_on_disk(&path), ["0", "1", "2"]);
}

#[test]
fn a_clock_that_is_set_back_does_not_delay_the_next_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, at(10_000));
    let mut other = Connection::open(&path).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    keeper.record(nth_ban(0).to_vec(), at(10_000));
    assert_eq!(keeper.waiting(), 3);
    drop(lock);
    keeper.handle_timeout(START);
    assert_eq!(keeper.waiting(), 0);
}

#[test]
fn too_many_waiting_lines_drop_the_oldest_and_the_newest_state_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    let mut other = Connection::open(&path).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let subject = nth_subject(1);
    for nth_ban in 1..=3 {
        keeper.record(vec![Record::Hold(ListedHold { nth_ban, ..ban(subject) })], START);
    }
    let lines = (0..LIMIT + 10).map(|n| Record::Entry(banned(at(n), subject, &n.to_string())));
    keeper.record(lines.collect(), START);
    assert_eq!(keeper.waiting() as u64, LIMIT + 1);
    assert_eq!(keeper.lost_entries(), 10);
    let Health::Degraded(why) = keeper.health() else { panic!("it should tell") };
    assert!(why.contains("its oldest lines are lost"), "{why}");

    drop(lock);
    keeper.handle_timeout(at(60));
    assert_eq!(keeper.health(), Health::Good);
    assert_eq!(holds_on_disk(&path), [ListedHold { nth_ban: 3, ..ban(subject) }]);
    let texts = texts_on_disk(&path);
    assert_eq!(texts.len() as u64, LIMIT);
    assert_eq!((texts[0].as_str(), texts.last().unwrap().as_str()), ("10", "65545"));
}

#[test]
fn too_many_waiting_changes_of_state_become_the_full_state() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    keeper.record(nth_ban(99_999).to_vec(), START);
    let mut other = Connection::open(&path).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    keeper.record((0..70_000).map(|n| Record::Hold(ban(nth_subject(n)))).collect(), START);
    assert!(keeper.waiting() as u64 <= LIMIT);
    assert!(!keeper.needs_full_state(), "it could not be written yet");

    drop(lock);
    keeper.handle_timeout(at(60));
    assert!(keeper.needs_full_state());
    let state: Vec<_> = (0..70_000).map(|n| Record::Hold(ban(nth_subject(n)))).collect();
    keeper.record_full_state(&state, at(61));
    assert_eq!((keeper.needs_full_state(), keeper.health()), (false, Health::Good));
    assert_eq!(holds_on_disk(&path).len(), 70_000);
}

#[test]
fn a_batch_larger_than_what_may_wait_is_written_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    keeper.record((0..70_000).flat_map(nth_ban).collect(), START);
    assert_eq!((keeper.health(), keeper.lost_entries()), (Health::Good, 0));
    assert_eq!(holds_on_disk(&path).len(), 70_000);
    assert_eq!(texts_on_disk(&path).len(), 70_000);
}

#[test]
fn a_ledger_whose_file_is_deleted_begins_anew_with_the_full_state() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    let mut reader = keeper.reader();
    keeper.record(nth_ban(0).to_vec(), START);
    assert_eq!(holds(&mut reader).len(), 1);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(path.with_file_name(name)).unwrap();
    }

    keeper.record(nth_ban(1).to_vec(), START);

    assert_eq!(texts_on_disk(&path), ["1"]);
    assert!(keeper.needs_full_state());
    let told = "the ledger is being written anew: its file was removed or replaced";
    assert_eq!(keeper.health(), Health::Degraded(told.to_owned()));
    let state = [0, 1].map(|n| Record::Hold(ban(nth_subject(n))));
    keeper.record_full_state(&state, START);
    assert_eq!(keeper.health(), Health::Good);
    assert_eq!(holds(&mut reader).len(), 2);
    drop(keeper);
    assert_eq!(holds_on_disk(&path).len(), 2);
    assert_eq!(texts_on_disk(&path), ["1"]);
}

#[test]
fn a_path_that_cannot_be_made_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let obstacle = directory.path().join("state");
    fs::write(&obstacle, "a file where a directory belongs").unwrap();
    let path = obstacle.join("ledger.db");
    let (mut keeper, opening) = Keeper::open(&path, KEEP_ALL, START);
    assert!(matches!(opening, Opening::InMemory { .. }), "{opening:?}");
    keeper.record(nth_ban(0).to_vec(), START);
    fs::remove_file(&obstacle).unwrap();
    keeper.record(nth_ban(1).to_vec(), at(1));
    assert_eq!(keeper.health(), Health::Good);
    assert_eq!(texts_on_disk(&path), ["0", "1"]);
}

#[test]
fn a_damaged_file_found_on_the_way_back_to_the_disk_is_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let obstacle = directory.path().join("state");
    fs::write(&obstacle, "a file where a directory belongs").unwrap();
    let path = obstacle.join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    keeper.record(nth_ban(0).to_vec(), START);
    fs::remove_file(&obstacle).unwrap();
    fs::create_dir(&obstacle).unwrap();
    fs::write(&path, "garbage").unwrap();
    keeper.handle_timeout(at(1));
    assert_eq!(keeper.health(), Health::Good);
    assert_eq!(texts_on_disk(&path), ["0"]);
    assert_eq!(
        fs::read_to_string(obstacle.join("ledger.db.damaged-1800000001")).unwrap(),
        "garbage"
    );
}

#[test]
fn readers_ask_while_the_keeper_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    let mut reader = keeper.reader();
    let asking = thread::spawn(move || {
        let mut seen = 0;
        while seen < 20_000 {
            let found = reader.entries(&all_entries()).unwrap().len();
            let held = holds(&mut reader).len();
            assert!(seen <= found && found <= held, "{seen} {found} {held}");
            assert_eq!(found % 100, 0, "half a batch is seen");
            seen = found;
        }
    });
    for batch in 0..200 {
        keeper.record((batch * 100..(batch + 1) * 100).flat_map(nth_ban).collect(), START);
        assert_eq!(keeper.health(), Health::Good);
    }
    asking.join().unwrap();
}
