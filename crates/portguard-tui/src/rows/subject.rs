//! Whoever is held, misbehaved or is told of: holds, offenders, proposals, sources, watches, scans
//! and journal lines as rows. Pure.

use portguard_api::{
    proposal::Proposal,
    view::{Entry, Hold, Offender, Source},
    watch::{Scan, Watch},
};

use crate::{look::Tone, table::Cell, text};

use super::{health, moment};

pub(super) fn hold(hold: &Hold) -> (String, Vec<Cell>) {
    let state = if hold.enforced { "" } else { "(on the way)" };
    let ports = hold.ports.join(",");
    let reason = [hold.reason.as_str(), ports.as_str(), state];
    let reason: Vec<&str> = reason.into_iter().filter(|part| !part.is_empty()).collect();
    let measure = match hold.measure.as_str() {
        "ban" => Tone::Bad,
        "allow" => Tone::Good,
        _ => Tone::Plain,
    };
    let nth = if hold.nth_ban > 0 { format!("#{}", hold.nth_ban) } else { "-".to_owned() };
    let cells = vec![
        Cell::text(&hold.subject),
        Cell::text(&hold.measure).toned(measure),
        Cell::ranked(text::span(hold.seconds_left), hold.seconds_left.unwrap_or(u64::MAX)),
        Cell::ranked(nth, hold.nth_ban.into()),
        Cell::text(&hold.author),
        Cell::text(reason.join(" ")),
    ];
    (format!("{} {ports}", hold.subject), cells)
}

pub(super) fn offender(past: &Offender) -> (String, Vec<Cell>) {
    let now = if past.banned { Cell::text("banned").toned(Tone::Bad) } else { Cell::text("-") };
    let cells = vec![
        Cell::text(&past.subject),
        Cell::count(past.offences.into()),
        Cell::count(past.bans.into()),
        now,
        moment(Some(&past.first)),
        moment(Some(&past.last)),
    ];
    (past.subject.clone(), cells)
}

pub(super) fn proposal(one: &Proposal) -> (String, Vec<Cell>) {
    let (rank, tone) = match one.severity.as_str() {
        "low" => (0, Tone::Plain),
        "medium" => (1, Tone::Plain),
        "high" => (2, Tone::Warning),
        _ => (3, Tone::Bad),
    };
    let told = ["ports", "hosts", "connections", "packets", "within", "tried", "target"];
    let told = told.iter().filter_map(|name| Some((name, one.evidence.get(*name)?)));
    let told: Vec<String> = told.map(|(name, value)| format!("{name}={value}")).collect();
    let cells = vec![
        Cell::count(one.id),
        Cell::text(&one.subject),
        Cell::text(measure(one)),
        Cell::ranked(text::span(one.seconds), one.seconds.unwrap_or(u64::MAX)),
        Cell::text(anomaly(one)),
        Cell::ranked(&one.severity, rank).toned(tone),
        Cell::ranked(format!("{}%", one.confidence), one.confidence.into()),
        Cell::count(one.times.into()),
        Cell::text(told.join(" ")),
    ];
    (one.id.to_string(), cells)
}

pub(super) fn measure(one: &Proposal) -> String {
    let ports = one.ports.join(",");
    if ports.is_empty() { one.measure.clone() } else { format!("{} {ports}", one.measure) }
}

pub(super) fn anomaly(one: &Proposal) -> &str {
    one.rule.trim_start_matches("anomaly ")
}

pub(super) fn source(source: &Source) -> (String, Vec<Cell>) {
    let cells = vec![
        Cell::text(&source.name),
        Cell::text(&source.health).toned(health(&source.health)),
        moment(source.since.as_deref()),
        Cell::text(text::dash(source.detail.as_deref())),
    ];
    (source.name.clone(), cells)
}

pub(super) fn watch(watch: &Watch) -> (String, Vec<Cell>) {
    let cells = vec![
        Cell::text(&watch.name),
        Cell::text(&watch.health).toned(health(&watch.health)),
        Cell::count(watch.lines),
        Cell::count(watch.failures),
        Cell::count(watch.failures_last_hour),
        Cell::count(watch.offences),
        Cell::text(text::dash(watch.last_line.as_deref())),
    ];
    (watch.name.clone(), cells)
}

pub(super) fn scan(scan: &Scan) -> (String, Vec<Cell>) {
    let limit = format!("{} in {}", scan.howmany, text::span(Some(scan.within)));
    let cells = vec![
        Cell::text(&scan.rule),
        Cell::text(&scan.kind),
        Cell::ranked(&limit, scan.howmany.into()),
        Cell::text(&scan.set),
        Cell::ranked(text::span(scan.remove_after), scan.remove_after.unwrap_or(u64::MAX)),
        Cell::count(scan.found),
        Cell::text(text::dash(scan.last_subject.as_deref())),
    ];
    (format!("{} {} {limit} {}", scan.rule, scan.kind, scan.set), cells)
}

pub(super) fn entry(entry: &Entry) -> (String, Vec<Cell>) {
    let tone = match entry.level.as_str() {
        "error" => Tone::Bad,
        "warning" => Tone::Warning,
        _ => Tone::Plain,
    };
    let id = u64::try_from(entry.id).unwrap_or(0);
    let cells = vec![
        Cell::ranked(text::time_of_day(&entry.at), id),
        Cell::text(&entry.kind).toned(tone),
        Cell::text(text::dash(entry.subject.as_deref())),
        Cell::text(words(entry)),
    ];
    (entry.id.to_string(), cells)
}

/// Returns a journal line without its moment, kind and subject.
pub(crate) fn words(entry: &Entry) -> String {
    let mut parts = Vec::new();
    parts.extend(entry.measure.clone());
    parts.extend(entry.nth_ban.map(|nth| format!("#{nth}")));
    if entry.kind == "decision" {
        let until = entry.until.as_deref().map(text::day_and_time);
        parts.push(until.map_or("forever".to_owned(), |end| format!("until {end}")));
    }
    parts.push(entry.text.clone());
    parts.extend(entry.evidence.iter().map(|(name, value)| format!("{name}={value}")));
    parts.extend(entry.author.as_ref().map(|author| format!("by {author}")));
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}
