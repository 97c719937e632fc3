//! All about a row: its facts, what the kernel says, what is in force, the story, how to undo it.
//! Pure.

use portguard_api::view::Why;
use ratatui_core::layout::Rect;

use crate::{
    look::Tone,
    rows::subject::words,
    state::{State, Story},
    text,
};

use super::pen::{Pen, rows};

/// Columns of the names of facts.
const NAMES: usize = 12;

/// Draws a story from the line on to which it is scrolled.
pub(super) fn draw(state: &State, story: &Story, pen: &mut Pen, area: Rect) {
    let lines = lines(state, story, usize::from(area.width));
    let most = lines.len().saturating_sub(usize::from(area.height));
    for (row, (line, tone)) in rows(area).zip(lines.into_iter().skip(story.scrolled.min(most))) {
        pen.write(row, &line, tone);
    }
}

fn lines(state: &State, story: &Story, columns: usize) -> Vec<(String, Tone)> {
    let mut lines = Vec::new();
    let about = &story.about;
    if let Some(subject) = &about.subject {
        lines.push((subject.clone(), Tone::Strong));
    }
    for (name, value) in &about.facts {
        fact(&mut lines, name, value, columns);
    }
    if about.subject.is_some() {
        let known = state.live.why.as_ref();
        match known.filter(|why| Some(&why.subject) == about.subject.as_ref()) {
            Some(why) => told(&mut lines, why, columns),
            None => lines.push(("asking the daemon ...".to_owned(), Tone::Faint)),
        }
    }
    lines
}

fn fact(lines: &mut Vec<(String, Tone)>, name: &str, value: &str, columns: usize) {
    let room = columns.saturating_sub(NAMES + 1).max(8);
    let value = text::harmless(value);
    let mut name = name;
    for part in text::wrapped(&value, room) {
        lines.push((format!("{name:<NAMES$} {part}"), Tone::Plain));
        name = "";
    }
}

fn told(lines: &mut Vec<(String, Tone)>, why: &Why, columns: usize) {
    let verdict = match why.check.verdict.as_str() {
        "none" => "is on no list of the kernel".to_owned(),
        verdict => format!("is {verdict}"),
    };
    fact(lines, "kernel", &verdict, columns);
    for element in &why.check.elements {
        let port = element.port.as_ref().map(|port| format!(" {port}")).unwrap_or_default();
        let line = format!(
            "{} {}{port}, {} left, {} packets ({})",
            element.list,
            element.subject,
            text::span(element.seconds_left),
            element.packets,
            text::size(element.bytes),
        );
        fact(lines, "", &line, columns);
    }
    if let Some(past) = &why.offender {
        let line = format!(
            "{} offences, {} bans, first {}, last {}",
            past.offences,
            past.bans,
            text::day_and_time(&past.first),
            text::day_and_time(&past.last),
        );
        fact(lines, "remembered", &line, columns);
    }
    for hold in &why.holds {
        let left = text::span(hold.seconds_left);
        let line = format!(
            "{} {}, {left} left, by {}: {}",
            hold.measure, hold.subject, hold.author, hold.reason
        );
        fact(lines, "in force", &line, columns);
    }
    for undo in &why.undo {
        fact(lines, "to undo", undo, columns);
    }
    if !why.story.is_empty() {
        lines.push(("STORY, newest first".to_owned(), Tone::Strong));
    }
    for entry in why.story.iter().rev() {
        let line = format!("{} {} {}", text::day_and_time(&entry.at), entry.kind, words(entry));
        let lines_of_it = text::wrapped(&text::harmless(&line), columns);
        lines.extend(lines_of_it.into_iter().map(|line| (line, Tone::Plain)));
    }
}
