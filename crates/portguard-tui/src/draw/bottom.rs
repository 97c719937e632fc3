//! The last lines: what is typed or asked, what was answered, and the keys that count. Pure.

use ratatui_core::layout::Rect;

use crate::{
    look::Tone,
    prompt::Prompt,
    state::{Above, State},
    text,
    view::View,
};

use super::pen::{Pen, rows, split_bottom};

/// The most rows that words take at the bottom.
const MOST: usize = 4;

/// Returns how many rows the bottom takes.
pub(super) fn height(state: &State, rest: Rect) -> u16 {
    let lines = words(state, rest.width).len();
    u16::try_from(lines + 1).unwrap_or(1).min(rest.height)
}

/// Draws the bottom and returns where the cursor stands, if something is typed.
pub(super) fn draw(state: &State, pen: &mut Pen, area: Rect) -> Option<(u16, u16)> {
    let (words_area, last) = split_bottom(area, 1);
    for (row, (line, tone)) in rows(words_area).zip(words(state, area.width)) {
        pen.write(row, &line, tone);
    }
    if let Above::Typing(prompt) = &state.above {
        return Some(write_prompt(prompt, pen, last));
    }
    pen.write(last, &keys(state, usize::from(last.width)), Tone::Faint);
    None
}

/// Returns what is said above the last row.
fn words(state: &State, columns: u16) -> Vec<(String, Tone)> {
    let columns = usize::from(columns);
    let mut said: Vec<(String, Tone)> = Vec::new();
    if let Some(notice) = &state.notice {
        said.push((notice.words.clone(), notice.tone));
        said.extend(notice.hint.iter().map(|hint| (format!("hint: {hint}"), Tone::Plain)));
    }
    if let Some(order) = &state.waiting {
        said.push((format!("on the way: {}", order.question(&state.live)), Tone::Faint));
    }
    match &state.above {
        Above::Typing(prompt) => said.push((prompt.form().to_owned(), Tone::Faint)),
        Above::Asking(order) => said.push((order.question(&state.live), Tone::Strong)),
        _ => {}
    }
    let lines = said.into_iter().flat_map(|(line, tone)| {
        text::wrapped(&text::harmless(&line), columns).into_iter().map(move |line| (line, tone))
    });
    lines.take(MOST).collect()
}

fn write_prompt(prompt: &Prompt, pen: &mut Pen, row: Rect) -> (u16, u16) {
    let label = format!("{}: ", prompt.label());
    let left = pen.write(row, &label, Tone::Strong);
    // What is around the cursor is looked at: the end of what is before it, and then the rest.
    let room = usize::from(left.width).saturating_sub(1);
    let before = end_of(&text::harmless(&prompt.before), room);
    let cursor = pen.write(left, &before, Tone::Plain);
    pen.write(cursor, &prompt.behind, Tone::Plain);
    (cursor.x.min(row.right().saturating_sub(1)), row.y)
}

/// Returns the end of a text that fits into so many columns.
fn end_of(words: &str, columns: usize) -> String {
    let mut skip = text::width(words).saturating_sub(columns);
    let is_skipped = |one: &char| {
        let is_skipped = skip > 0;
        skip = skip.saturating_sub(text::width(one.encode_utf8(&mut [0; 4])));
        is_skipped
    };
    words.chars().skip_while(is_skipped).collect()
}

/// Returns the keys that count at the moment, as many as there is room for.
fn keys(state: &State, room: usize) -> String {
    let keys: Vec<&str> = match &state.above {
        Above::Asking(_) => vec!["y yes, do it", "n no"],
        Above::Help(_) => vec!["Esc back", "Up Down scroll"],
        Above::Story(_) => {
            vec!["Esc back", "b ban", "u unban", "a allow", "t throttle", "Up Down scroll"]
        }
        Above::Nothing | Above::Typing(_) => on_page(state),
    };
    let wide = keys.join("  ");
    if wide.len() <= room {
        return wide;
    }
    let fits = |count: &usize| keys[..*count].join(" ").len() <= room;
    let most = (0..=keys.len()).rev().find(fits).unwrap_or(0);
    keys[..most].join(" ")
}

fn on_page(state: &State) -> Vec<&'static str> {
    let mut keys = vec!["? help", "q quit"];
    if state.page().views().len() > 1 {
        keys.push("Tab view");
    }
    keys.extend_from_slice(match state.view() {
        View::Overview | View::Sources => &["b ban", "L lockdown", "X relax"],
        View::Ports => &["A approve", "D deny", "o open", "c close"],
        View::Doors | View::ControlFile => &["c close", "o open"],
        View::Rulings => &["F forget", "A approve", "D deny"],
        View::Bans => &["u unban", "b ban", "a allow"],
        View::Throttled => &["u unthrottle", "b ban", "a allow"],
        View::Allowed => &["u disallow", "a allow"],
        View::Protected | View::Watches | View::Scans | View::LeftOut | View::Keys => &[],
        View::Offenders
        | View::Packets
        | View::Connections
        | View::Traps
        | View::Journal
        | View::Knocks => &["b ban", "u unban", "a allow", "t throttle"],
        View::Proposals => &["A accept", "D dismiss", "b ban"],
    });
    if state.view() != View::Overview {
        keys.extend_from_slice(&["Enter more", "/ filter", "s sort"]);
    }
    keys.push("space pause");
    keys
}
