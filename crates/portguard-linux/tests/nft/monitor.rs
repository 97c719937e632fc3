//! What the monitor hears of others, and that it does not hear ourselves.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use portguard_core::Element;
use portguard_linux::nft::{ForeignChange, Monitor, Notice, Table, Verdict};

use crate::{
    namespace::{alone, eventually, nft},
    setting::{
        ALMOST_AN_HOUR, HOUR, apply, element, install, install_for_ever, plain, set_of, table,
    },
};

#[test]
fn single_elements_of_others_are_told_with_their_time_and_author() {
    alone(|| {
        let (mut table, mut monitor) = watched();
        apply(&mut table, &[install("ban 192.0.2.9", HOUR)]);

        nft("add element inet guard ban4 { 192.0.2.7 timeout 1h, 192.0.2.8 }");
        let change = next(&mut monitor);
        assert_eq!(change.by.name, "nft");
        assert!(change.by.pid.is_some());
        assert_eq!(change.added[0].element, element("ban 192.0.2.7"));
        assert!((Some(ALMOST_AN_HOUR)..=Some(HOUR)).contains(&change.added[0].stays));
        assert_eq!(change.added[1].element, element("ban 192.0.2.8"));
        assert_eq!(change.added[1].stays, None);
        assert!(change.removed.is_empty() && change.flushed.is_empty() && !change.frame);

        nft("delete element inet guard ban4 { 192.0.2.9 }");
        let change = next(&mut monitor);
        assert_eq!(change.removed, [element("ban 192.0.2.9")]);
        assert!(change.added.is_empty() && change.flushed.is_empty() && !change.frame);

        nft("add element inet guard banport6 { 2001:db8::7 . tcp . 22 timeout 1m }");
        assert_eq!(next(&mut monitor).added[0].element, element("ban 2001:db8::7 tcp/22"));
    });
}

#[test]
fn the_last_element_removed_is_no_flush_and_a_flush_is_no_removal() {
    alone(|| {
        let (mut table, mut monitor) = watched();
        apply(&mut table, &[install("ban 192.0.2.7", HOUR)]);
        nft("delete element inet guard ban4 { 192.0.2.7 }");
        let change = next(&mut monitor);
        assert_eq!((change.removed.len(), change.flushed.len()), (1, 0));

        apply(&mut table, &[install("ban 192.0.2.7", HOUR), install("allow 192.0.2.8", HOUR)]);
        nft("flush set inet guard ban4");
        let change = next(&mut monitor);
        assert_eq!(change.removed, Vec::<Element>::new());
        assert_eq!(change.flushed, BTreeSet::from([set_of("ban 192.0.2.7")]));
        assert!(!change.frame);

        nft("flush set inet guard ban4; delete element inet guard allow4 { 192.0.2.8 }");
        let change = next(&mut monitor);
        assert_eq!(change.removed, [element("allow 192.0.2.8")]);
    });
}

#[test]
fn changes_of_the_frame_are_told() {
    alone(|| {
        let (mut table, mut monitor) = watched();
        for command in [
            "add rule inet guard input accept",
            "flush chain inet guard traps",
            "add chain inet guard mine",
            "add set inet guard mine { type ipv4_addr; }",
            "add table inet guard { flags dormant; }",
            "delete table inet guard",
            "flush ruleset",
        ] {
            nft(command);
            let change = next(&mut monitor);
            assert!(change.frame, "{command}: {change:?}");
            assert_eq!(change.by.name, "nft");
            let _ = table.apply_frame(&plain()).unwrap();
        }
    });
}

#[test]
fn other_tables_and_our_own_changes_are_not_told() {
    alone(|| {
        let (mut table, mut monitor) = watched();
        nft("add table inet others; add set inet others ban4 { type ipv4_addr; }; \
             add element inet others ban4 { 192.0.2.7 }");
        nft("add table ip guard; add set ip guard ban4 { type ipv4_addr; }; \
             add element ip guard ban4 { 192.0.2.7 }");
        let mut wider = plain();
        wider.networks.insert(set_of("ban 192.0.2.0/24"));
        let _ = table.apply_frame(&wider).unwrap();
        apply(&mut table, &[install("ban 192.0.2.7", HOUR), install_for_ever("allow 192.0.2.8")]);
        table.remove().unwrap();
        let _ = table.apply_frame(&plain()).unwrap();

        nft("add element inet guard ban4 { 192.0.2.1 }");

        // The first thing that is told is the last that was done.
        assert_eq!(next(&mut monitor).added[0].element, element("ban 192.0.2.1"));
    });
}

#[test]
fn a_flush_beyond_the_buffer_is_never_taken_for_removals() {
    alone(|| {
        let (mut table, mut monitor) = watched();
        let all: Vec<_> = (0..70_000_u32)
            .map(|n| install(&format!("ban 10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255), HOUR))
            .collect();
        apply(&mut table, &all);

        nft("flush set inet guard ban4");
        nft("add element inet guard allow4 { 192.0.2.8 }");

        // Without privileges the buffer is small, and what is heard first is that much is lost.
        let told = heard(&mut monitor);
        assert!(!told.is_empty());
        for notice in told {
            if let Notice::Change(change) = notice {
                assert_eq!(change.removed, Vec::<Element>::new());
            }
        }
        let flushed = Verdict::Flushed { sets: vec![set_of("ban 192.0.2.7")] };
        assert_eq!(table.verify().unwrap(), flushed);
        table.mark_sets().unwrap();
        assert_eq!(table.verify().unwrap(), Verdict::Intact);

        // At most one transaction after the gap is not trusted.
        nft("add element inet guard allow4 { 192.0.2.9 }");
        heard(&mut monitor);
        nft("add element inet guard allow4 { 192.0.2.10 }");
        assert_eq!(next(&mut monitor).added[0].element, element("allow 192.0.2.10"));
    });
}

fn watched() -> (Table, Monitor) {
    let table = table(&plain());
    let monitor = Monitor::open("guard", table.ownership()).unwrap();
    (table, monitor)
}

/// Everything that waits to be heard.
fn heard(monitor: &mut Monitor) -> Vec<Notice> {
    let mut told = Vec::new();
    let limit = Duration::from_millis(50);
    loop {
        let begin = Instant::now();
        match monitor.hear(limit).unwrap() {
            Some(notice) => told.push(notice),
            None if begin.elapsed() >= limit => return told,
            None => {}
        }
    }
}

fn next(monitor: &mut Monitor) -> ForeignChange {
    let told = eventually("a notice", || monitor.hear(Duration::from_secs(1)).unwrap());
    match told {
        Notice::Change(change) => change,
        Notice::Overrun => panic!("the monitor was overrun"),
    }
}
