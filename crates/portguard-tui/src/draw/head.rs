//! The first lines: how the guard does, the pages, and what must not be missed. Pure.

use portguard_api::view::Status;
use ratatui_core::layout::Rect;

use crate::{
    look::Tone,
    rows,
    state::{Link, State},
    text,
    view::Page,
};

use super::pen::{Pen, rows as lines};

/// Draws posture, enforcement and health.
pub(super) fn status(state: &State, pen: &mut Pen, row: Rect) {
    let clock = format!("{} UTC", text::clock(state.now));
    let mut parts = vec![("portguard".to_owned(), Tone::Strong)];
    let is_away = !matches!(state.link, Link::Here);
    match &state.data().status {
        Some(status) if is_away => {
            parts.extend(states(status).into_iter().take(2));
            parts.push(("(not up to date)".to_owned(), Tone::Warning));
        }
        Some(status) => parts.extend(states(status)),
        None => parts.push(("waiting for the daemon".to_owned(), Tone::Faint)),
    }
    let needed = |parts: &[(String, Tone)]| {
        parts.iter().map(|(words, _)| text::width(words) + 2).sum::<usize>()
    };
    let room = usize::from(row.width);
    if needed(&parts) > room + 2 {
        parts.remove(0);
    }
    if needed(&parts) + clock.len() <= room {
        pen.write_right(row, &clock, Tone::Faint);
    }
    let gaps = parts.into_iter().flat_map(|part| [part, ("  ".to_owned(), Tone::Plain)]);
    let mut parts: Vec<_> = gaps.collect();
    parts.pop();
    pen.write_parts(row, &parts);
}

fn states(status: &Status) -> Vec<(String, Tone)> {
    let enforcement = &status.enforcement;
    let is_whole = enforcement.wanted == enforcement.installed && enforcement.failure.is_none();
    let (health, tone) = health(status);
    vec![
        (format!("posture {}", status.posture), Tone::Plain),
        (
            format!("{} wanted / {} installed", enforcement.wanted, enforcement.installed),
            if is_whole { Tone::Good } else { Tone::Bad },
        ),
        (health, tone),
    ]
}

/// Returns the worst health of all sources, and whose it is.
fn health(status: &Status) -> (String, Tone) {
    let all = || std::iter::once(&status.ledger).chain(&status.sources);
    let found = ["broken", "degraded"].into_iter().find_map(|health| {
        let mut bad = all().filter(|source| source.health == health);
        let first = bad.next()?;
        let more = bad.count();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Some((format!("health {health}: {}{more}", first.name), rows::health(health)))
    });
    found.unwrap_or_else(|| ("health good".to_owned(), Tone::Good))
}

/// Draws the names of the pages.
pub(super) fn pages(state: &State, pen: &mut Pen, row: Rect) {
    let room = usize::from(row.width);
    let labels = |form: Form| Page::ALL.map(|page| label(page, page == state.page(), form));
    let width = |form| labels(form).iter().map(|label| label.len() + 1).sum::<usize>() - 1;
    let forms = [Form::Roomy, Form::Plain, Form::Short];
    let form = forms.into_iter().find(|form| width(*form) <= room).unwrap_or(Form::Short);
    let mut left = row;
    for (page, label) in Page::ALL.iter().zip(labels(form)) {
        let tone = if *page == state.page() { Tone::Chosen } else { Tone::Plain };
        left = pen.write(left, &label, tone);
        left = pen.write(left, " ", Tone::Plain);
    }
}

/// How much room the names of pages take.
#[derive(Clone, Copy)]
enum Form {
    Roomy,
    Plain,
    Short,
}

fn label(page: Page, is_shown: bool, form: Form) -> String {
    let number = Page::ALL.iter().position(|known| *known == page).unwrap_or(0) + 1;
    let name = page.name();
    match form {
        Form::Roomy => format!(" {number} {name} "),
        Form::Short if !is_shown => number.to_string(),
        Form::Plain | Form::Short => format!("{number} {name}"),
    }
}

/// Returns what must not be missed, the worst first.
pub(super) fn alerts(state: &State) -> Vec<(String, Tone)> {
    let mut alerts = Vec::new();
    if let Link::Away(since, why) = &state.link {
        let (words, hint) = why.words();
        let mut line = words.to_owned();
        if state.data().status.is_some() {
            line = format!("{line}; what is shown is of {} UTC", text::clock(*since));
        }
        alerts.push((line, Tone::Bad));
        alerts.extend(hint.map(|hint| (format!("hint: {hint}"), Tone::Plain)));
    }
    if let Some(status) = &state.live.status {
        alerts.extend(standing(status));
    }
    if state.still.is_some() {
        let line = "the display is paused; space goes on".to_owned();
        alerts.push((line, Tone::Warning));
    }
    let failed = state.asks().into_iter().find_map(|ask| {
        let (_, why) = state.unanswered.iter().find(|(known, _)| known.is_like(&ask))?;
        Some((why.words().0.to_owned(), Tone::Bad))
    });
    alerts.extend(failed);
    alerts
}

fn standing(status: &Status) -> Vec<(String, Tone)> {
    let mut alerts = Vec::new();
    if let Some(pending) = &status.pending {
        let left = text::span(pending.seconds_left);
        let line = format!(
            "{} rolls back in {left} unless confirmed: C confirms, R rolls back",
            pending.what
        );
        alerts.push((line, Tone::Warning));
    }
    if let Some(why) = &status.enforcement.failure {
        alerts.push((format!("NOT ENFORCED: {why}"), Tone::Bad));
    }
    if let Some(until) = &status.paused_until {
        let until = text::day_and_time(until);
        let line = format!("enforcement is paused until {until} UTC: nobody is turned away");
        alerts.push((line, Tone::Warning));
    }
    if let Some(remote) = status.remote.as_ref().filter(|remote| remote.state == "rejected") {
        let why = remote.last_error.as_deref().unwrap_or_default();
        alerts.push((format!("the control file is rejected: {why}"), Tone::Warning));
    }
    if status.observe {
        let line = "only observing: nothing is changed in the kernel".to_owned();
        alerts.push((line, Tone::Warning));
    }
    if !status.ready {
        let on_the_way = status.enforcement.pending;
        let line = format!("not ready: what is due still goes in ({on_the_way} on the way)");
        alerts.push((line, Tone::Warning));
    }
    alerts
}

/// Returns how many rows the alerts get: never more than a third of the page.
pub(super) fn alert_height(alerts: &[(String, Tone)], page: Rect) -> u16 {
    let columns = usize::from(page.width);
    let needed: usize = alerts.iter().map(|(line, _)| text::wrapped(line, columns).len()).sum();
    u16::try_from(needed).unwrap_or(u16::MAX).min(page.height / 3)
}

/// Draws the alerts.
pub(super) fn write_alerts(alerts: &[(String, Tone)], pen: &mut Pen, area: Rect) {
    let columns = usize::from(area.width);
    let all = alerts.iter().flat_map(|(line, tone)| {
        let harmless = text::harmless(line);
        text::wrapped(&harmless, columns).into_iter().map(move |line| (line, *tone))
    });
    for (row, (line, tone)) in lines(area).zip(all) {
        pen.write(row, &line, tone);
    }
}
