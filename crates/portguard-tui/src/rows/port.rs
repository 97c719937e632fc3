//! Ports, doors, approvals and traps as rows. Pure.

use portguard_api::{
    port::{Door, PortRow, Ruling},
    view::Trap,
};

use crate::{look::Tone, table::Cell, text};

use super::moment;

pub(super) fn port(row: &PortRow) -> (String, Vec<Cell>) {
    let pid = row.pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
    let process = row.process.as_ref().map(|name| format!("{name}{pid}"));
    let owner = [&row.unit, &row.container].into_iter().flatten();
    let place: Vec<&str> = owner.map(String::as_str).collect();
    let address = address(row);
    let cells = vec![
        Cell::ranked(&row.port, rank(&row.port)),
        Cell::text(&row.reach).toned(reach(&row.reach)),
        Cell::text(text::dash(process.as_deref())),
        Cell::text(&address),
        Cell::text(text::dash(Some(place.join(" ").as_str()))),
        Cell::text(text::dash(row.user.as_deref())),
        Cell::text(why(row)),
    ];
    let key = format!("{} {address} {} {}", row.port, row.rule, process.unwrap_or_default());
    (key, cells)
}

pub(super) fn address(row: &PortRow) -> String {
    row.address.clone().unwrap_or_else(|| match row.rule.as_str() {
        "forward" => "every address".to_owned(),
        _ => "nobody listens".to_owned(),
    })
}

pub(super) fn why(row: &PortRow) -> String {
    let mut why = row.why.clone();
    if !row.open_for.is_empty() {
        why = format!("{why}; open for {}", row.open_for.join(", "));
    }
    if let (Some(service), Some(rate)) = (&row.service, &row.rate) {
        why = format!("{why}; {service} at most {rate} per source");
    }
    why
}

fn reach(reach: &str) -> Tone {
    match reach {
        "open" | "forwarded" => Tone::Good,
        "pending" => Tone::Warning,
        "local" => Tone::Faint,
        _ => Tone::Plain,
    }
}

/// Returns the number of a port (`tcp/22`, `udp/60000-61000`), to sort by.
fn rank(port: &str) -> u64 {
    let number = port.split_once('/').map_or(port, |(_, number)| number);
    number.split('-').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

pub(super) fn door(door: &Door) -> (String, Vec<Cell>) {
    let whom = door.from.as_deref().unwrap_or("everybody");
    let act = if door.enforced { door.act.clone() } else { format!("{} (on the way)", door.act) };
    let cells = vec![
        Cell::ranked(&door.port, rank(&door.port)),
        Cell::text(act).toned(if door.act == "open" { Tone::Good } else { Tone::Plain }),
        Cell::text(whom),
        Cell::ranked(text::span(door.seconds_left), door.seconds_left.unwrap_or(u64::MAX)),
        Cell::text(&door.author),
        Cell::text(text::dash(door.service.as_deref())),
    ];
    (format!("{} {} {whom}", door.act, door.port), cells)
}

pub(super) fn ruling(ruling: &Ruling) -> (String, Vec<Cell>) {
    let verdict = if ruling.approved {
        Cell::text("approved").toned(Tone::Good)
    } else {
        Cell::text("denied").toned(Tone::Bad)
    };
    let since = moment(Some(&ruling.since));
    (
        ruling.what.clone(),
        vec![verdict, Cell::text(&ruling.what), since, Cell::text(&ruling.author)],
    )
}

pub(super) fn trap(trap: &Trap) -> (String, Vec<Cell>) {
    let state = if trap.set {
        Cell::text("set").toned(Tone::Good)
    } else {
        Cell::text("MISSING").toned(Tone::Bad)
    };
    let last_at = match &trap.missing {
        Some(why) => Cell::text(why),
        None => moment(trap.last_at.as_deref()),
    };
    let cells = vec![
        Cell::ranked(&trap.port, rank(&trap.port)),
        Cell::text(&trap.address),
        state,
        Cell::count(trap.touched),
        Cell::text(text::dash(trap.last_peer.as_deref())),
        last_at,
    ];
    (format!("{} {}", trap.port, trap.address), cells)
}
