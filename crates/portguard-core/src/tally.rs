//! What follows from failures and successes as logs tell them: whose turn it is.
//!
//! A source is counted as one host: an IPv4 address, or the /64 that one IPv6 host has to itself.
//! It is found when it failed so often within a span; when its neighbours and it together failed
//! much more often; or when it is one of many that tried the same user's name. A success clears its
//! source, and shows that people sit behind it: such a source is to be treated gently, and so is
//! one that is found for what others did.

use std::{hash::BuildHasher as _, net::IpAddr, sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::{Family, Subject, Timestamp, Window, recent::Recent};

/// Bits of an IPv6 address that one host has no choice over.
const HOST_V6: u8 = 64;

/// Bits of the networks whose hosts are neighbours.
const NEIGHBOURS_V4: u8 = 24;
const NEIGHBOURS_V6: u8 = 48;

/// Neighbours are found when together they failed this many times as often as one host may ...
const NEIGHBOURS_FACTOR: u32 = 4;

/// ... and are so many.
const NEIGHBOURS: usize = 3;

/// So many hosts that try one user's name are a spray: more than one person has devices.
const SPRAY: usize = 10;

/// Most networks, and most users' names, that are counted at a time.
const MOST_NETWORKS: usize = 50_000;
const MOST_USERS: usize = 20_000;

/// Most hosts that are remembered for having succeeded, and for how long that counts.
const MOST_GOOD: usize = 50_000;
const GOOD_FOR: Duration = Duration::from_secs(86_400);

/// Most hosts that are remembered for what they were found for last.
const MOST_SETTLED: usize = 20_000;

/// Most hosts of one crowd that are told apart; those seen longest ago go.
const MOST_OF_CROWD: usize = 64;

/// The longest part of a user's name that tells users apart, in bytes.
const LONGEST_USER: usize = 64;

/// A failure.
#[derive(Clone, Copy, Debug)]
pub struct Failing<'a> {
    /// Who failed.
    pub source: IpAddr,
    /// By which user's name.
    pub user: Option<&'a str>,
    /// In which way it was told; what is told in two ways is one failure.
    pub telling: u8,
    /// When.
    pub at: Timestamp,
}

/// A source whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Who.
    pub source: IpAddr,
    /// Why.
    pub why: Why,
    /// It is to be throttled before it is banned: somebody succeeded from there lately, so that
    /// others may be behind the same address; or what others did speaks against it too.
    pub gently: bool,
}

/// Why a source was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It failed so often.
    Often(u32),
    /// It failed, and its neighbours did too: so many of this network, so often.
    Neighbours {
        /// The network.
        network: Subject,
        /// How many of its hosts failed.
        hosts: usize,
        /// How often all of them did.
        failures: u32,
    },
    /// It tried a user's name that many others tried.
    Spray {
        /// The name.
        user: Arc<str>,
        /// How many hosts tried it.
        hosts: usize,
    },
}

/// Counts failures.
#[derive(Debug)]
pub struct Tally {
    howmany: u32,
    within: Duration,
    /// By the host, or by a hash of it and the way in which its failure was told.
    hosts: Window<u64>,
    networks: Recent<Network, Crowd>,
    /// By a hash of the name: whoever finds two names of one hash has them counted together.
    users: Recent<u64, Crowd>,
    hash: RandomState,
    good: Recent<Host, Timestamp>,
    settled: Recent<Host, Settled>,
    /// In how many ways failures were told so far.
    tellings: u8,
    /// What the last failure made.
    found: Vec<Finding>,
}

/// A source as it is counted: the first half of an IPv6 address, or an IPv4 address behind bits that
/// no source of IPv6 has (`ffff:ffff::/32` is multicast).
type Host = u64;

/// A network: a host with the bits behind its length cleared.
type Network = u64;

/// What stands before an IPv4 address that is counted.
const V4: u64 = 0xffff_ffff_0000_0000;

/// The failure that a host was found for.
#[derive(Clone, Copy, Debug, Default)]
struct Settled {
    /// In which way it was told.
    telling: u8,
    /// In which others it was told since, a bit each.
    others: u32,
}

