//! Counts how often each source was seen within a span of time.

use std::{hash::Hash, net::IpAddr, time::Duration};

use smallvec::SmallVec;

use crate::{Timestamp, recent::Recent};

/// Most sources that are counted at a time.
const MOST_SOURCES: usize = 200_000;

/// The last times of one source, in their order: one fewer than are enough, mostly without a heap.
#[derive(Clone, Debug, Default)]
pub struct Times(SmallVec<[Timestamp; 4]>);

impl Times {
    /// Takes one more time, and returns whether there are `howmany` within a span then; they begin
    /// anew if so. Times may come in any order.
    pub fn hit(&mut self, at: Timestamp, howmany: usize, within: Duration) -> bool {
        let Self(times) = self;
        let (first, last) = match times[..] {
            [first, .., last] => (first.min(at), last.max(at)),
            [only] => (only.min(at), only.max(at)),
            [] => (at, at),
        };
        let is_full = times.len() + 1 >= howmany;
        if is_full && last.since(first) <= within {
            times.clear();
            return true;
        }
        let place =
            if last == at { times.len() } else { times.partition_point(|known| *known <= at) };
        if !is_full {
            times.insert(place, at);
        } else if let Some(place) = place.checked_sub(1) {
            times.copy_within(1..=place, 0);
            times[place] = at;
        }
        false
    }
}

/// Finds the sources that were seen so often within a span.
#[derive(Debug)]
pub struct Window<S = IpAddr> {
    howmany: usize,
    within: Duration,
    sources: Recent<S, Times>,
}

impl<S: Copy + Eq + Hash> Window<S> {
    /// Makes a window for so many times within a span.
    pub fn new(howmany: u32, within: Duration) -> Self {
        let howmany = usize::try_from(howmany).unwrap_or(usize::MAX).max(1);
        Self { howmany, within, sources: Recent::new(MOST_SOURCES) }
    }

    /// Counts a source once more, and returns whether that makes it enough; it then begins anew.
    /// Times may come in any order.
    pub fn hit(&mut self, source: S, at: Timestamp) -> bool {
        let (howmany, within) = (self.howmany, self.within);
        let is_enough = self.sources.with(source, |times| times.hit(at, howmany, within));
        if is_enough {
            self.sources.remove(&source);
        }
        is_enough
    }

    /// Forgets a source: it succeeded.
    pub fn clear(&mut self, source: S) {
        self.sources.remove(&source);
    }

    /// Returns how many sources are counted.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Returns whether no source is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn source(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    fn hits(window: &mut Window, seconds: &[u64]) -> Vec<bool> {
        seconds.iter().map(|at| window.hit(source(7), Timestamp::from_secs(*at))).collect()
    }

    #[test]
    fn enough_within_the_span_is_enough_and_begins_anew() {
        let mut window = Window::new(3, Duration::from_secs(10));
        let found = hits(&mut window, &[100, 105, 110, 111, 112, 113]);
        assert_eq!(found, [false, false, true, false, false, true]);
        assert!(window.is_empty());
        assert_eq!(hits(&mut window, &[100, 106, 112, 117]), [false; 4]);
    }

    #[test]
    fn times_may_come_in_any_order() {
        let mut window = Window::new(3, Duration::from_secs(10));
        assert_eq!(hits(&mut window, &[110, 100, 105]), [false, false, true]);
    }

    #[test]
    fn a_success_clears() {
        let mut window = Window::new(2, Duration::from_secs(10));
        hits(&mut window, &[100]);
        window.clear(source(7));
        assert_eq!(hits(&mut window, &[101]), [false]);
    }

    #[test]
    fn sources_without_end_take_no_memory_without_end_and_a_steady_one_is_found() {
        let mut window = Window::new(5, Duration::from_secs(1_000));
        let mut found = 0;
        for number in 0..1_000_000_u32 {
            window.hit(source(number + 100), Timestamp::from_secs(1_000));
            if number % 50_000 == 0 {
                found += u32::from(window.hit(source(7), Timestamp::from_secs(1_000)));
            }
            assert!(window.len() <= MOST_SOURCES);
        }
        assert_eq!(found, 4);
    }

    proptest! {
        #[test]
        fn in_order_it_finds_what_counting_finds(
            gaps in prop::collection::vec(0..30_u64, 1..60), howmany in 1..6_u32, within in 1..60_u64,
        ) {
            let times: Vec<u64> = gaps.iter().scan(1_000, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut window = Window::new(howmany, Duration::from_secs(within));
            let mut since: Vec<u64> = Vec::new();
            for at in times {
                since.push(at);
                let close = since.iter().filter(|known| at - **known <= within).count();
                let expected = close >= howmany as usize;
                if expected {
                    since.clear();
                }
                prop_assert_eq!(window.hit(source(7), Timestamp::from_secs(at)), expected);
            }
        }

        #[test]
        fn out_of_order_the_latest_count(
            times in prop::collection::vec(0..60_u64, 1..40), howmany in 1..7_usize, within in 1..30_u64,
        ) {
            let mut kept = Times::default();
            let mut latest: Vec<u64> = Vec::new();
            for at in times {
                latest.push(at);
                latest.sort_unstable();
                let surplus = latest.len().saturating_sub(howmany);
                latest.drain(..surplus);
                let expected = latest.len() == howmany && latest[howmany - 1] - latest[0] <= within;
                if expected {
                    latest.clear();
                }
                let at = Timestamp::from_secs(at);
                prop_assert_eq!(kept.hit(at, howmany, Duration::from_secs(within)), expected);
            }
        }
    }
}
