//! The kernel's counters at certain moments, and what was counted between two moments. Pure.

use std::collections::VecDeque;

/// How many samples are kept: of one a minute, a day; of one each five seconds, ten minutes. When
/// full, the oldest goes. Together that is 36 KiB.
const MOST_COARSE: usize = 24 * 60;
const MOST_FINE: usize = 120;

/// The longest time between two samples, in milliseconds, that is still taken for one stretch:
/// beyond that the host slept, or the daemon was too busy to look.
const LONGEST_GAP: u64 = 180_000;

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Milliseconds since the Unix epoch.
    pub(super) at: u64,
    /// Packets turned away so far.
    pub(super) blocked: u64,
    /// New connections let in so far.
    pub(super) allowed: u64,
}

/// The samples of the past; room is taken as they come.
#[derive(Debug, Default)]
pub(super) struct Samples {
    coarse: VecDeque<Sample>,
    fine: VecDeque<Sample>,
}

impl Samples {
    pub(super) fn add(&mut self, sample: Sample, is_fine: bool) {
        let newest = self.coarse.back().into_iter().chain(self.fine.back()).map(|one| one.at).max();
        if newest.is_some_and(|newest| sample.at < newest) {
            // The clock was set back: what is known has no place in time any more.
            *self = Self::default();
        }
        let (ring, most) =
            if is_fine { (&mut self.fine, MOST_FINE) } else { (&mut self.coarse, MOST_COARSE) };
        if ring.len() >= most {
            ring.pop_front();
        }
        ring.push_back(sample);
    }

    /// Returns all samples, the oldest first.
    pub(super) fn in_order(&self) -> Vec<Sample> {
        let mut all: Vec<Sample> = self.coarse.iter().chain(&self.fine).copied().collect();
        all.sort_by_key(|sample| sample.at);
        all.dedup_by_key(|sample| sample.at);
        all
    }
}

/// Returns the connections let in and the packets turned away from `begin` to `end`, as far as there
/// are samples; nothing if none covers it, or the counters began anew in between.
///
/// Between two samples packets are taken to come evenly, and nothing is counted twice or left out.
pub(super) fn between(samples: &[Sample], begin: u64, end: u64) -> Option<(u64, u64)> {
    let end = end.min(samples.last()?.at);
    if begin >= end {
        return None;
    }
    let (from, to) = (total_at(samples, begin)?, total_at(samples, end)?);
    let first = samples.partition_point(|sample| sample.at <= begin).saturating_sub(1);
    let last = samples.partition_point(|sample| sample.at < end);
    let stretch = samples.get(first..=last)?;
    let goes_on = stretch.windows(2).all(|pair| is_one_stretch(&pair[0], &pair[1]));
    goes_on.then(|| (to.0.saturating_sub(from.0), to.1.saturating_sub(from.1)))
}

/// Returns the counters at a moment between two samples.
fn total_at(samples: &[Sample], at: u64) -> Option<(u64, u64)> {
    let after = samples.partition_point(|sample| sample.at <= at);
    let before = samples.get(after.checked_sub(1)?)?;
    let Some(after) = samples.get(after).filter(|_| before.at < at) else {
        return (before.at == at).then_some((before.allowed, before.blocked));
    };
    let part = |from: u64, to: u64| {
        let more = u128::from(to.saturating_sub(from)) * u128::from(at - before.at)
            / u128::from(after.at - before.at);
        from + u64::try_from(more).unwrap_or(u64::MAX)
    };
    Some((part(before.allowed, after.allowed), part(before.blocked, after.blocked)))
}

fn is_one_stretch(one: &Sample, next: &Sample) -> bool {
    next.at - one.at <= LONGEST_GAP && next.blocked >= one.blocked && next.allowed >= one.allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(all: &[(u64, u64)]) -> Vec<Sample> {
        let sample = |(second, blocked): &(u64, u64)| Sample {
            at: second * 1_000,
            blocked: *blocked,
            allowed: blocked * 2,
        };
        all.iter().map(sample).collect()
    }

    fn check(all: &[(u64, u64)], begin: u64, end: u64, expect: Option<u64>) {
        let found = between(&samples(all), begin * 1_000, end * 1_000);
        let expect = expect.map(|blocked| (blocked * 2, blocked));
        assert_eq!(found, expect, "{all:?} {begin}..{end}");
    }

    #[test]
    fn what_lies_between_samples_is_shared_out_evenly() {
        let all = [(60, 0), (120, 60), (180, 60)];
        check(&all, 60, 120, Some(60));
        check(&all, 60, 90, Some(30));
        check(&all, 90, 150, Some(30));
        check(&all, 120, 180, Some(0));
        // The last step is under way.
        check(&all, 150, 240, Some(0));
    }

    #[test]
    fn what_was_not_counted_is_nothing() {
        let all = [(60, 10), (120, 20)];
        check(&all, 0, 60, None);
        check(&all, 30, 90, None);
        check(&all, 120, 180, None);
        check(&all, 180, 240, None);
        check(&[], 0, 60, None);
        check(&[(60, 10)], 60, 120, None);
    }

    #[test]
    fn counters_that_began_anew_and_long_gaps_are_no_counts() {
        check(&[(60, 100), (120, 5), (180, 25)], 60, 120, None);
        check(&[(60, 100), (120, 5), (180, 25)], 120, 180, Some(20));
        check(&[(60, 100), (600, 200)], 60, 120, None);
    }

    #[test]
    fn memory_is_bounded_and_a_clock_that_is_set_back_begins_anew() {
        let mut samples = Samples::default();
        for second in 0..10_000 {
            let sample = Sample { at: second * 1_000, blocked: second, allowed: 0 };
            samples.add(sample, second % 2 == 0);
        }
        assert_eq!(samples.in_order().len(), MOST_COARSE + MOST_FINE);
        samples.add(Sample { at: 5, blocked: 0, allowed: 0 }, false);
        assert_eq!(samples.in_order().len(), 1);
    }
}
