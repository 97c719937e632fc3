//! The keys. Pure.

use ratatui_core::layout::Rect;

use crate::{look::Tone, state::State};

use super::pen::{Pen, rows, split_left};

/// Keys and what they do, in the order in which they are needed; without a key: a head.
const KEYS: &[(&str, &str)] = &[
    ("", "LOOK"),
    ("1-7, Left Right", "page: Overview Ports Offenders Traffic Traps Logs Afar"),
    ("Tab, Shift-Tab", "next and last view of the page"),
    ("Up Down, PgUp PgDn", "move the cursor; Home End (g G): first, last"),
    ("Enter", "all about the row: evidence, decisions, how to undo"),
    ("/", "filter by words; Esc ends it"),
    ("s, S", "sort by the next column; the other way round"),
    ("space", "pause the display, and go on"),
    ("", "ORDER (asks back first)"),
    ("b, a, t", "ban, allow, throttle whom the row is about, or anybody"),
    ("u", "unban, unthrottle, disallow"),
    ("A, D", "listener: approve, deny; proposal: accept, dismiss"),
    ("F", "approvals: forget what was said"),
    ("o, c", "open, close a port or service"),
    ("L, X", "lockdown, relax: posture closed, posture open"),
    ("C, R", "confirm, roll back the change that waits"),
    ("P", "pause enforcement for a while, or go on"),
    ("", "ELSE"),
    ("?", "this help"),
    ("Ctrl-L, Ctrl-Z", "draw anew; back to the shell, `fg` comes back"),
    ("q, Ctrl-C", "quit"),
];

/// Columns for the keys.
const KEY_COLUMNS: u16 = 19;

/// Draws the keys from this line on.
pub(super) fn draw(_: &State, pen: &mut Pen, area: Rect, scrolled: usize) {
    let most = KEYS.len().saturating_sub(usize::from(area.height));
    for (row, (key, does)) in rows(area).zip(KEYS.iter().skip(scrolled.min(most))) {
        if key.is_empty() {
            pen.write(row, does, Tone::Strong);
            continue;
        }
        let (left, right) = split_left(row, KEY_COLUMNS, 1);
        pen.write(left, key, Tone::Strong);
        pen.write(right, does, Tone::Plain);
    }
}
