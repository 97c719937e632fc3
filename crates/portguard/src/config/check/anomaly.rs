//! Checks of `[anomaly]`.

use portguard_core::Span;

use crate::config::{Config, anomaly::protocol_names, anomaly::protocol_number, key::Key};

use super::Findings;

/// The most targets of one source that are told apart.
const MOST_TARGETS: u32 = 1_024;

/// Most packets within one time that are counted.
const MOST_PACKETS: u32 = 100_000;

pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let anomaly = &config.anomaly;
    let key = Key::of("anomaly");
    let scans = [
        ("port_scan", "ports", anomaly.port_scan.ports, anomaly.port_scan.within),
        ("slow_scan", "ports", anomaly.slow_scan.ports, anomaly.slow_scan.within),
        ("sweep", "hosts", anomaly.sweep.hosts, anomaly.sweep.within),
        ("in_vain", "targets", anomaly.in_vain.targets, anomaly.in_vain.within),
    ];
    for (name, unit, count, within) in scans {
        check_limit(&key.name(name), (unit, count, MOST_TARGETS), within.0, found);
    }
    let scan = &anomaly.distributed_scan;
    let distributed = key.name("distributed_scan");
    check_limit(&distributed, ("targets", scan.targets, 64), scan.within.0, found);
    check_count(&distributed, ("sources", scan.sources, 32), found);
    let probing = &anomaly.probing;
    check_count(&key.name("probing"), ("services", probing.services, 16), found);
    let counted = [
        ("stealth_scan", "packets", anomaly.stealth_scan.packets, anomaly.stealth_scan.within),
        (
            "connection_rate",
            "connections",
            anomaly.connection_rate.connections,
            anomaly.connection_rate.within,
        ),
        ("guessing", "connections", anomaly.guessing.connections, anomaly.guessing.within),
        ("probing", "connections", probing.connections, probing.within),
        (
            "process_fanout",
            "connections",
            anomaly.process_fanout.connections,
            anomaly.process_fanout.within,
        ),
        ("syn_flood", "packets", anomaly.syn_flood.packets, anomaly.syn_flood.within),
        ("icmp_flood", "packets", anomaly.icmp_flood.packets, anomaly.icmp_flood.within),
        ("udp_flood", "packets", anomaly.udp_flood.packets, anomaly.udp_flood.within),
    ];
    for (name, unit, count, within) in counted {
        check_limit(&key.name(name), (unit, count, MOST_PACKETS), within.0, found);
    }
    let is_some = anomaly.baseline.deviation >= 1.0 && anomaly.baseline.deviation.is_finite();
    found.check(is_some, &key.name("baseline").name("deviation"), "must be at least 1");
    let protocols = key.name("unexpected_protocol").name("protocols");
    for (index, name) in anomaly.unexpected_protocol.protocols.iter().enumerate() {
        let what =
            format!("`{name}` is no protocol; write a number or one of {}", protocol_names());
        found.check(protocol_number(name).is_some(), &protocols.row(index), &what);
    }
    for (index, rule) in anomaly.unauthorized.iter().enumerate() {
        let key = key.name("unauthorized").row(index).name("only");
        found.check(!rule.only.is_empty(), &key, "must name who may, or nobody could");
    }
}

fn check_limit(
    key: &Key,
    (unit, count, most): (&str, u32, u32),
    within: Span,
    found: &mut Findings<'_>,
) {
    check_count(key, (unit, count, most), found);
    let is_time = within != Span::Forever && !within.duration().is_zero();
    found.check(is_time, &key.name("within"), "must be some time, and not forever");
}

fn check_count(key: &Key, (unit, count, most): (&str, u32, u32), found: &mut Findings<'_>) {
    let what = format!("must be from 1 to {most}");
    found.check((1..=most).contains(&count), &key.name(unit), &what);
}