/// Hosts that have something in common.
#[derive(Debug, Default)]
struct Crowd {
    /// Most networks have one that fails.
    hosts: SmallVec<[Seen; 1]>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    source: IpAddr,
    last: Timestamp,
    failures: u32,
}

impl Tally {
    /// Counts so many failures within a span as enough.
    pub fn new(howmany: u32, within: Duration) -> Self {
        Self {
            howmany: howmany.max(1),
            within,
            hosts: Window::new(howmany, within),
            networks: Recent::new(MOST_NETWORKS),
            users: Recent::new(MOST_USERS),
            hash: RandomState::default(),
            good: Recent::new(MOST_GOOD),
            settled: Recent::new(MOST_SETTLED),
            tellings: 0,
            found: Vec::new(),
        }
    }

    /// Counts a failure, and returns whose turn that makes it.
    pub fn fail(&mut self, failing: &Failing<'_>) -> impl Iterator<Item = Finding> {
        self.find(failing);
        self.found.drain(..)
    }

    fn find(&mut self, failing: &Failing<'_>) {
        let Failing { source, user, telling, at } = *failing;
        let host = host_of(source);
        self.tellings = self.tellings.max(telling.saturating_add(1));
        if self.is_settled(host, telling) {
            return;
        }
        if self.hosts.hit(self.told(host, telling), at) {
            self.forget(host);
            self.settled.with(host, |last| *last = Settled { telling, others: 0 });
            let gently = self.is_good(host, at);
            self.found.push(Finding { source, why: Why::Often(self.howmany), gently });
            return;
        }
        if telling > 0 {
            return;
        }
        let seen = Seen { source, last: at, failures: 1 };
        self.neighbours(seen);
        if self.found.is_empty() {
            self.spray(seen, user);
        }
        // A crowd is no proof against somebody who succeeded.
        let mut found = std::mem::take(&mut self.found);
        found.retain(|one| !self.is_good(host_of(one.source), at));
        self.found = found;
    }

    /// Takes a success: its source begins anew.
    pub fn succeed(&mut self, source: IpAddr, at: Timestamp) {
        let host = host_of(source);
        self.forget(host);
        self.settled.remove(&host);
        self.good.with(host, |last| *last = (*last).max(at));
    }

    /// Returns how many sources are counted.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Returns whether no source is counted.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Returns what a host's failures are counted by that are told in one way.
    fn told(&self, host: Host, telling: u8) -> u64 {
        if telling == 0 { host } else { self.hash.hash_one((host, telling)) }
    }

    /// Forgets a host's failures, in whatever way they were told.
    fn forget(&mut self, host: Host) {
        for telling in 0..self.tellings {
            self.hosts.clear(self.told(host, telling));
        }
    }

    /// Returns whether this only tells in another way of the failure that its host was found for.
    fn is_settled(&mut self, host: Host, telling: u8) -> bool {
        let Some(last) = self.settled.get(&host).copied() else { return false };
        let way = 1_u32.checked_shl(telling.into()).unwrap_or(0);
        let is_same = telling != last.telling && way & !last.others != 0;
        if is_same {
            self.settled.with(host, |last| last.others |= way);
        } else {
            self.settled.remove(&host);
        }
        is_same
    }

    fn is_good(&self, host: Host, at: Timestamp) -> bool {
        self.good.get(&host).is_some_and(|last| at.since(*last) <= GOOD_FOR)
    }

    fn neighbours(&mut self, seen: Seen) {
        let enough = self.howmany.saturating_mul(NEIGHBOURS_FACTOR);
        let (within, found) = (self.within, &mut self.found);
        self.networks.with(network_of(seen.source), |crowd| {
            crowd.add(seen, within);
            let (hosts, failures) = (crowd.hosts.len(), crowd.failures());
            if failures >= enough && hosts >= NEIGHBOURS {
                let network = neighbours_of(seen.source);
                crowd.found(&Why::Neighbours { network, hosts, failures }, found);
            }
        });
    }

