//! Files of older, newer and other programs.

use std::{fs, path::Path};

use portguard_core::{Author, Health, List, ListedHold, Until};
use portguard_store::{Keeper, Ledger, Opening, Reader};
use rusqlite::Connection;

use crate::sample::{KEEP_ALL, START, all_entries, at, holds, nth_ban, offender, subject};

/// The tables as version 1 made them, with something in each. Never to be changed: such files are
/// in the field.
const VERSION_1: &[&str] = &[
    "PRAGMA auto_vacuum = incremental",
    "PRAGMA application_id = 0x50474C44",
    "PRAGMA user_version = 1",
    "CREATE TABLE holds (
        subject BLOB NOT NULL, list TEXT NOT NULL, is_limited INTEGER NOT NULL,
        ports BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
        nth_ban INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (subject, list, is_limited)
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE offenders (
        subject BLOB NOT NULL PRIMARY KEY, offences INTEGER NOT NULL, bans INTEGER NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE INDEX offenders_by_last ON offenders (last)",
    "CREATE TABLE entries (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, level TEXT NOT NULL,
        subject BLOB, measure TEXT, ports BLOB NOT NULL, until INTEGER, nth_ban INTEGER NOT NULL,
        author TEXT, text TEXT NOT NULL, details TEXT, evidence TEXT
    ) STRICT",
    "CREATE INDEX entries_by_time ON entries (at)",
    "CREATE INDEX entries_by_subject ON entries (subject) WHERE subject IS NOT NULL",
    "INSERT INTO holds VALUES
        (x'04C000020720', 'ban', 0, x'', 1800000000000, 9223372036854775807, 3, 'guard', 'trap'),
        (x'0620010DB800000000000000000000000040', 'throttle-hard', 1, x'060016110035',
         1800000001000, 1800000060000, 0, 'operator:1000', 'slow')",
    "INSERT INTO offenders VALUES (x'04C000020720', 5, 3, 1800000000000, 1800000002000)",
    "INSERT INTO entries VALUES
        (7, 1800000000000, 'offence', 'info', x'04C000020720', NULL, x'', NULL, 0, NULL,
         'trap tcp/23', '[[\"grade\",\"handshake\"]]', '[[\"port\",\"tcp/23\"]]')",
];

#[test]
fn a_ledger_of_version_1_is_understood() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    build(&path, VERSION_1);

    let (mut ledger, opening) = Ledger::open(&path, KEEP_ALL, START);

    assert!(matches!(opening, Opening::Existing), "{opening:?}");
    let mut reader = ledger.reader();
    let banned = ListedHold {
        list: List::Ban,
        subject: subject("192.0.2.7"),
        ports: vec![],
        since: START,
        until: Until::FOREVER,
        nth_ban: 3,
        author: Author::Guard,
        reason: "trap".into(),
    };
    let throttled = ListedHold {
        list: List::ThrottleHard,
        subject: subject("2001:db8::/64"),
        ports: vec!["tcp/22".parse().unwrap(), "udp/53".parse().unwrap()],
        since: at(1),
        until: Until::at(at(60)),
        nth_ban: 0,
        author: Author::Operator(1000),
        reason: "slow".into(),
    };
    assert_eq!(holds(&mut reader), [banned, throttled]);
    let past = portguard_core::Offender { bans: 3, ..offender(5, at(2)) };
    assert_eq!(reader.offenders(9).unwrap(), [(subject("192.0.2.7"), past)]);
    ledger.record(&nth_ban(1)).unwrap();
    let ids: Vec<i64> =
        reader.entries(&all_entries()).unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [7, 8]);
}

#[test]
fn a_ledger_of_a_newer_program_is_left_alone_and_named() {
    let newer = [VERSION_1, &["PRAGMA user_version = 99"]].concat();
    check_left_alone(
        &newer,
        "a newer version of this program wrote the ledger: its tables are of version 99, this \
         program knows 5",
    );
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    check_left_alone(
        &["CREATE TABLE bookmarks (url TEXT)", "INSERT INTO bookmarks VALUES ('http://[::1]/')"],
        "the file is another program's database",
    );
}

fn check_left_alone(statements: &[&str], expect: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    build(&path, statements);
    let before = fs::read(&path).unwrap();

    let (mut keeper, opening) = Keeper::open(&path, KEEP_ALL, START);

    let Opening::InMemory { why, salvaged: 0 } = opening else { panic!("{opening:?}") };
    assert_eq!(why.to_string(), expect);
    keeper.record(nth_ban(1).to_vec(), START);
    keeper.handle_timeout(at(3_600));
    let why = format!("the ledger is in memory only and ends with the daemon: {expect}");
    assert_eq!(keeper.health(), Health::Degraded(why));
    assert_eq!(holds(&mut keeper.reader()).len(), 1);
    drop(keeper);
    assert!(fs::read(&path).unwrap() == before, "the file was changed");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(Reader::open(&path).is_ok());
}

fn build(path: &Path, statements: &[&str]) {
    let connection = Connection::open(path).unwrap();
    for statement in statements {
        connection.execute(statement, []).unwrap();
    }
}
