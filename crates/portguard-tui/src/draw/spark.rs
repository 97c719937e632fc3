//! Bars over time. Pure.

use ratatui_core::layout::Rect;

use crate::look::Tone;

use super::pen::{Pen, rows};

const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_BARS: [&str; 9] = [" ", "_", ".", ",", ":", "-", "=", "+", "#"];

/// Draws one bar a column, the newest at the right; what was not counted stays empty.
pub(crate) fn draw(pen: &mut Pen, area: Rect, values: &[Option<u64>], tone: Tone) {
    let columns = usize::from(area.width);
    let shown = &values[values.len().saturating_sub(columns)..];
    let most = shown.iter().flatten().copied().max().unwrap_or(0).max(1);
    let bars = if pen.is_ascii() { ASCII_BARS } else { BARS };
    let skip = columns - shown.len();
    for (row, from_top) in rows(area).zip(0_u64..) {
        let below = u64::from(area.height) - 1 - from_top;
        let line = shown.iter().map(|value| bars[step(*value, most, area.height, below)]);
        let line: String = std::iter::repeat_n(" ", skip).chain(line).collect();
        pen.write(row, &line, tone);
    }
}

/// Returns how full, in eighths, a bar is in the row with so many rows below it.
fn step(value: Option<u64>, most: u64, height: u16, below: u64) -> usize {
    let Some(value) = value.filter(|value| *value > 0) else { return 0 };
    let eighths = u128::from(height) * 8 * u128::from(value) / u128::from(most);
    // Whatever was counted is seen.
    let eighths = eighths.max(1);
    let here = eighths.saturating_sub(u128::from(below) * 8).min(8);
    usize::try_from(here).unwrap_or(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        let one_row = [None, Some(0), Some(1), Some(500), Some(1_000)];
        assert_eq!(one_row.map(|value| step(value, 1_000, 1, 0)), [0, 0, 1, 4, 8]);
        let upper = [Some(1), Some(500), Some(750), Some(1_000)];
        assert_eq!(upper.map(|value| step(value, 1_000, 2, 1)), [0, 0, 4, 8]);
        assert_eq!(upper.map(|value| step(value, 1_000, 2, 0)), [1, 8, 8, 8]);
        assert_eq!(step(Some(u64::MAX), u64::MAX, u16::MAX, 0), 8);
    }
}
