//! Views as text: aligned columns, the same words as everywhere, nothing that needs colour.

use std::{fmt::Write as _, io::Write as _};

use portguard_api::{
    knock::KnockState,
    packet::{RecordState, TapState},
    view,
};
use portguard_core::Span;
use serde::Serialize;

use crate::exit::{Failed, Turn};

use super::ports::reminder;

/// Prints a value as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failed> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failed::bug(error.to_string()))?;
    print(&format!("{text}\n"))
}

/// Prints a text; a reader that has seen enough is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failed> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failed::new(Turn::Negative, format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

/// Returns the status as text.
pub(crate) fn status(status: &view::Status, web: &str) -> String {
    let mut out = String::new();
    let held = &status.held;
    let away = &status.turned_away;
    let enforcement = &status.enforcement;
    let mut row = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name:<14} {value}");
    };
    let observing = if status.observe { ", only observing" } else { "" };
    row(
        "portguard",
        format!("{} (process {}, since {})", status.version, status.pid, status.since),
    );
    let waits = status.pending.as_ref().map(|pending| format!(", {}", reminder(pending)));
    row("posture", format!("{}{observing}{}", status.posture, waits.unwrap_or_default()));
    if let Some(until) = &status.paused_until {
        row("PAUSED", format!("until {until}: nobody is turned away"));
    }
    row(
        "ports",
        format!(
            "{} listen, {} wait for approval, {} opened or shut by order",
            status.listeners, status.listeners_pending, status.doors
        ),
    );
    row(
        "ready",
        if status.ready { "yes" } else { "not yet: what is due still goes in" }.to_owned(),
    );
    let failure = enforcement.failure.as_ref().map(|why| format!(" NOT ENFORCED: {why}"));
    row(
        "enforcement",
        format!(
            "{} wanted / {} installed, {} on the way{}",
            enforcement.wanted,
            enforcement.installed,
            enforcement.pending,
            failure.unwrap_or_default()
        ),
    );
    row("banned", format!("{} ({} more for certain ports)", held.banned, held.banned_for_ports));
    row("throttled", format!("{} hard, {} softly", held.throttled_hard, held.throttled_soft));
    row("allowed", held.allowed.to_string());
    row("protected", held.protected.to_string());
    row("offenders", status.offenders.to_string());
    row(
        "turned away",
        format!(
            "{} packets of banned, {} of throttled",
            away.banned_packets, away.throttled_packets
        ),
    );
    row(
        "in all",
        format!(
            "{} packets turned away, {} new connections let in",
            away.blocked_packets, away.allowed_connections
        ),
    );
    row("packet log", record_line(&status.record));
    for tap in &status.taps {
        let TapState { interface, taken, passed_over, lost, .. } = tap;
        let line =
            format!("{interface}: {taken} looked at, {passed_over} passed over, {lost} lost");
        row("packet tap", line);
    }
    row("traps", format!("{} set, {} can not be set", status.traps_set, status.traps_missing));
    row("web face", web.to_owned());
    out + &sources(status)
}

/// Returns how the knocks do, each line with its head.
fn knocks(state: &KnockState) -> [(&'static str, String); 2] {
    let KnockState { port, host_key, keys, taken, refused, lost, .. } = state;
    let kinds: Vec<String> =
        refused.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let refused = if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") };
    let host_key = host_key.as_deref().unwrap_or("none: nobody can knock");
    [
        (
            "knocks",
            format!("{port}, {} keys, {taken} taken, refused: {refused}; {lost} lost", keys.len()),
        ),
        ("knock host key", host_key.to_owned()),
    ]
}

/// Returns how the knocks and each source do, and what was given up.
fn sources(status: &view::Status) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        // As above.
        let _ = writeln!(out, "{name:<14} {value}");
    };
    for (name, line) in status.knock.iter().flat_map(knocks) {
        row(name, line);
    }
    if let Some(remote) = &status.remote {
        row("control file", super::remote::words(remote));
    }
    for source in std::iter::once(&status.ledger).chain(&status.sources) {
        let detail = source.detail.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        row(&source.name, format!("{}{detail}", source.health));
    }
    if status.unwritten_offences > 0 {
        row(
            "not written",
            format!("{} forgeable offences, too many to keep", status.unwritten_offences),
        );
    }
    if status.dropped_events > 0 {
        row("dropped", format!("{} events, the queue was full", status.dropped_events));
    }
    out
}

/// Returns what became of the packets that the kernel told of, in one line.
pub(crate) fn record_line(record: &RecordState) -> String {
    format!(
        "{} kept of {}, {} made room, {} lost, {} above firewall.log_limit",
        record.kept, record.taken, record.overwritten, record.lost, record.over_limit
    )
}

