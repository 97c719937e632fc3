//! Figures beside their limits and peers.

use std::{fmt, time::Duration};

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    ours: f64,
    unit: &'static str,
    beside: &'static str,
    other: f64,
    /// How many times as much as a peer it has to be.
    times: Option<f64>,
}

impl Report {
    /// Adds a figure, in a unit, that must not be above a limit.
    pub(crate) fn limit(
        &mut self,
        what: impl Into<String>,
        ours: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.rows.push(Row::new(what.into(), ours, ("limit", limit), unit));
    }

    /// Adds a figure, in a unit, that must not be below another.
    pub(crate) fn least(
        &mut self,
        what: impl Into<String>,
        ours: f64,
        least: f64,
        unit: &'static str,
    ) {
        self.rows.push(Row::new(what.into(), ours, ("least", least), unit));
    }

    /// Adds a figure, in a unit, beside that of a peer, measured in the same run.
    pub(crate) fn peer(
        &mut self,
        what: impl Into<String>,
        ours: f64,
        (peer, theirs): (&'static str, f64),
        unit: &'static str,
    ) {
        self.rows.push(Row::new(what.into(), ours, (peer, theirs), unit));
    }

    /// Adds a figure, in a unit, that must be so many times that of a peer, measured in the same run.
    pub(crate) fn ahead(
        &mut self,
        what: impl Into<String>,
        ours: f64,
        (times, peer, theirs): (f64, &'static str, f64),
        unit: &'static str,
    ) {
        let what = format!("{}, at least x {times}", what.into());
        let row = Row { times: Some(times), ..Row::new(what, ours, (peer, theirs), unit) };
        self.rows.push(row);
    }
}

impl Row {
    fn new(
        what: String,
        ours: f64,
        (beside, other): (&'static str, f64),
        unit: &'static str,
    ) -> Self {
        Self { what, ours, unit, beside, other, times: None }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<58} {:>12} {:<8} {:>12} {:<12} {:>8}",
            "figure", "ours", "", "other", "", "ratio"
        )?;
        for row in &self.rows {
            let ratio = if row.other == 0.0 { f64::NAN } else { row.ours / row.other };
            let mark = match (row.beside, row.times) {
                ("limit", _) if row.ours > row.other => "  OVER",
                ("least", _) if row.ours < row.other => "  UNDER",
                (_, Some(times)) if row.ours < times * row.other => "  UNDER",
                _ => "",
            };
            let Row { what, ours, unit, beside, other, times: _ } = row;
            writeln!(
                f,
                "{what:<58} {ours:>12.3} {unit:<8} {other:>12.3} {beside:<12} {ratio:>8.3}{mark}"
            )?;
        }
        Ok(())
    }
}

/// Returns milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the time below which this part of the times lies.
pub(crate) fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a few thousand times"
    )]
    let index = ((times.len() - 1) as f64 * part) as usize;
    times[index]
}
