//! Packet decisions and connections as rows. Pure.

use portguard_api::{packet::Packet, traffic::Connection};

use crate::{look::Tone, table::Cell, text};

pub(super) fn packet(packet: &Packet) -> (String, Vec<Cell>) {
    let detail = packet.flags.as_deref().or(packet.icmp.as_deref());
    let verdict = if packet.verdict == "blocked" { Tone::Bad } else { Tone::Good };
    let cells = vec![
        Cell::ranked(text::time_of_day(&packet.at), packet.number),
        Cell::text(&packet.verdict).toned(verdict),
        Cell::text(rule(packet)),
        Cell::text(&packet.protocol),
        Cell::text(text::end_point(&packet.source, packet.source_port)),
        Cell::text(text::end_point(&packet.destination, packet.destination_port)),
        Cell::text(text::dash(detail)),
        Cell::text(text::dash(packet.interface.as_deref())),
        Cell::count(packet.length.into()),
    ];
    (packet.number.to_string(), cells)
}

pub(super) fn rule(packet: &Packet) -> String {
    match &packet.matched {
        Some(matched) => format!("{} {matched}", packet.rule),
        None => packet.rule.clone(),
    }
}

pub(super) fn connection(one: &Connection) -> (String, Vec<Cell>) {
    let process = one.pid.map(|pid| format!("{} ({pid})", one.process));
    let bytes = |count: Option<u64>| match count {
        Some(count) => Cell::ranked(text::size(count), count),
        None => Cell::ranked(text::dash(None), 0),
    };
    // Its column is as wide as `out`.
    let direction = if one.direction == "forwarded" { "fwd" } else { one.direction.as_str() };
    let cells = vec![
        Cell::text(direction),
        Cell::text(&one.protocol),
        Cell::text(text::translated(&one.peer, one.real_peer.as_deref())),
        Cell::text(text::translated(&one.local, one.outside.as_deref())),
        Cell::text(&one.state),
        Cell::text(text::dash(process.as_deref())),
        Cell::text(&one.user),
        bytes(one.received),
        bytes(one.sent),
        Cell::ranked(text::span(Some(one.seconds)), one.seconds),
    ];
    (format!("{} {} {}", one.protocol, one.local, one.peer), cells)
}
