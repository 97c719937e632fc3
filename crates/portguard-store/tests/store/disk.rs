//! Full and read-only disks: real ones, in a mount namespace of the test's own.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use portguard_core::{Health, ListedHold, Record, Timestamp};
use portguard_store::{Keeper, Ledger, Opening, Reader};

use crate::sample::{
    KEEP_ALL, START, at, ban, banned, holds, holds_on_disk, nth_ban, nth_subject, texts_on_disk,
};

/// Tells the process that the disk at this path is its own.
const OWN_DISK: &str = "PORTGUARD_TEST_DISK";

#[test]
fn a_full_disk_loses_nothing_and_is_told() {
    on_a_small_disk("a_full_disk_loses_nothing_and_is_told", |disk| {
        let path = disk.join("ledger.db");
        let (mut keeper, _) = Keeper::open(&path, KEEP_ALL, START);
        keeper.record((0..100).flat_map(nth_ban).collect(), START);
        assert_eq!(keeper.health(), Health::Good);
        let filler = fill(disk);

        let mut count = 100;
        while keeper.waiting() == 0 {
            assert!(count < 100_000, "the disk never gets full");
            keeper.record(nth_ban(count).to_vec(), START);
            count += 1;
        }
        let told = Health::Degraded("the ledger waits in memory: the disk is full".to_owned());
        assert_eq!(keeper.health(), told);
        for n in count..count + 500 {
            keeper.record(nth_ban(n).to_vec(), START);
        }
        count += 500;
        let longer = ListedHold { nth_ban: 2, ..ban(nth_subject(0)) };
        keeper.record(vec![Record::Hold(longer.clone())], START);
        assert_eq!(keeper.health(), told);
        assert!(holds(&mut keeper.reader()).len() >= 100);

        let mut now = START;
        for _ in 0..10 {
            let next = keeper.poll_timeout().unwrap();
            assert!(now < next && next <= now.plus(std::time::Duration::from_secs(60)));
            now = next;
            keeper.handle_timeout(now);
            assert_eq!(keeper.health(), told);
        }

        fs::remove_file(filler).unwrap();
        keeper.handle_timeout(keeper.poll_timeout().unwrap());
        assert_eq!(keeper.health(), Health::Good);
        assert_eq!((keeper.waiting(), keeper.lost_entries()), (0, 0));
        assert_eq!(keeper.poll_timeout(), None);
        let expect: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        assert_eq!(texts_on_disk(&path), expect);
        let found = holds_on_disk(&path);
        assert_eq!(found.len(), expect.len());
        assert_eq!(found[0], longer);
    });
}

#[test]
fn a_ledger_on_a_full_disk_gives_back_its_bans_and_returns_to_the_disk() {
    on_a_small_disk(
        "a_ledger_on_a_full_disk_gives_back_its_bans_and_returns_to_the_disk",
        |disk| {
            let path = disk.join("ledger.db");
            let (mut ledger, _) = Ledger::open(&path, KEEP_ALL, START);
            ledger.record(&(0..100).flat_map(nth_ban).collect::<Vec<_>>()).unwrap();
            drop(ledger);
            let filler = fill(disk);
            goes_on_in_memory_and_returns(&path, || fs::remove_file(filler).unwrap());
        },
    );
}

#[test]
fn a_ledger_on_a_read_only_disk_gives_back_its_bans_and_returns_to_the_disk() {
    on_a_small_disk(
        "a_ledger_on_a_read_only_disk_gives_back_its_bans_and_returns_to_the_disk",
        |disk| {
            let path = disk.join("ledger.db");
            let (mut ledger, _) = Ledger::open(&path, KEEP_ALL, START);
            ledger.record(&(0..100).flat_map(nth_ban).collect::<Vec<_>>()).unwrap();
            drop(ledger);
            remount(disk, "remount,ro");
            goes_on_in_memory_and_returns(&path, || remount(disk, "remount,rw"));
        },
    );
}

