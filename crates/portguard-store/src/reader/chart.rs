//! How much happened in each step of time, counted by the database from an index of its own.

use std::time::Duration;

use portguard_core::Timestamp;
use rusqlite::{Connection, params};

use crate::column::Column;

/// What the journal counts within one step of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Offences.
    pub offences: u64,
    /// Bans that began.
    pub bans: u64,
}

/// The condition has the words of the index, or the index would not be taken.
const SQL: &str = "SELECT (at - ?1) / ?2 AS step, sum(kind = 'offence'), \
                   sum(kind = 'decision' AND measure = 'ban') FROM entries \
                   WHERE at >= ?1 AND at < ?3 AND kind IN ('offence', 'decision') GROUP BY step";

/// Returns what was counted in each of `steps` steps from `begin` on.
pub(super) fn counted(
    connection: &Connection,
    begin: Timestamp,
    step: Duration,
    steps: usize,
) -> rusqlite::Result<Vec<Counted>> {
    let step = step.max(Duration::from_millis(1));
    let end = begin.plus(step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)));
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    let mut counted = vec![Counted::default(); steps];
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query(params![Column(begin), step, Column(end)])?;
    while let Some(row) = rows.next()? {
        let place: i64 = row.get(0)?;
        if let Some(one) = usize::try_from(place).ok().and_then(|place| counted.get_mut(place)) {
            *one = Counted { offences: number(row.get(1)?), bans: number(row.get(2)?) };
        }
    }
    Ok(counted)
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening;

    #[test]
    fn the_counts_come_from_the_index_alone() {
        let (connection, _) = opening::open_in_memory();
        let sql = format!("EXPLAIN QUERY PLAN {SQL}");
        let mut statement = connection.prepare(&sql).unwrap();
        let steps = statement.query_map(params![0, 1, 2], |row| row.get::<_, String>(3)).unwrap();
        let plan = steps.map(Result::unwrap).collect::<Vec<_>>().join("; ");
        assert!(plan.contains("COVERING INDEX entries_for_charts (at>? AND at<?)"), "{plan}");
    }
}
