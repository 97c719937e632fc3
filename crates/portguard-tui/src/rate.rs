//! How much happens: packets by the second, bans and offences by the minute. Pure.

use std::collections::{BTreeMap, VecDeque};

use portguard_api::view::{Entry, TurnedAway};

use crate::text;

/// How many seconds are kept: as many as the widest terminal has columns.
const SECONDS: usize = 512;

/// For how many seconds journal lines are counted, as their moments and the clock may differ a bit.
const COUNTED: usize = 120;

/// Counts over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    let_in: VecDeque<Option<u64>>,
    turned_away: VecDeque<Option<u64>>,
    /// The kernel's counts, and when they were read: in milliseconds of a clock that is never set.
    last: Option<(u64, TurnedAway)>,
    /// By seconds since 1970.
    buckets: BTreeMap<u64, Bucket>,
}

/// What happened within a second.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    bans: u64,
    offences: u64,
}

/// What is counted by the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Bans,
    Offences,
}

impl Rates {
    /// Takes the kernel's counts at a moment, in milliseconds.
    pub(crate) fn count(&mut self, at: u64, now: TurnedAway) {
        let Some((before, last)) = self.last.replace((at, now)) else { return };
        let passed = at.saturating_sub(before);
        let is_new_table = now.blocked_packets < last.blocked_packets
            || now.allowed_connections < last.allowed_connections;
        if passed == 0 || is_new_table {
            return;
        }
        let rate = |now: u64, last: u64| (now - last).saturating_mul(1_000) / passed;
        let let_in = rate(now.allowed_connections, last.allowed_connections);
        let turned_away = rate(now.blocked_packets, last.blocked_packets);
        let steps = usize::try_from((passed + 500) / 1_000).unwrap_or(SECONDS).clamp(1, SECONDS);
        for _ in 0..steps {
            self.push(Some(let_in), Some(turned_away));
        }
    }

    /// Takes note that a second went by without an answer.
    pub(crate) fn miss(&mut self) {
        self.last = None;
        self.push(None, None);
    }

    fn push(&mut self, let_in: Option<u64>, turned_away: Option<u64>) {
        for (series, value) in [(&mut self.let_in, let_in), (&mut self.turned_away, turned_away)] {
            series.push_back(value);
            if series.len() > SECONDS {
                series.pop_front();
            }
        }
    }

    /// Takes a journal line.
    pub(crate) fn take(&mut self, entry: &Entry) {
        let is_ban = entry.kind == "decision" && entry.measure.as_deref() == Some("ban");
        let is_offence = entry.kind == "offence";
        if !is_ban && !is_offence {
            return;
        }
        let Some(second) = text::second(&entry.at) else { return };
        let bucket = self.buckets.entry(second).or_default();
        bucket.bans += u64::from(is_ban);
        bucket.offences += u64::from(is_offence);
        if self.buckets.len() > COUNTED {
            self.buckets.pop_first();
        }
    }

    /// Returns the new connections that were let in, by the second, the newest last.
    pub(crate) fn let_in(&self) -> Vec<Option<u64>> {
        self.let_in.iter().copied().collect()
    }

    /// Returns the packets that were turned away, by the second, the newest last.
    pub(crate) fn turned_away(&self) -> Vec<Option<u64>> {
        self.turned_away.iter().copied().collect()
    }

    /// Returns how often it happened within the minute up to this second.
    pub(crate) fn last_minute(&self, what: Counted, now: u64) -> u64 {
        let range = now.saturating_sub(59)..=now;
        let buckets = self.buckets.range(range).map(|(_, bucket)| match what {
            Counted::Bans => bucket.bans,
            Counted::Offences => bucket.offences,
        });
        buckets.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(let_in: u64, away: u64) -> TurnedAway {
        TurnedAway { allowed_connections: let_in, blocked_packets: away, ..TurnedAway::default() }
    }

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let mut rates = Rates::default();
        rates.count(0, counts(100, 5));
        rates.count(1_000, counts(110, 5));
        rates.count(3_000, counts(130, 45));
        rates.miss();
        rates.count(9_000, counts(200, 99));
        rates.count(10_000, counts(201, 99));
        rates.count(11_000, counts(0, 0));
        assert_eq!(rates.let_in(), [Some(10), Some(10), Some(10), None, Some(1)]);
        assert_eq!(rates.turned_away(), [Some(0), Some(20), Some(20), None, Some(0)]);
    }

    #[test]
    fn journal_lines_are_counted_by_the_minute() {
        let mut rates = Rates::default();
        let entry = |at: &str, kind: &str, measure: Option<&str>| Entry {
            id: 1,
            at: at.to_owned(),
            level: "info".to_owned(),
            kind: kind.to_owned(),
            subject: None,
            measure: measure.map(str::to_owned),
            until: None,
            nth_ban: None,
            author: None,
            text: String::new(),
            evidence: Vec::new(),
        };
        rates.take(&entry("1970-01-01T00:01:00Z", "offence", None));
        rates.take(&entry("1970-01-01T00:02:59Z", "offence", None));
        rates.take(&entry("1970-01-01T00:02:59Z", "decision", Some("ban")));
        rates.take(&entry("1970-01-01T00:02:59Z", "decision", Some("allow")));
        rates.take(&entry("nonsense", "offence", None));
        let minute = |what| rates.last_minute(what, 179);
        assert_eq!((minute(Counted::Offences), minute(Counted::Bans)), (1, 1));
        assert_eq!(rates.last_minute(Counted::Offences, 60), 1);
        assert_eq!(rates.last_minute(Counted::Offences, 0), 0);
    }
}
