//! Counts how often each source was seen within a span of time.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use crate::Timestamp;

/// Most sources that are counted at a time. When half of it is full, the sources that were not seen
/// while it filled are forgotten.
const MOST_SOURCES: usize = 200_000;

/// Finds the sources that were seen so often within a span.
#[derive(Debug)]
pub struct Window {
    howmany: usize,
    within: Duration,
    /// Sources that were seen lately, and those that were seen before that. No source's place in
    /// them is to be guessed from outside: the hashes are seeded.
    recent: HashMap<IpAddr, VecDeque<Timestamp>>,
    former: HashMap<IpAddr, VecDeque<Timestamp>>,
}

impl Window {
    /// Makes a window for so many times within a span.
    pub fn new(howmany: u32, within: Duration) -> Self {
        let howmany = usize::try_from(howmany).unwrap_or(usize::MAX).max(1);
        Self { howmany, within, recent: HashMap::new(), former: HashMap::new() }
    }

    /// Counts a source once more, and returns whether that makes it enough; it then begins anew.
    /// Times may come in any order.
    pub fn hit(&mut self, source: IpAddr, at: Timestamp) -> bool {
        if self.recent.len() >= MOST_SOURCES / 2 && !self.recent.contains_key(&source) {
            self.former = std::mem::take(&mut self.recent);
        }
        let former = self.former.remove(&source);
        let times = self.recent.entry(source).or_insert_with(|| former.unwrap_or_default());
        let place = times.partition_point(|known| *known <= at);
        times.insert(place, at);
        if times.len() > self.howmany {
            times.pop_front();
        }
        let is_enough = times.len() == self.howmany
            && times
                .front()
                .zip(times.back())
                .is_some_and(|(first, last)| last.since(*first) <= self.within);
        if is_enough {
            self.recent.remove(&source);
        }
        is_enough
    }

    /// Forgets a source: it succeeded.
    pub fn clear(&mut self, source: IpAddr) {
        self.recent.remove(&source);
        self.former.remove(&source);
    }

    /// Returns how many sources are counted.
    pub fn len(&self) -> usize {
        self.recent.len() + self.former.len()
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
    }
}
