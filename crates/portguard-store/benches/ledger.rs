//! What the ledger costs: a burst of decisions, a million holds, questions, and memory.
//!
//! Prints figures, judges nothing. Run it on an idle machine.

use std::{
    fs,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Instant,
};

use portguard_core::{
    Author, Decision, Entry, List, ListedHold, Measure, Note, Offender, Record, Span, Subject,
    Timestamp, Until,
};
use portguard_store::{EntryQuery, Keeper, Ledger, Order, Pruned, Reader, Retention};

const KEEP_ALL: Retention =
    Retention { keep_entries: Span::Forever, keep_offenders: Span::Forever, max_size: u64::MAX };
const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const BURST: u32 = 10_000;
const MILLION: u32 = 1_000_000;

fn main() {
    let directory = tempfile::tempdir().expect("the directory for temporary files takes one more");
    bursts(&directory.path().join("bursts.db"));
    million(&directory.path().join("million.db"));
}

/// Bursts of 10,000 bans at random addresses, until the ledger has a million journal lines.
fn bursts(path: &Path) {
    let (mut keeper, _) = Keeper::open(path, KEEP_ALL, START);
    let mut times = Vec::new();
    for burst in 0..100 {
        let records: Vec<Record> =
            (burst * BURST..(burst + 1) * BURST).flat_map(|n| ban_records(scattered(n))).collect();
        let start = Instant::now();
        keeper.record(records, START);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("10,000 decisions (entry, hold, offender each), ms, first burst: {:.0}", times[0]);
    println!("the same, into a ledger of 100,000 decisions: {:.0}", times[10]);
    times[1..].sort_by(f64::total_cmp);
    println!(
        "the same, 99 more bursts: best {:.0} median {:.0} worst {:.0}",
        times[1], times[50], times[99]
    );
    ask(&mut keeper.reader());
    let start = Instant::now();
    keeper.record(ban_records(scattered(7)).to_vec(), START);
    println!("one decision: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
    drop(keeper);
    let size = fs::metadata(path).map_or(0, |found| found.len());
    println!("file with 1,000,000 of each: {} MiB", size >> 20);
    forget(path);
}

fn ask(reader: &mut Reader) {
    let subject = scattered(500_000);
    let query = EntryQuery {
        since: Some(START),
        subject: None,
        kinds: vec!["decision".to_owned()],
        after_id: None,
        limit: 100,
        order: Order::NewestFirst,
    };
    let timed = |name: &str, ask: &mut dyn FnMut()| {
        ask();
        let start = Instant::now();
        ask();
        println!("{name}: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
    };
    timed("story of one address among a million lines", &mut || {
        drop(black_box(reader.story(subject)));
    });
    timed("newest 100 decisions", &mut || drop(black_box(reader.entries(&query))));
    timed("newest 1,000 offenders", &mut || drop(black_box(reader.offenders(1_000))));
}

/// Slices of pruning, until the file is a tenth smaller.
fn forget(path: &Path) {
    let max_size = fs::metadata(path).map_or(0, |found| found.len()) * 9 / 10;
    let (mut ledger, _) = Ledger::open(path, Retention { max_size, ..KEEP_ALL }, START);
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        let pruned = ledger.prune(START).expect("the disk takes it");
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if pruned == Pruned::Done {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let (count, worst) = (times.len(), times[times.len() - 1]);
    println!("{count} slices of pruning, ms: median {:.0} worst {worst:.0}", times[count / 2]);
}

/// A million holds in ascending and in random order, and back.
fn million(path: &Path) {
    for (order, nth) in [("ascending", ascending as fn(u32) -> Subject), ("random", scattered)] {
        // The first time there is none.
        let _ = fs::remove_file(path);
        let (mut ledger, _) = Ledger::open(path, KEEP_ALL, START);
        let start = Instant::now();
        for first in (0..MILLION).step_by(BURST as usize) {
            let records: Vec<Record> =
                (first..first + BURST).map(|n| Record::Hold(hold(nth(n)))).collect();
            ledger.record(&records).expect("the disk takes it");
        }
        println!("1,000,000 holds written, {order}: {:.2} s", start.elapsed().as_secs_f64());
        drop(ledger);
        println!("file: {} MiB", fs::metadata(path).map_or(0, |found| found.len()) >> 20);
    }
    let start = Instant::now();
    let (ledger, _) = Ledger::open(path, KEEP_ALL, START);
    println!("opened and checked: {:.2} s", start.elapsed().as_secs_f64());
    let before = resident();
    let start = Instant::now();
    let tally = ledger.reader().holds(START, |chunk| drop(black_box(chunk))).expect("it reads");
    println!("{} holds read: {:.2} s", tally.read, start.elapsed().as_secs_f64());
    println!("memory: {} KiB more for reading, {} KiB in all", resident() - before, resident());
    let mut all = Vec::new();
    ledger.reader().holds(START, |chunk| all.extend(chunk)).expect("it reads");
    println!("memory with all of them kept: {} KiB more", resident() - before);
}

fn ban_records(subject: Subject) -> [Record; 3] {
    let decision = Decision {
        subject,
        measure: Measure::Ban,
        ports: vec![],
        until: Until::at(START.plus(std::time::Duration::from_secs(60))),
        nth_ban: 1,
        reason: Arc::from("trap tcp/23"),
        author: Author::Guard,
    };
    [
        Record::Entry(Entry { at: START, note: Note::Decision(decision) }),
        Record::Hold(hold(subject)),
        Record::Offender(subject, Offender { offences: 1, bans: 1, first: START, last: START }),
    ]
}

fn hold(subject: Subject) -> ListedHold {
    ListedHold {
        list: List::Ban,
        subject,
        ports: vec![],
        since: START,
        until: Until::at(START.plus(std::time::Duration::from_secs(60))),
        nth_ban: 1,
        author: Author::Guard,
        reason: Arc::from("trap tcp/23"),
    }
}

fn ascending(n: u32) -> Subject {
    Subject::address(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + n)))
}

/// Returns a different address for each number, all over the address space.
fn scattered(n: u32) -> Subject {
    Subject::address(IpAddr::V4(Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1))))
}

/// Returns the process's resident memory in KiB.
fn resident() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}