    fn spray(&mut self, seen: Seen, user: Option<&str>) {
        let Some(user) = user.filter(|user| !user.is_empty()) else { return };
        let user = &user[..user.floor_char_boundary(LONGEST_USER)];
        let (within, found) = (self.within, &mut self.found);
        self.users.with(self.hash.hash_one(user), |crowd| {
            crowd.add(seen, within);
            let hosts = crowd.hosts.len();
            if hosts >= SPRAY {
                crowd.found(&Why::Spray { user: user.into(), hosts }, found);
            }
        });
    }
}

impl Crowd {
    /// Adds a host, and forgets those that were not seen within the span.
    fn add(&mut self, seen: Seen, within: Duration) {
        let host = host_of(seen.source);
        if let Some(known) = self.hosts.iter_mut().find(|known| host_of(known.source) == host) {
            let is_over = seen.last.since(known.last) > within;
            known.failures = if is_over { 1 } else { known.failures.saturating_add(1) };
            known.last = known.last.max(seen.last);
            known.source = seen.source;
            return;
        }
        self.hosts.retain(|known| seen.last.since(known.last) <= within);
        if self.hosts.len() == MOST_OF_CROWD {
            let oldest = self.hosts.iter().enumerate().min_by_key(|(_, known)| known.last);
            if let Some((index, _)) = oldest {
                self.hosts.swap_remove(index);
            }
        }
        self.hosts.push(seen);
    }

    /// Adds its hosts to what is found, and begins anew.
    fn found(&mut self, why: &Why, found: &mut Vec<Finding>) {
        let finding = |seen: Seen| Finding { source: seen.source, why: why.clone(), gently: true };
        found.extend(self.hosts.drain(..).map(finding));
    }

    fn failures(&self) -> u32 {
        self.hosts.iter().map(|known| known.failures).fold(0, u32::saturating_add)
    }
}

fn host_of(source: IpAddr) -> Host {
    match source {
        IpAddr::V4(address) => V4 | u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> HOST_V6) as u64,
    }
}

fn network_of(source: IpAddr) -> Network {
    let behind = match source {
        IpAddr::V4(_) => 32 - NEIGHBOURS_V4,
        IpAddr::V6(_) => HOST_V6 - NEIGHBOURS_V6,
    };
    host_of(source) >> behind << behind
}

