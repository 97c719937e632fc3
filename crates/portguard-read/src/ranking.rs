//! Who and what stands out among decisions about packets, in bounded memory. Pure.
//!
//! Sources are forged, so there may be as many as decisions. A first pass counts them in buckets by a
//! hash; a second counts one by one only those that fall into the fullest buckets.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
};

use crate::Verdict;

/// How many buckets the first pass has: half a megabyte. A million forged sources put 15 into each.
const BUCKETS: usize = 1 << 17;

/// How many of the fullest buckets are looked into: some thousand sources at most.
const FULLEST: usize = 512;

/// What counts of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The verdict.
    pub verdict: Verdict,
    /// The source address.
    pub source: IpAddr,
    /// Protocol number and destination port, if it has ports.
    pub port: Option<(u8, u16)>,
}

/// The first pass.
pub struct Rough {
    hasher: RandomState,
    buckets: Vec<u32>,
}

/// The second pass.
pub struct Ranking {
    rough: Rough,
    /// What a bucket must hold for its sources to be counted.
    least: u32,
    sources: HashMap<IpAddr, u64>,
    blocked: HashMap<(u8, u16), u64>,
    allowed: HashMap<(u8, u16), u64>,
}

/// What stands out, the most first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranked {
    /// Sources whose packets were turned away.
    pub sources: Vec<(IpAddr, u64)>,
    /// Protocol number and port at which packets were turned away.
    pub ports_blocked: Vec<((u8, u16), u64)>,
    /// Protocol number and port of connections that were let in.
    pub ports_allowed: Vec<((u8, u16), u64)>,
}

impl Default for Rough {
    fn default() -> Self {
        Self { hasher: RandomState::new(), buckets: vec![0; BUCKETS] }
    }
}

impl Rough {
    /// Takes a decision in.
    pub fn see(&mut self, glance: &Glance) {
        if glance.verdict == Verdict::Blocked {
            let place = self.place(glance.source);
            self.buckets[place] = self.buckets[place].saturating_add(1);
        }
    }

    /// Returns the second pass, which has to see the same decisions.
    pub fn settled(self) -> Ranking {
        let mut counts = self.buckets.clone();
        let (_, least, _) = counts.select_nth_unstable_by(FULLEST, |one, other| other.cmp(one));
        let least = (*least).max(1);
        Ranking {
            rough: self,
            least,
            sources: HashMap::new(),
            blocked: HashMap::new(),
            allowed: HashMap::new(),
        }
    }

    fn place(&self, source: IpAddr) -> usize {
        usize::try_from(self.hasher.hash_one(source)).unwrap_or_default() % BUCKETS
    }
}

/// Most sources that are counted one by one. When full, further ones are left out: with a source of
/// many packets among them, its bucket is among the fullest, and it comes early.
const MOST_SOURCES: usize = 65_536;

impl Ranking {
    /// Takes a decision in.
    pub fn see(&mut self, glance: &Glance) {
        let ports = match glance.verdict {
            Verdict::Blocked => &mut self.blocked,
            Verdict::Allowed => &mut self.allowed,
        };
        if let Some(port) = glance.port {
            *ports.entry(port).or_default() += 1;
        }
        let is_full = self.rough.buckets[self.rough.place(glance.source)] >= self.least;
        if glance.verdict == Verdict::Blocked && is_full {
            let has_room = self.sources.len() < MOST_SOURCES;
            if has_room || self.sources.contains_key(&glance.source) {
                *self.sources.entry(glance.source).or_default() += 1;
            }
        }
    }

    /// Returns the first of each kind, up to `most` of them.
    pub fn ranked(self, most: usize) -> Ranked {
        Ranked {
            sources: first(self.sources, most),
            ports_blocked: first(self.blocked, most),
            ports_allowed: first(self.allowed, most),
        }
    }
}

/// Returns the highest counts; equals in the order of their keys.
fn first<K: Ord + Copy>(counts: HashMap<K, u64>, most: usize) -> Vec<(K, u64)> {
    let mut counts: Vec<(K, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
    counts.truncate(most);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(glances: &[Glance], most: usize) -> Ranked {
        let mut rough = Rough::default();
        glances.iter().for_each(|glance| rough.see(glance));
        let mut ranking = rough.settled();
        glances.iter().for_each(|glance| ranking.see(glance));
        assert!(ranking.sources.len() <= MOST_SOURCES);
        ranking.ranked(most)
    }

    fn glance(source: u32, port: u16, verdict: Verdict) -> Glance {
        Glance { verdict, source: IpAddr::from(source.to_be_bytes()), port: Some((6, port)) }
    }

    #[test]
    fn few_sources_are_counted_exactly() {
        let mut glances = Vec::new();
        for (source, times) in [(1, 5), (2, 7), (3, 1)] {
            glances.extend(vec![glance(source, 22, Verdict::Blocked); times]);
        }
        glances.extend(vec![glance(9, 443, Verdict::Allowed); 3]);
        glances.push(Glance { port: None, ..glance(3, 0, Verdict::Blocked) });
        let Ranked { sources, ports_blocked, ports_allowed } = ranked(&glances, 2);
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        assert_eq!(sources, [(address(2), 7), (address(1), 5)]);
        assert_eq!(ports_blocked, [((6, 22), 13)]);
        assert_eq!(ports_allowed, [((6, 443), 3)]);
        assert_eq!(ranked(&[], 5), Ranked::default());
    }

    #[test]
    fn those_who_stand_out_are_found_among_forged_sources() {
        let mut glances: Vec<Glance> =
            (0..200_000).map(|source| glance(1_000 + source, 80, Verdict::Blocked)).collect();
        for source in 0..10 {
            glances.extend(vec![glance(source, 22, Verdict::Blocked); 100 + source as usize]);
        }
        let found = ranked(&glances, 10).sources;
        let expect: Vec<(IpAddr, u64)> = (0..10_u32)
            .rev()
            .map(|source| (IpAddr::from(source.to_be_bytes()), 100 + u64::from(source)))
            .collect();
        assert_eq!(found, expect);
    }
}
