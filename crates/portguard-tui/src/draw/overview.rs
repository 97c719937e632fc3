//! The overview: rates, counts, who and what stands out, the latest events. Pure.

use std::collections::BTreeMap;

use portguard_api::view::Status;
use ratatui_core::layout::Rect;

use crate::{
    data::Data,
    look::Tone,
    rate::Counted,
    rows::{self, sources},
    state::State,
    table::{Cell, Column, Row},
    text,
    view::View,
};

use super::{
    pen::{Pen, rows as lines, split_left, split_top},
    spark, table,
};

/// Columns for names and figures beside the bars.
const NAMES: u16 = 21;

/// Columns for the highest bar.
const MOST: u16 = 10;

/// Rows that are left for each of the lower parts, at least.
const LEAST_ROWS: u16 = 4;

/// From this width on offenders and ports stand side by side.
const WIDE: u16 = 72;

/// From this width on those who were turned away stand between them.
const VERY_WIDE: u16 = 110;

const OFFENDERS: [Column; 4] = [
    Column::text("TOP OFFENDERS", 15, 0),
    Column::count("OFFENCES", 1),
    Column::count("BANS", 2),
    Column::text("NOW", 6, 0),
];

const SOURCES: [Column; 2] = [Column::text("MOST TURNED AWAY", 15, 0), Column::count("PACKETS", 0)];

const PORTS: [Column; 3] =
    [Column::text("TOP PORTS", 9, 0), Column::count("TURNED AWAY", 0), Column::count("LET IN", 1)];

const EVENTS: [Column; 4] = [
    Column::text("EVENTS", 8, 0),
    Column::text("KIND", 8, 0),
    Column::text("SUBJECT", 12, 1),
    Column::text("WHAT", 16, 0),
];

/// Draws the overview.
pub(super) fn draw(state: &State, pen: &mut Pen, area: Rect) {
    let Some(status) = &state.data().status else { return };
    let bars = if area.height >= 30 { 2 } else { 1 };
    let (top, rest) = split_top(area, 4 * bars);
    rates(state, pen, top, bars);
    let counts = counts(status, state.data());
    let columns = usize::from(area.width);
    let counts = packed(&counts, columns);
    let (middle, rest) = split_top(rest, u16::try_from(counts.len()).unwrap_or(0));
    for (row, line) in lines(middle).zip(counts) {
        pen.write_parts(row, &line);
    }
    let rest = troubles(state.data(), pen, rest);
    let half = (rest.height / 2).max(LEAST_ROWS + 1).min(rest.height);
    let (standing, latest) = split_top(rest, half);
    outstanding(state.data(), pen, standing);
    events(state.data(), pen, latest);
}

/// What happens, by name: what it is at the moment, and its bars.
struct Series {
    name: &'static str,
    figure: String,
    values: Vec<Option<u64>>,
    tone: Tone,
}

/// Draws what happens, as figures and bars.
fn rates(state: &State, pen: &mut Pen, area: Rect, height: u16) {
    let mut rest = area;
    for Series { name, figure, values, tone } in series(state) {
        let place;
        (place, rest) = split_top(rest, height);
        let (left, right) = split_left(place, NAMES, 1);
        let (label, _) = split_top(left, 1);
        pen.write(label, name, Tone::Strong);
        pen.write_right(label, &figure, Tone::Plain);
        let (most, right) =
            if area.width >= WIDE { split_left(right, MOST, 1) } else { (left, right) };
        let shown = values.iter().rev().take(usize::from(right.width)).flatten();
        if let Some(greatest) = shown.max().filter(|greatest| **greatest > 0 && most != left) {
            pen.write(split_top(most, 1).0, &format!("max {greatest}"), Tone::Faint);
        }
        spark::draw(pen, right, &values, tone);
    }
}

fn series(state: &State) -> [Series; 4] {
    let data = state.data();
    let by_second = |name, values: Vec<Option<u64>>, tone| {
        let newest = values.last().copied().flatten();
        let figure = newest.map_or("-/s".to_owned(), |value| format!("{value}/s"));
        Series { name, figure, values, tone }
    };
    let by_minute = |name, what, tone| {
        let figure = format!("{}/min", data.rates.last_minute(what, state.now));
        Series { name, figure, values: minutes(data, what), tone }
    };
    [
        by_second("let in", data.rates.let_in(), Tone::Good),
        by_second("turned away", data.rates.turned_away(), Tone::Bad),
        by_minute("bans", Counted::Bans, Tone::Bad),
        by_minute("offences", Counted::Offences, Tone::Warning),
    ]
}

/// Returns what was counted in each step of the history, by the minute.
fn minutes(data: &Data, what: Counted) -> Vec<Option<u64>> {
    let Some(history) = &data.history else { return Vec::new() };
    let counts = history.steps.iter().map(|step| match what {
        Counted::Bans => step.bans,
        Counted::Offences => step.offences,
    });
    counts.map(|count| Some(count.saturating_mul(60) / history.step.max(1))).collect()
}

/// A count with its name.
struct Count {
    name: &'static str,
    value: String,
    tone: Tone,
}

