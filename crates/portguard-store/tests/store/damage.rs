//! A damaged file is put aside and never stops the ledger.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

use portguard_core::{Health, Record};
use portguard_store::{Keeper, Ledger, OpenError, Opening};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::sample::{
    KEEP_ALL, START, at, ban, holds, holds_on_disk, nth_ban, nth_subject, offender,
};

/// How many bans the damaged ledger had.
const BANS: u32 = 5_000;

#[test]
fn an_overwritten_header_is_put_aside() {
    check(|path| overwrite(path, 0, 100));
}

#[test]
fn a_truncated_file_is_put_aside() {
    check(|path| shorten(path, 1, 2));
    check(|path| shorten(path, 9, 10));
    check(|path| OpenOptions::new().write(true).open(path).unwrap().set_len(50).unwrap());
}

#[test]
fn a_file_of_garbage_is_put_aside() {
    check(|path| overwrite(path, 0, fs::metadata(path).unwrap().len()));
    check(|path| fs::write(path, "# a text, and no database at all\n").unwrap());
}

#[test]
fn a_ledger_that_lost_a_table_is_put_aside() {
    check(|path| sql(path, "DROP TABLE holds"));
    check(|path| sql(path, "DROP TABLE entries"));
    check(|path| sql(path, "ALTER TABLE holds RENAME COLUMN until TO whenever"));
}

#[test]
fn bans_in_front_of_garbage_in_the_middle_are_saved() {
    let (directory, salvaged) = check(|path| {
        // A table that was filled in order has its pages in order: the second half of it is hit.
        let pages = pages_of(path, "holds");
        for page in &pages[pages.len() / 2..] {
            overwrite(path, (page - 1) * PAGE, PAGE);
        }
    });
    let mut found = holds_on_disk(&directory.path().join("ledger.db"));
    assert_eq!(found.pop(), Some(ban(nth_subject(BANS))), "the one recorded afterwards");
    assert!(found.len() > 1_000, "{} of {BANS} were saved", found.len());
    assert_eq!(salvaged, found.len() + BANS as usize, "and all offenders");
    assert!(found.iter().zip(0..).all(|(hold, n)| *hold == ban(nth_subject(n))));
}

#[test]
fn only_the_newest_damaged_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    for seconds in 0..6 {
        fs::write(&path, "garbage").unwrap();
        let (_, opening) = Ledger::open(&path, KEEP_ALL, at(seconds));
        assert!(matches!(opening, Opening::Recovered { .. }), "{opening:?}");
    }
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("damaged") && !name.contains("-wal") && !name.contains("-shm"))
        .collect();
    names.sort();
    assert_eq!(names, [3, 4, 5].map(|n| format!("ledger.db.damaged-{}", 1_800_000_000 + n)));
}

#[test]
fn two_damaged_files_of_one_second_are_both_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    for text in ["first", "second"] {
        fs::write(&path, text).unwrap();
        let (_, opening) = Ledger::open(&path, KEEP_ALL, START);
        let Opening::Recovered { moved_to, .. } = opening else { panic!("{opening:?}") };
        assert_eq!(fs::read_to_string(moved_to).unwrap(), text);
    }
}

#[test]
fn damage_under_a_running_keeper_is_put_aside_and_the_full_state_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    // More than SQLite keeps in memory, so that it has to read what was overwritten.
    let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
    keeper.record((0..40_000).flat_map(nth_ban).collect(), START);
    drop(keeper);
    let (mut keeper, opening) = Keeper::open(&path, KEEP_ALL, START);
    assert!(matches!(opening, Opening::Existing), "{opening:?}");
    let mut reader = keeper.reader();
    assert_eq!(holds(&mut reader).len(), 40_000);

    overwrite(&path, PAGE, fs::metadata(&path).unwrap().len() - PAGE);
    let newcomers: Vec<Record> = (0..40_000).step_by(7).flat_map(nth_ban).collect();
    keeper.record(newcomers, at(1));

    assert_eq!(keeper.waiting(), 0);
    assert!(keeper.needs_full_state());
    let Health::Degraded(why) = keeper.health() else { panic!("it should tell") };
    assert!(why.starts_with("the ledger is being written anew: the ledger is damaged:"), "{why}");

    let state =
        [Record::Hold(ban(nth_subject(1))), Record::Offender(nth_subject(1), offender(1, START))];
    keeper.record_full_state(&state, at(2));
    assert_eq!(keeper.health(), Health::Good);
    assert!(!keeper.needs_full_state());
    assert_eq!(holds(&mut reader), [ban(nth_subject(1))]);
    drop(keeper);
    assert_eq!(holds_on_disk(&path), [ban(nth_subject(1))]);
    assert!(path.with_file_name("ledger.db.damaged-1800000001").exists());
}

/// Damages a ledger of [`BANS`] and opens it; the fresh one has to take one more. Returns where
/// both are and how much was salvaged.
fn check(damage: impl FnOnce(&Path)) -> (TempDir, usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let (mut ledger, _) = Ledger::open(&path, KEEP_ALL, START);
    ledger.record(&(0..BANS).flat_map(nth_ban).collect::<Vec<_>>()).unwrap();
    drop(ledger);
    damage(&path);
    let damaged = fs::read(&path).unwrap();

    let (mut ledger, opening) = Ledger::open(&path, KEEP_ALL, at(9));

    let Opening::Recovered { moved_to, why, salvaged } = opening else { panic!("{opening:?}") };
    assert!(matches!(why, OpenError::Damaged(_)), "{why:?}");
    assert_eq!(moved_to, path.with_file_name("ledger.db.damaged-1800000009"));
    assert!(fs::read(&moved_to).unwrap() == damaged, "the damaged file was changed");
    assert!(!ledger.is_in_memory());
    ledger.record(&nth_ban(BANS)).unwrap();
    let last = holds(&mut ledger.reader()).pop().unwrap();
    assert_eq!(last, ban(nth_subject(BANS)));
    drop(ledger);
    let (_, opening) = Ledger::open(&path, KEEP_ALL, START);
    assert!(matches!(opening, Opening::Existing), "{opening:?}");
    (directory, salvaged)
}

/// SQLite's page size.
const PAGE: u64 = 4_096;

fn overwrite(path: &Path, from: u64, length: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let garbage: Vec<u8> = (0..length).map(|n| (n * 167 + 13).to_le_bytes()[0] | 1).collect();
    file.write_all_at(&garbage, from).unwrap();
}

/// Cuts the file to this share of its length.
fn shorten(path: &Path, numerator: u64, denominator: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length * numerator / denominator).unwrap();
}

fn sql(path: &Path, text: &str) {
    Connection::open(path).unwrap().execute(text, []).unwrap();
}

/// Returns the numbers of a table's pages, in ascending order.
fn pages_of(path: &Path, table: &str) -> Vec<u64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno")
        .unwrap();
    let pages = statement.query_map([table], |row| row.get::<_, i64>(0)).unwrap();
    pages.map(|page| page.unwrap().unsigned_abs()).collect()
}
