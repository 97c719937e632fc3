//! Rows of any view: what is in a cell, how rows are sorted and looked through, how wide columns
//! are. Pure.

use std::cmp::Ordering;

use crate::{look::Tone, text};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    /// How narrow it may become, in columns of the terminal.
    least: u16,
    /// The greatest goes first where there is no room; 0 stays.
    goes: u8,
    pub(crate) is_count: bool,
    /// How the daemon names it, if it sorts by it.
    pub(crate) name: Option<&'static str>,
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What tells it from others, also when it is told of anew.
    pub(crate) key: String,
    pub(crate) cells: Vec<Cell>,
    /// Its place in what the daemon told.
    pub(crate) at: usize,
}

/// A cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// As it is shown, so that columns are as wide as that and filters find it.
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// What it is sorted by, if not by its text.
    rank: Option<u64>,
}

/// By which column rows are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sorting {
    pub(crate) column: usize,
    pub(crate) direction: Direction,
}

/// Which rows come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Column {
    pub(crate) const fn text(head: &'static str, least: u16, goes: u8) -> Self {
        Self { head, least, goes, is_count: false, name: None }
    }

    pub(crate) const fn count(head: &'static str, goes: u8) -> Self {
        Self { head, least: 1, goes, is_count: true, name: None }
    }

    /// Returns the column with the name by which the daemon sorts.
    pub(crate) const fn by(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }
}

impl Cell {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self { text: text::harmless(text.as_ref()), tone: Tone::Plain, rank: None }
    }

    pub(crate) fn count(count: u64) -> Self {
        Self { text: count.to_string(), tone: Tone::Plain, rank: Some(count) }
    }

    /// A text that is sorted by a number.
    pub(crate) fn ranked(text: impl AsRef<str>, rank: u64) -> Self {
        Self { rank: Some(rank), ..Self::text(text) }
    }

    pub(crate) fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl Sorting {
    /// Sorts rows; those that are the same in this column keep their order.
    pub(crate) fn sort(self, rows: &mut [Row]) {
        rows.sort_by(|one, other| {
            let cells = (one.cells.get(self.column), other.cells.get(self.column));
            let (Some(one), Some(other)) = cells else { return Ordering::Equal };
            let order = one.rank.cmp(&other.rank).then_with(|| one.text.cmp(&other.text));
            match self.direction {
                Direction::Ascending => order,
                Direction::Descending => order.reverse(),
            }
        });
    }
}

/// Returns whether a row has all the words somewhere, in whatever case.
pub(crate) fn matches(row: &Row, words: &str) -> bool {
    let words = words.to_lowercase();
    let cells: Vec<String> = row.cells.iter().map(|cell| cell.text.to_lowercase()).collect();
    words.split_whitespace().all(|word| cells.iter().any(|cell| cell.contains(word)))
}

/// Returns how wide each column is, in columns of the terminal with a gap between them; 0: it is
/// not shown.
pub(crate) fn widths(columns: &[Column], rows: &[Row], room: u16) -> Vec<u16> {
    let natural = |(index, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.cells.get(index));
        let widest = cells.map(|cell| text::width(&cell.text)).max().unwrap_or(0);
        u16::try_from(widest.max(column.head.len())).unwrap_or(u16::MAX)
    };
    let natural: Vec<u16> = columns.iter().enumerate().map(natural).collect();
    let least = |(column, natural): (&Column, &u16)| {
        if column.is_count { *natural } else { column.least.min(*natural) }
    };
    let mut widths: Vec<u16> = columns.iter().zip(&natural).map(least).collect();
    while taken(&widths) > u32::from(room) {
        let shown = columns.iter().enumerate().filter(|(index, _)| widths[*index] > 0);
        match shown.max_by_key(|(_, column)| column.goes) {
            Some((index, column)) if column.goes > 0 => widths[index] = 0,
            _ => break,
        }
    }
    let mut left = u32::from(room).saturating_sub(taken(&widths));
    for (width, natural) in widths.iter_mut().zip(&natural).filter(|(width, _)| **width > 0) {
        let more = u32::from(natural - *width).min(left);
        *width += u16::try_from(more).unwrap_or(0);
        left -= more;
    }
    widths
}

/// Columns of the terminal between two columns of a table.
pub(crate) const GAP: u16 = 1;

fn taken(widths: &[u16]) -> u32 {
    let shown = widths.iter().filter(|width| **width > 0);
    shown.map(|width| u32::from(*width + GAP)).sum::<u32>().saturating_sub(GAP.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::text("A", 4, 0), Column::count("N", 2), Column::text("WHY", 3, 1)];

    fn row(a: &str, n: u64, why: &str) -> Row {
        let cells = vec![Cell::text(a), Cell::count(n), Cell::text(why)];
        Row { key: a.to_owned(), cells, at: 0 }
    }

    #[test]
    fn narrow_tables_shrink_and_then_lose_what_counts_least() {
        let rows = [row("abcdef", 10, "something")];
        let check = |room, expect: [u16; 3]| {
            assert_eq!(widths(&COLUMNS, &rows, room), expect, "{room}");
        };
        check(80, [6, 2, 9]);
        check(19, [6, 2, 9]);
        check(15, [6, 2, 5]);
        check(11, [4, 2, 3]);
        check(10, [6, 0, 3]);
        check(7, [6, 0, 0]);
        check(3, [4, 0, 0]);
        check(0, [4, 0, 0]);
    }

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let mut rows = [row("x", 9, ""), row("y", 10, ""), row("z", 1, "")];
        Sorting { column: 1, direction: Direction::Descending }.sort(&mut rows);
        assert_eq!(rows.each_ref().map(|row| row.key.as_str()), ["y", "x", "z"]);
        Sorting { column: 9, direction: Direction::Ascending }.sort(&mut rows);
    }

    #[test]
    fn every_word_has_to_be_somewhere() {
        let row = row("192.0.2.7", 22, "Trap tcp/23");
        assert!(matches(&row, "") && matches(&row, "trap 192.0"));
        assert!(!matches(&row, "trap tcp/24"));
    }
}