/// Returns the counts; what waits for the operator, or is amiss, stands out.
fn counts(status: &Status, data: &Data) -> Vec<Count> {
    let held = &status.held;
    let waiting = status.listeners_pending;
    let proposals = data.proposals.len();
    let plain = |name, value| Count { name, value, tone: Tone::Plain };
    let waits = |name, value, is_some: bool| Count {
        name,
        value,
        tone: if is_some { Tone::Warning } else { Tone::Plain },
    };
    let mut counts = vec![
        plain("banned", format!("{} (+{} for ports)", held.banned, held.banned_for_ports)),
        plain("throttled", format!("{} hard, {} softly", held.throttled_hard, held.throttled_soft)),
        plain("allowed", held.allowed.to_string()),
        plain("protected", held.protected.to_string()),
        plain("offenders", status.offenders.to_string()),
        waits(
            "ports",
            format!("{} listen, {waiting} wait for approval", status.listeners),
            waiting > 0,
        ),
        plain("by order", status.doors.to_string()),
        waits("proposals", proposals.to_string(), proposals > 0),
        plain("traps", format!("{} set", status.traps_set)),
    ];
    let amiss = [
        ("traps not set", u64::try_from(status.traps_missing).unwrap_or(u64::MAX)),
        ("events dropped", status.dropped_events),
        ("packets not seen", status.record.lost),
    ];
    let amiss = amiss.into_iter().filter(|(_, count)| *count > 0);
    counts.extend(amiss.map(|(name, count)| waits(name, count.to_string(), true)));
    counts
}

/// Puts as many counts into each line as have room.
fn packed(counts: &[Count], columns: usize) -> Vec<Vec<(String, Tone)>> {
    const GAP: &str = "   ";
    let mut packed: Vec<Vec<(String, Tone)>> = Vec::new();
    let mut taken = 0;
    for Count { name, value, tone } in counts {
        let words = [(format!("{name} "), Tone::Faint), (value.clone(), *tone)];
        let needed = name.len() + 1 + text::width(value);
        if let Some(line) = packed.last_mut().filter(|_| taken + GAP.len() + needed <= columns) {
            line.push((GAP.to_owned(), Tone::Plain));
            line.extend(words);
            taken += GAP.len() + needed;
        } else {
            packed.push(words.into());
            taken = needed;
        }
    }
    packed
}

/// Draws the sources that do not do well; returns the place that is left.
fn troubles(data: &Data, pen: &mut Pen, area: Rect) -> Rect {
    let all = sources(data);
    let bad: Vec<_> = all.iter().filter(|source| source.health != "good").collect();
    let most = usize::from(area.height / 4);
    let (place, rest) = split_top(area, u16::try_from(bad.len().min(most)).unwrap_or(0));
    for (row, source) in lines(place).zip(bad) {
        let detail = source.detail.as_deref().unwrap_or_default();
        let line = format!("{} is {}: {detail}", source.name, source.health);
        pen.write(row, &line, rows::health(&source.health));
    }
    rest
}

/// Draws the worst offenders, whose packets were turned away most often, and the ports of most.
fn outstanding(data: &Data, pen: &mut Pen, area: Rect) {
    let columns = match area.width {
        VERY_WIDE.. => 3,
        WIDE.. => 2,
        _ => 1,
    };
    let (left, rest) = match columns {
        3 => split_left(area, area.width * 2 / 5, 2),
        2 => split_left(area, area.width * 3 / 5, 2),
        _ => (area, Rect { width: 0, ..area }),
    };
    let rows = rows::rows(View::Offenders, data);
    if rows.is_empty() {
        let (head, below) = split_top(left, 1);
        pen.write(head, OFFENDERS[0].head, Tone::Strong);
        pen.write(split_top(below, 1).0, "nobody misbehaved so far", Tone::Faint);
    } else {
        table::write_plain(pen, left, &OFFENDERS, &rows);
    }
    let right = if columns < 3 {
        rest
    } else {
        let (middle, right) = split_left(rest, rest.width / 2, 2);
        table::write_plain(pen, middle, &SOURCES, &top_sources(data));
        right
    };
    table::write_plain(pen, right, &PORTS, &top_ports(data));
}

/// Returns whose packets were turned away most often.
fn top_sources(data: &Data) -> Vec<Row> {
    let sources = data.top.iter().flat_map(|top| &top.sources).enumerate();
    let rows = sources.map(|(at, source)| {
        let cells = vec![Cell::text(&source.name), Cell::count(source.count)];
        Row { key: source.name.clone(), cells, at }
    });
    rows.collect()
}

/// Returns the ports at which most happened, first those at which most was turned away.
fn top_ports(data: &Data) -> Vec<Row> {
    let Some(top) = &data.top else { return Vec::new() };
    let mut ports: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for port in &top.ports_blocked {
        ports.entry(&port.name).or_default().0 = port.count;
    }
    for port in &top.ports_allowed {
        ports.entry(&port.name).or_default().1 = port.count;
    }
    let mut ports: Vec<_> = ports.into_iter().collect();
    ports.sort_by_key(|(_, counts)| std::cmp::Reverse(*counts));
    let rows = ports.into_iter().enumerate().map(|(at, (port, (away, let_in)))| {
        let cells = vec![Cell::text(port), Cell::count(away), Cell::count(let_in)];
        Row { key: port.to_owned(), cells, at }
    });
    rows.collect()
}

/// Draws the latest journal lines, the newest first.
fn events(data: &Data, pen: &mut Pen, area: Rect) {
    let mut rows = rows::rows(View::Journal, data);
    rows.truncate(usize::from(area.height));
    table::write_plain(pen, area, &EVENTS, &rows);
}
