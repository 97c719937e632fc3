//! Many elements. The times are printed, for whoever wants to see them; `--ignored` takes a million.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use portguard_core::{Change, Element, List, Subject, Until};
use portguard_linux::nft::{ListSet, Monitor, Verdict};

use crate::{
    namespace::alone,
    setting::{HOUR, apply, now, plain, set_of, table},
};

#[test]
fn a_hundred_thousand_bans_go_in_and_come_back() {
    alone(|| {
        let mut table = table(&plain());
        let all = bans(100_000);
        measure("100,000 bans", || apply(&mut table, &all));
        let listed = measure("listing them", || table.dump(List::Ban).unwrap());
        let listed: BTreeSet<_> = listed.iter().map(|listed| listed.element).collect();
        assert!(all.iter().all(|ban| listed.contains(&ban.element())));
        assert_eq!(listed.len(), 100_000);
        if let Some(count) = table.count(set_of("ban 192.0.2.7")).unwrap() {
            assert_eq!(count, 100_000);
        }
        measure("a frame swap", || table.apply_frame(&plain()).unwrap().carried);
        let removals: Vec<_> = all.iter().map(|ban| Change::Remove(ban.element())).collect();
        measure("removing them", || apply(&mut table, &removals));
        assert_eq!(table.dump(List::Ban).unwrap(), []);
    });
}

#[test]
fn networks_of_every_length_stand_beside_each_other() {
    alone(|| {
        let element = |n: u32| {
            let length = u8::try_from(8 + n % 25).unwrap();
            let address = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761) >> 1);
            Element {
                list: List::Ban,
                subject: Subject::containing(address.into(), length),
                port: None,
            }
        };
        let mut spec = plain();
        spec.networks = (0..25).map(|n| ListSet::of(&element(n))).collect();
        let mut table = table(&spec);
        let changes: Vec<_> =
            (0..100_000).map(|n| Change::Install(element(n), Until::FOREVER)).collect();
        measure("100,000 networks of 25 lengths", || apply(&mut table, &changes));
        let one = Change::Install(element(100_001), Until::FOREVER);
        measure("one more", || apply(&mut table, &[one]));
        let address = element(77).subject.first_address();
        let found = measure("finding an address", || table.find(address, &[]).unwrap());
        assert!(found.iter().any(|found| found.element == element(77)));
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
    });
}

#[test]
#[ignore = "takes ten seconds and 200 MB of the kernel's memory"]
fn a_million_bans() {
    alone(|| {
        let mut table = table(&plain());
        let before = kernel_kib();
        let all = bans(1_000_000);
        measure("1,000,000 bans", || apply(&mut table, &all));
        println!("kernel memory: {} MiB", (kernel_kib() - before) / 1024);
        singles(&mut table, "with 1,000,000");
        measure("a frame swap", || table.apply_frame(&plain()).unwrap().carried);
        measure("verification", || assert_eq!(table.verify().unwrap(), Verdict::Intact));
        let removals: Vec<_> = all.iter().map(|ban| Change::Remove(ban.element())).collect();
        measure("removing them", || apply(&mut table, &removals));
        println!("this process: {}", resident());
    });
}

#[test]
#[ignore = "a measurement"]
fn single_bans_are_quick() {
    alone(|| {
        let mut table = table(&plain());
        singles(&mut table, "with none");
        apply(&mut table, &bans(100_000));
        singles(&mut table, "with 100,000");
        let monitor = Monitor::open("guard", table.ownership()).unwrap();
        singles(&mut table, "with 100,000 and a monitor");
        let all = bans(100_000);
        measure("100,000 again, with a monitor", || apply(&mut table, &all));
        drop(monitor);
    });
}

fn singles(table: &mut portguard_linux::nft::Table, what: &str) {
    let more: Vec<_> = bans(1_010_000).split_off(1_000_000);
    let mut times: Vec<Duration> = Vec::new();
    for change in &more {
        let start = Instant::now();
        let outcome = table.apply(std::slice::from_ref(change), now()).unwrap();
        times.push(start.elapsed());
        assert_eq!(outcome.applied, 1);
    }
    times.sort_unstable();
    let percentile = |percent: usize| times[times.len() * percent / 100];
    println!("one ban {what}: p50 {:?}, p99 {:?}", percentile(50), percentile(99));
    let removals: Vec<_> = more.iter().map(|ban| Change::Remove(ban.element())).collect();
    apply(table, &removals);
}

/// Bans of scattered addresses, each with a time of its own.
fn bans(count: u32) -> Vec<Change> {
    let now = now();
    (0..count)
        .map(|n| {
            // Odd multipliers scatter without repeating.
            let address = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761));
            let subject = Subject::address(address.into());
            let until = Until::at(now.plus(HOUR + Duration::from_secs(u64::from(n % 86_400))));
            Change::Install(Element { list: List::Ban, subject, port: None }, until)
        })
        .collect()
}

fn measure<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what}: {:?}", start.elapsed());
    result
}

/// Returns the peak of this process's memory, as the kernel writes it.
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned()
}

/// Returns how much memory the kernel has in objects, and for each processor; counters are of that kind.
fn kernel_kib() -> i64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let number = |name| {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().trim_end_matches(" kB").parse::<i64>().unwrap()
    };
    number("Slab:") + number("Percpu:") + number("VmallocUsed:")
}
