//! What the tests start from: a frame, elements, the clock.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portguard_core::{
    Change, Element, Family, List, PortPolicy, Protocol, Rate, RateUnit, Timestamp, Until,
};
use portguard_linux::nft::{
    Features, FrameSpec, Icmp, ListSet, Log, NotApplied, Rates, Table, TrapEvidence, TrapRule,
};

/// A frame without traps and without networks.
pub(crate) fn plain() -> FrameSpec {
    let per = |per, count| Rate { count, per };
    let rates = |count, icmp| Rates {
        tcp: per(RateUnit::Hour, count),
        udp: per(RateUnit::Hour, count),
        icmp: per(RateUnit::Hour, icmp),
    };
    FrameSpec {
        input_priority: -10,
        forward: true,
        throttle_soft: rates(100, 100),
        throttle_hard: rates(10, 60),
        traps: Vec::new(),
        log_group: 7,
        ports: Arc::new(PortPolicy::default()),
        icmp: Icmp::Essential,
        features: Features::default(),
        unit_levels: BTreeSet::new(),
        log: Log { blocked: None, allowed: None, limit: per(RateUnit::Second, 2000) },
        knock: None,
        networks: BTreeSet::new(),
    }
}

/// A trap that bans who completes a handshake.
pub(crate) fn trap(family: Family, protocol: Protocol, ports: &[u16]) -> TrapRule {
    TrapRule {
        family,
        protocol,
        address: None,
        ports: ports.iter().copied().collect(),
        evidence: TrapEvidence::Handshake,
        hold: Duration::from_secs(3600),
        prefix_len: if family == Family::V4 { 32 } else { 64 },
        tarpit: false,
    }
}

/// A table with this frame.
pub(crate) fn table(spec: &FrameSpec) -> Table {
    let mut table = Table::open("guard").unwrap();
    let _ = table.apply_frame(spec).unwrap();
    table
}

/// The element of a list, a subject and a port, as in `ban 192.0.2.0/24` and `ban 192.0.2.7 tcp/22`.
pub(crate) fn element(words: &str) -> Element {
    let words: Vec<_> = words.split_whitespace().collect();
    let list = List::all().find(|list| list.name() == words[0]).expect("a list's name");
    let port = words.get(2).map(|port| port.parse().unwrap());
    Element { list, subject: words[1].parse().unwrap(), port }
}

/// The set that an element stands in.
pub(crate) fn set_of(words: &str) -> ListSet {
    ListSet::of(&element(words))
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::default().plus(since)
}

pub(crate) fn install(words: &str, stays: Duration) -> Change {
    Change::Install(element(words), Until::at(now().plus(stays)))
}

pub(crate) fn install_for_ever(words: &str) -> Change {
    Change::Install(element(words), Until::FOREVER)
}

/// Applies changes that the kernel has to take over completely.
pub(crate) fn apply(table: &mut Table, changes: &[Change]) {
    let outcome = table.apply(changes, now()).unwrap();
    assert_eq!(outcome.not_applied, Vec::<NotApplied>::new());
    assert_eq!(outcome.applied, changes.len());
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const ALMOST_AN_HOUR: Duration = Duration::from_secs(3540);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
