//! What was acknowledged survives `kill -9` at any moment.

use std::{
    env,
    hash::{BuildHasher as _, RandomState},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use portguard_store::{Ledger, Opening};

use crate::sample::{KEEP_ALL, START, holds_on_disk, nth_ban, nth_subject, texts_on_disk};

/// Tells the process that it is the one to be killed, where to record, and from which number on.
const VICTIM: &str = "PORTGUARD_TEST_VICTIM";

/// How often a process is killed.
const ROUNDS: u32 = 60;

/// How many bans go into one batch.
const BATCH: u32 = 7;

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    if let Ok(order) = env::var(VICTIM) {
        let (first, path) = order.split_once(' ').unwrap();
        record_until_killed(Path::new(path), first.parse().unwrap());
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let mut next = 0;
    for round in 0..ROUNDS {
        let acknowledged = next + BATCH * acknowledged_before_death(&path, next);
        let (ledger, opening) = Ledger::open(&path, KEEP_ALL, START);
        let is_fine = matches!(opening, Opening::Existing) || acknowledged == 0;
        assert!(is_fine, "round {round}: {opening:?}");
        drop(ledger);
        next = count_of_whole_batches(&path);
        assert!(next >= acknowledged, "round {round}: {next} of {acknowledged} are there");
    }
    assert!(next > ROUNDS, "the processes were killed before they did anything");
}

/// Runs a recording process, kills it at a random moment, and returns how many batches it had
/// acknowledged.
fn acknowledged_before_death(path: &Path, first: u32) -> u32 {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::nothing_acknowledged_is_lost_by_kill_9", "--nocapture"])
        .env(VICTIM, format!("{first} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let luck = RandomState::new().hash_one(first);
    // Some die while the ledger is being opened, most in the middle of their work.
    let patience = luck % 50;
    let mut acknowledged = 0;
    while acknowledged < patience
        && let Some(line) = lines.next()
    {
        acknowledged += u64::from(line.unwrap() == ACKNOWLEDGED);
    }
    let end = Instant::now() + Duration::from_micros(luck / 50 % 3_000);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    acknowledged += lines.filter(|line| line.as_ref().unwrap() == ACKNOWLEDGED).count() as u64;
    u32::try_from(acknowledged).unwrap()
}

const ACKNOWLEDGED: &str = "acknowledged";

fn record_until_killed(path: &Path, first: u32) -> ! {
    let (mut ledger, _) = Ledger::open(path, KEEP_ALL, START);
    let mut out = std::io::stdout();
    for batch in (first..).step_by(BATCH as usize) {
        let records: Vec<_> = (batch..batch + BATCH).flat_map(nth_ban).collect();
        ledger.record(&records).unwrap();
        // A line of its own even where the test harness has begun one.
        writeln!(out, "\n{ACKNOWLEDGED}").unwrap();
    }
    unreachable!("it is killed before it runs out of numbers")
}

/// Returns how many bans there are; each with its journal line and hold, batches whole.
fn count_of_whole_batches(path: &Path) -> u32 {
    let texts = texts_on_disk(path);
    let count = u32::try_from(texts.len()).unwrap();
    assert_eq!(count % BATCH, 0, "half a batch is there");
    assert!(texts.iter().zip(0..).all(|(text, n): (_, u32)| *text == n.to_string()));
    let holds = holds_on_disk(path);
    assert_eq!(holds.len(), texts.len());
    assert!(holds.iter().zip(0..).all(|(hold, n)| hold.subject == nth_subject(n)));
    count
}