#[test]
fn a_new_ledger_on_a_full_disk_begins_in_memory() {
    on_a_small_disk("a_new_ledger_on_a_full_disk_begins_in_memory", |disk| {
        let filler = fill(disk);
        let path = disk.join("state/ledger.db");
        let (mut keeper, opening) = Keeper::open(&path, KEEP_ALL, START);
        assert!(matches!(opening, Opening::InMemory { salvaged: 0, .. }), "{opening:?}");
        keeper.record(nth_ban(0).to_vec(), START);
        let mut reader = keeper.reader();
        assert_eq!(holds(&mut reader), [ban(nth_subject(0))]);
        fs::remove_file(filler).unwrap();
        keeper.handle_timeout(keeper.poll_timeout().unwrap());
        assert_eq!(keeper.health(), Health::Good);
        assert_eq!(holds(&mut reader), [ban(nth_subject(0))]);
        assert_eq!(texts_on_disk(&path), ["0"]);
    });
}

#[test]
fn the_file_and_its_directory_are_for_the_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lib/portguard/ledger.db");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (mut ledger, opening) = Ledger::open(&path, KEEP_ALL, START);
    assert!(matches!(opening, Opening::Fresh), "{opening:?}");
    ledger.record(&nth_ban(0)).unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    drop(ledger);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, opening) = Ledger::open(&path, KEEP_ALL, START);
    assert!(matches!(opening, Opening::Existing), "{opening:?}");
    assert_eq!(mode(&path), 0o600);
}

/// Opens a ledger of 100 bans whose disk takes nothing, works with it, mends the disk, and
/// expects all of it there.
fn goes_on_in_memory_and_returns(path: &Path, mend: impl FnOnce()) {
    let (mut keeper, opening) = Keeper::open(path, KEEP_ALL, START);
    assert!(matches!(opening, Opening::InMemory { salvaged: 200, .. }), "{opening:?}");
    let mut reader = keeper.reader();
    assert_eq!(holds(&mut reader).len(), 100);

    let lifted = ban(nth_subject(0));
    let lifted = Record::HoldEnded { list: lifted.list, subject: lifted.subject, ports: vec![] };
    keeper.record(vec![lifted], START);
    keeper.record(nth_ban(100).to_vec(), START);
    let Health::Degraded(why) = keeper.health() else { panic!("it should tell") };
    let told = "the ledger is in memory only and ends with the daemon: cannot open the ledger's";
    assert!(why.starts_with(told), "{why}");
    let many = Record::Entry(banned(at(1), nth_subject(100), "101"));
    keeper.record(vec![many], keeper.poll_timeout().unwrap());
    assert!(matches!(keeper.health(), Health::Degraded(_)));

    mend();
    keeper.handle_timeout(keeper.poll_timeout().unwrap());
    assert_eq!(keeper.health(), Health::Good);
    assert!(!keeper.needs_full_state());
    let expect: Vec<_> = (1..=100).map(|n| ban(nth_subject(n))).collect();
    assert_eq!(holds(&mut reader), expect);
    assert_eq!(holds_on_disk(path), expect);
    assert_eq!(texts_on_disk(path), (0..=101).map(|n| n.to_string()).collect::<Vec<_>>());
    let limit = usize::MAX;
    assert_eq!(Reader::open(path).unwrap().offenders(limit).unwrap().len(), 101);
    let (_, opening) = Ledger::open(path, KEEP_ALL, Timestamp::default());
    assert!(matches!(opening, Opening::Existing), "{opening:?}");
}

/// Runs the named test of this file again, in a mount namespace in which a directory is a disk of
/// 8 MiB, and there runs `act`.
fn on_a_small_disk(name: &str, act: impl FnOnce(&Path)) {
    if let Some(disk) = env::var_os(OWN_DISK) {
        return act(&PathBuf::from(disk));
    }
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=8m tmpfs \"$1\"; exec \"$2\" --exact \"$3\" --nocapture")
        .arg("sh")
        .arg(directory.path())
        .arg(env::current_exe().unwrap())
        .arg(format!("disk::{name}"))
        .env(OWN_DISK, directory.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

/// Fills the disk to the last byte and returns the file that does it.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [1 << 16, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
    path
}

fn remount(disk: &Path, options: &str) {
    let status = Command::new("mount").args(["-o", options]).arg(disk).status().unwrap();
    assert!(status.success(), "{options}");
}