fn neighbours_of(source: IpAddr) -> Subject {
    let bits = match Subject::address(source).family() {
        Family::V4 => NEIGHBOURS_V4,
        Family::V6 => NEIGHBOURS_V6,
    };
    Subject::containing(source, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(600);

    fn tally() -> Tally {
        Tally::new(3, SPAN)
    }

    fn fail(tally: &mut Tally, source: &str, user: &str, at: u64) -> Vec<Finding> {
        told(tally, source, user, 0, at)
    }

    fn told(tally: &mut Tally, source: &str, user: &str, telling: u8, at: u64) -> Vec<Finding> {
        let at = Timestamp::from_secs(1_000 + at);
        let source = source.parse().unwrap();
        tally.fail(&Failing { source, user: Some(user), telling, at }).collect()
    }

    fn sources(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| finding.source.to_string()).collect()
    }

    #[test]
    fn who_fails_too_often_is_found() {
        let mut tally = tally();
        assert_eq!(fail(&mut tally, "192.0.2.7", "a", 0), []);
        assert_eq!(fail(&mut tally, "192.0.2.7", "b", 1), []);
        let found = fail(&mut tally, "192.0.2.7", "c", 2);
        assert_eq!(sources(&found), ["192.0.2.7"]);
        assert_eq!((&found[0].why, found[0].gently), (&Why::Often(3), false));
    }

    #[test]
    fn one_failure_that_is_told_in_two_ways_is_one() {
        let mut tally = tally();
        for at in 0..2 {
            for telling in 0..3 {
                assert_eq!(told(&mut tally, "192.0.2.7", "a", telling, at), []);
            }
        }
        assert_eq!(told(&mut tally, "192.0.2.7", "a", 1, 2).len(), 1);
    }

    #[test]
    fn who_is_found_for_a_failure_is_not_found_again_for_what_else_tells_of_it() {
        for howmany in 1..4 {
            let mut tally = Tally::new(howmany, SPAN);
            let found = (1..=12).filter(|attempt| {
                // As sshd tells of an unknown user: the name, the password, the end.
                let tellings = [1, 0, 4].into_iter();
                let lines =
                    tellings.map(|telling| told(&mut tally, "192.0.2.7", "a", telling, *attempt));
                let findings: usize = lines.map(|found| found.len()).sum();
                assert!(findings <= 1, "attempt {attempt} of {howmany}");
                findings == 1
            });
            let expected = (1..=12).filter(|attempt| attempt % u64::from(howmany) == 0);
            assert_eq!(found.collect::<Vec<u64>>(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_host_that_changes_its_address_within_its_network_is_one() {
        let mut tally = tally();
        fail(&mut tally, "2001:db8::1", "a", 0);
        fail(&mut tally, "2001:db8::2", "a", 1);
        assert_eq!(sources(&fail(&mut tally, "2001:db8::3", "a", 2)), ["2001:db8::3"]);
    }

    #[test]
    fn a_success_clears_and_makes_the_next_measure_a_gentle_one() {
        let mut tally = tally();
        let source = "192.0.2.7".parse().unwrap();
        for telling in 0..2 {
            told(&mut tally, "192.0.2.7", "a", telling, 0);
            told(&mut tally, "192.0.2.7", "a", telling, 1);
        }
        tally.succeed(source, Timestamp::from_secs(1_002));
        assert!(tally.is_empty());
        for at in 3..5 {
            assert_eq!(fail(&mut tally, "192.0.2.7", "b", at), []);
        }
        assert!(fail(&mut tally, "192.0.2.7", "c", 5)[0].gently);
    }

    #[test]
    fn neighbours_that_try_a_little_each_are_found_together() {
        let mut tally = tally();
        let mut found = Vec::new();
        for number in 0..12 {
            found.extend(fail(
                &mut tally,
                &format!("192.0.2.{}", number % 6),
                &number.to_string(),
                number,
            ));
        }
        let all: Vec<_> = (0..6).map(|number| format!("192.0.2.{number}")).collect();
        assert_eq!(sources(&found), all);
        let network = "192.0.2.0/24".parse().unwrap();
        assert_eq!(found[0].why, Why::Neighbours { network, hosts: 6, failures: 12 });
    }

    #[test]
    fn many_that_try_one_name_are_found_but_whoever_succeeded_before() {
        let mut tally = tally();
        tally.succeed("10.3.0.7".parse().unwrap(), Timestamp::from_secs(1_000));
        let mut found = Vec::new();
        for number in 0..10 {
            assert_eq!(found, []);
            found = fail(&mut tally, &format!("10.{number}.0.7"), "admin", number);
        }
        assert_eq!(found.len(), 9);
        assert_eq!(found[0].why, Why::Spray { user: "admin".into(), hosts: 10 });
        assert!(!sources(&found).contains(&"10.3.0.7".to_owned()));
    }

    #[test]
    fn what_lies_far_apart_is_no_crowd() {
        let mut tally = tally();
        for number in 0..40 {
            let source = format!("10.{number}.0.7");
            assert_eq!(fail(&mut tally, &source, "admin", number * 100), []);
        }
    }

    #[test]
    fn sources_and_names_without_end_take_no_memory_without_end() {
        let mut tally = tally();
        for number in 0..2_000_000_u32 {
            let source = std::net::Ipv6Addr::from_bits(u128::from(number) << 80).into();
            let user = number.to_string();
            let at = Timestamp::from_secs(1_000);
            let _ = tally.fail(&Failing { source, user: Some(&user), telling: 0, at }).count();
            if number % 3 == 0 {
                tally.succeed(source, at);
            }
        }
        assert!((1..=200_000).contains(&tally.len()), "{}", tally.len());
        assert!(tally.networks.len() <= MOST_NETWORKS && tally.users.len() <= MOST_USERS);
        assert!(tally.good.len() <= MOST_GOOD);
    }
}
