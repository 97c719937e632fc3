//! The only way onto the screen: every text is made harmless and cut to its place.

use ratatui_core::{buffer::Buffer, layout::Rect};

use crate::{
    look::{Glyphs, Look, Tone},
    text,
};

/// Writes texts into an area of the screen.
pub(crate) struct Pen<'a> {
    buffer: &'a mut Buffer,
    look: Look,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(buffer: &'a mut Buffer, look: Look) -> Self {
        Self { buffer, look }
    }

    pub(crate) fn is_ascii(&self) -> bool {
        self.look.glyphs() == Glyphs::Ascii
    }

    /// Writes a text into one row and returns the place that is left at its right.
    pub(crate) fn write(&mut self, row: Rect, words: &str, tone: Tone) -> Rect {
        let words = self.shown(words, usize::from(row.width));
        if row.is_empty() || !self.buffer.area.contains(row.as_position()) {
            return Rect { width: 0, ..row };
        }
        let style = self.look.style(tone);
        let width = usize::from(row.width);
        let (x, _) = self.buffer.set_stringn(row.x, row.y, words, width, style);
        Rect { x, width: row.right().saturating_sub(x), ..row }
    }

    /// Writes a text at the right end of a row.
    pub(crate) fn write_right(&mut self, row: Rect, words: &str, tone: Tone) {
        let width = u16::try_from(text::width(&text::harmless(words))).unwrap_or(u16::MAX);
        let skip = row.width.saturating_sub(width);
        self.write(Rect { x: row.x + skip, width: row.width - skip, ..row }, words, tone);
    }

    /// Writes parts one behind the other; returns the place that is left.
    pub(crate) fn write_parts(&mut self, row: Rect, parts: &[(String, Tone)]) -> Rect {
        parts.iter().fold(row, |left, (words, tone)| self.write(left, words, *tone))
    }

    /// Gives a row, with what is written in it, another look.
    pub(crate) fn mark(&mut self, row: Rect, tone: Tone) {
        let style = self.look.style(tone);
        self.buffer.set_style(row.intersection(self.buffer.area), style);
    }

    fn shown(&self, words: &str, columns: usize) -> String {
        let words = text::cut(&text::harmless(words), columns);
        if self.is_ascii() { text::ascii(&words) } else { words }
    }
}

/// Takes the first so many rows of an area; the second is the rest.
pub(crate) fn split_top(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let top = Rect { height: rows, ..area };
    (top, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

/// Takes the last so many rows of an area; the first is the rest.
pub(crate) fn split_bottom(area: Rect, rows: u16) -> (Rect, Rect) {
    split_top(area, area.height - rows.min(area.height))
}

/// Takes the first so many columns of an area; the second is the rest, behind a gap.
pub(crate) fn split_left(area: Rect, columns: u16, gap: u16) -> (Rect, Rect) {
    let columns = columns.min(area.width);
    let skip = (columns + gap).min(area.width);
    let left = Rect { width: columns, ..area };
    (left, Rect { x: area.x + skip, width: area.width - skip, ..area })
}

/// Returns the rows of an area, from the top.
pub(crate) fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    (0..area.height).map(move |row| Rect { y: area.y + row, height: 1, ..area })
}
