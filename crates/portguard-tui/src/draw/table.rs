//! A view as a table, with its views above it. Pure.

use ratatui_core::layout::Rect;

use crate::{
    look::Tone,
    rows,
    state::State,
    table::{self, Column, Direction, GAP, Row},
    text,
    view::View,
};

use super::pen::{Pen, rows as lines, split_top};

/// Draws the view that is shown.
pub(super) fn draw(state: &State, pen: &mut Pen, area: Rect) {
    let (rows, cursor) = state.rows();
    let (top, rest) = split_top(area, 1);
    views(state, pen, top, rows.len());
    let columns = state.view().columns();
    let widths = table::widths(columns, &rows, area.width);
    let (head, body) = split_top(rest, 1);
    write_head(state, pen, head, &widths);
    if rows.is_empty() {
        let (line, _) = split_top(body, 1);
        pen.write(line, empty(state), Tone::Faint);
        return;
    }
    // The cursor stays in the middle, so that what is around it is seen.
    let height = usize::from(body.height);
    let first = cursor.saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    for (line, (row, number)) in lines(body).zip(rows.iter().zip(0..).skip(first)) {
        write_row(pen, line, row, columns, &widths);
        if number == cursor {
            pen.mark(line, Tone::Chosen);
        }
    }
}

/// Draws rows without a cursor, under their heads.
pub(super) fn write_plain(pen: &mut Pen, area: Rect, columns: &[Column], rows: &[Row]) {
    let widths = table::widths(columns, rows, area.width);
    let (head, body) = split_top(area, 1);
    let names = columns.iter().map(|column| column.head.to_owned()).collect();
    write_cells(pen, head, &widths, columns, names);
    for (line, row) in lines(body).zip(rows) {
        write_row(pen, line, row, columns, &widths);
    }
}

/// Draws the names of the page's views, and how many rows there are.
fn views(state: &State, pen: &mut Pen, row: Rect, found: usize) {
    let mut left = row;
    for view in state.page().views() {
        let tone = if *view == state.view() { Tone::Strong } else { Tone::Faint };
        let is_chosen = *view == state.view() && state.page().views().len() > 1;
        let name = if is_chosen { format!("[{}]", view.name()) } else { view.name().to_owned() };
        left = pen.write(left, &name, tone);
        left = pen.write(left, " ", Tone::Plain);
    }
    let place = state.place();
    let mut said = counted(state, found);
    if !place.filter.is_empty() {
        said = format!("{said} with \"{}\"", place.filter);
    }
    let room = usize::from(left.width);
    pen.write_right(left, &text::cut(&text::harmless(&said), room), Tone::Faint);
}

/// Returns how many rows there are, and how many there would be.
fn counted(state: &State, shown: usize) -> String {
    let data = state.data();
    let found = match state.view() {
        View::Offenders => data.offenders.as_ref().map_or(0, |table| table.found),
        View::Connections => data.connections.as_ref().map_or(0, |all| all.items.len() + all.more),
        View::Packets if data.packets_skipped > 0 => {
            return format!("{shown}, {} more went by", data.packets_skipped);
        }
        View::ControlFile => return data.control_file().map(rows::file_words).unwrap_or_default(),
        View::Knocks | View::Keys => {
            return data.knocks().map(rows::knock_words).unwrap_or_default();
        }
        View::LeftOut => data.control_file().map_or(0, |file| shown + file.more_left_out),
        view => {
            let tables = view.lists().iter().filter_map(|list| data.holds.get(list));
            tables.map(|table| table.found).sum()
        }
    };
    if found > shown { format!("{shown} of {found}") } else { shown.to_string() }
}

fn empty(state: &State) -> &'static str {
    if !state.place().filter.is_empty() {
        return "no row has that; / changes the filter, Esc ends it";
    }
    let data = state.data();
    match state.view() {
        View::ControlFile | View::LeftOut if data.control_file().is_none() => {
            "there is no control file: remote.url is empty"
        }
        View::ControlFile => "the control file may drive no service",
        View::LeftOut => "no line of the control file is left out",
        View::Knocks | View::Keys if data.knocks().is_none() => {
            "no knocks are taken: knock.listen is empty"
        }
        View::Knocks => "nobody knocked so far",
        View::Keys => "nobody may knock",
        View::Ports => "nothing listens and nothing is opened",
        View::Doors => "no port was opened or shut by order",
        View::Rulings => "no listener was approved or denied",
        View::Bans => "nobody is banned",
        View::Throttled => "nobody is throttled",
        View::Allowed => "nobody is on the allow list",
        View::Offenders => "nobody misbehaved so far",
        View::Packets => "no packet was decided about so far",
        View::Connections => "there is no connection with another host",
        View::Proposals => "no rule waits",
        View::Traps => "there is no trap",
        View::Watches => "there is no watch",
        View::Scans => "there is no standing scan",
        View::Journal => "the journal is empty",
        View::Overview | View::Sources | View::Protected => "nothing is known yet",
    }
}

fn write_head(state: &State, pen: &mut Pen, row: Rect, widths: &[u16]) {
    let sorting = state.place().sorting;
    let columns = state.view().columns();
    let names = columns.iter().enumerate().map(|(index, column)| {
        match sorting.filter(|sorting| sorting.column == index) {
            Some(sorting) if sorting.direction == Direction::Ascending => {
                format!("^{}", column.head)
            }
            Some(_) => format!("v{}", column.head),
            None => column.head.to_owned(),
        }
    });
    write_cells(pen, row, widths, columns, names.collect());
}

fn write_cells(pen: &mut Pen, row: Rect, widths: &[u16], columns: &[Column], names: Vec<String>) {
    for ((place, name), column) in places(row, widths).zip(names).zip(columns) {
        write_cell(pen, place, &name, Tone::Strong, column);
    }
}

fn write_row(pen: &mut Pen, line: Rect, row: &Row, columns: &[Column], widths: &[u16]) {
    for ((place, cell), column) in places(line, widths).zip(&row.cells).zip(columns) {
        write_cell(pen, place, &cell.text, cell.tone, column);
    }
}

fn write_cell(pen: &mut Pen, place: Rect, words: &str, tone: Tone, column: &Column) {
    if column.is_count {
        pen.write_right(place, words, tone);
    } else {
        pen.write(place, words, tone);
    }
}

/// Returns the place of each column within a row; without width where a column is not shown.
fn places(row: Rect, widths: &[u16]) -> impl Iterator<Item = Rect> {
    let mut x = row.x;
    widths.iter().map(move |width| {
        let width = (*width).min(row.right().saturating_sub(x));
        let place = Rect { x, width, ..row };
        x += if width > 0 { width + GAP } else { 0 };
        x = x.min(row.right());
        place
    })
}