/// Returns holds as text.
pub(crate) fn holds(holds: &[view::Hold]) -> String {
    let rows = holds.iter().map(|hold| {
        let ports = if hold.ports.is_empty() { String::new() } else { hold.ports.join(",") };
        let state = if hold.enforced { "" } else { "(on the way)" };
        vec![
            hold.subject.clone(),
            hold.measure.clone(),
            left(hold.seconds_left),
            if hold.nth_ban > 0 { format!("#{}", hold.nth_ban) } else { "-".to_owned() },
            hold.author.clone(),
            [hold.reason.as_str(), ports.as_str(), state].join(" ").trim().to_owned(),
        ]
    });
    table(&["SUBJECT", "MEASURE", "LEFT", "NTH", "BY", "REASON"], rows.collect())
}

/// Returns offenders as text, as a count and a subject if sorted by count.
pub(crate) fn offenders(offenders: &[view::Offender], by_count: bool) -> String {
    if by_count {
        let rows = offenders.iter().map(|past| {
            vec![past.bans.to_string(), past.offences.to_string(), past.subject.clone()]
        });
        return table(&["BANS", "OFFENCES", "SUBJECT"], rows.collect());
    }
    let rows = offenders.iter().map(|past| {
        vec![
            past.subject.clone(),
            past.offences.to_string(),
            past.bans.to_string(),
            past.first.clone(),
            past.last.clone(),
            if past.banned { "banned" } else { "-" }.to_owned(),
        ]
    });
    table(&["SUBJECT", "OFFENCES", "BANS", "FIRST", "LAST", "NOW"], rows.collect())
}

/// Returns the kernel's answer as text.
pub(crate) fn check(check: &view::Check) -> String {
    let mut out = match check.verdict.as_str() {
        "none" => format!("{} is on no list of the kernel\n", check.address),
        verdict => format!("{} is {verdict}\n", check.address),
    };
    for element in &check.elements {
        let port = element.port.as_ref().map(|port| format!(" {port}")).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "  {} {}{port}, {} left, {} packets ({} bytes)",
            element.list,
            element.subject,
            left(element.seconds_left),
            element.packets,
            element.bytes
        );
    }
    out
}

/// Returns the whole story as text.
pub(crate) fn why(why: &view::Why) -> String {
    let mut out = check(&why.check);
    if let Some(past) = &why.offender {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "remembered as {}: {} offences, {} bans, first {}, last {}",
            past.subject, past.offences, past.bans, past.first, past.last
        );
    }
    if !why.holds.is_empty() {
        out.push_str("\nin force:\n");
        out.push_str(&holds(&why.holds));
    }
    if !why.story.is_empty() {
        out.push_str("\nstory:\n");
        out.push_str(&entries(&why.story));
    }
    if !why.undo.is_empty() {
        out.push_str("\nto undo:\n");
        for command in &why.undo {
            out.push_str("  ");
            out.push_str(command);
            out.push('\n');
        }
    }
    if why.holds.is_empty() && why.story.is_empty() {
        out.push_str("nothing is known about it\n");
    }
    out
}

/// Returns the traps as text.
pub(crate) fn traps(traps: &[view::Trap]) -> String {
    let rows = traps.iter().map(|trap| {
        vec![
            trap.port.clone(),
            trap.address.clone(),
            if trap.set { "set" } else { "MISSING" }.to_owned(),
            trap.touched.to_string(),
            trap.last_peer.clone().unwrap_or_else(|| "-".to_owned()),
            trap.missing.clone().or_else(|| trap.last_at.clone()).unwrap_or_default(),
        ]
    });
    table(&["PORT", "ADDRESS", "STATE", "TOUCHED", "LAST BY", "LAST AT"], rows.collect())
}

/// Returns journal lines as text.
pub(crate) fn entries(entries: &[view::Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        let mut parts = vec![entry.at.clone(), format!("{:<8}", entry.kind)];
        parts.extend(entry.subject.clone());
        parts.extend(entry.measure.clone());
        parts.extend(entry.nth_ban.map(|nth| format!("#{nth}")));
        if entry.kind == "decision" {
            parts.push(
                entry.until.as_ref().map_or("forever".to_owned(), |end| format!("until {end}")),
            );
        }
        parts.push(entry.text.clone());
        parts.extend(entry.evidence.iter().map(|(name, value)| format!("{name}={value}")));
        parts.extend(entry.author.as_ref().map(|author| format!("by {author}")));
        out.push_str(parts.join(" ").trim_end());
        out.push('\n');
    }
    out
}

pub(crate) fn left(seconds: Option<u64>) -> String {
    seconds.map_or("forever".to_owned(), |seconds| {
        Span::For(std::time::Duration::from_secs(seconds)).to_string()
    })
}

/// Returns rows under their heads, each column as wide as its widest cell.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}
