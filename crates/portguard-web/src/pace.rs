//! How fast log-ins may be tried: slower with each failure, and never not at all.
//!
//! Who is behind a tunnel or a shared address shares its bucket with others, so that somebody else's
//! failures would slow the administrator down. A browser that was let in before shows the cookie of
//! its own (a *device*), and has a bucket of its own.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::{clock::Moment, secret::Digest};

/// How many attempts are free before each further one has to wait.
const FREE: u32 = 5;

/// The longest wait: an operator who shares an address with an attacker still gets in.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Failures are forgotten after this long without a further one.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// Most origins that are remembered; the one that tried longest ago goes. New ones come no faster
/// than [`REFILL`] allows.
const MOST_ORIGINS: usize = 4_096;

/// How many attempts all strangers together have at once.
const BURST: u32 = 60;

/// How often all strangers together get one more: two a second, of 20 ms of a core each.
const REFILL: Duration = Duration::from_millis(500);

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// An address, or the /64 of one: whoever has one IPv6 address has them all.
    Address(IpAddr),
    /// A browser that was let in before.
    Device(Digest),
}

impl Origin {
    /// Returns the origin of a connection.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

/// Returns whom an address is counted with.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

/// Whether an attempt may be made.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may, and counts as failed until it is said to have succeeded.
    Now,
    /// It may after so long.
    Later(Duration),
}

/// What was tried lately.
#[derive(Debug)]
pub(crate) struct Pace {
    attempts: HashMap<Origin, Attempts>,
    left: u32,
    refilled: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    count: u32,
    last: Moment,
}

impl Pace {
    /// Returns the pace of a new start, at this moment.
    pub(crate) fn new(now: Moment) -> Self {
        Self { attempts: HashMap::new(), left: BURST, refilled: now }
    }

    /// Asks for one attempt.
    pub(crate) fn attempt(&mut self, origin: Origin, now: Moment) -> Verdict {
        let known = self.attempts.get(&origin).copied();
        let known = known.filter(|known| now.since(known.last) < FORGET_AFTER);
        if let Some(known) = known {
            let due = known.last.plus(wait_after(known.count));
            if due > now {
                return Verdict::Later(due.since(now));
            }
        }
        if matches!(origin, Origin::Address(_)) && !self.take(now) {
            return Verdict::Later(REFILL);
        }
        if known.is_none() && self.attempts.len() >= MOST_ORIGINS {
            self.forget_the_oldest();
        }
        let count = known.map_or(0, |known| known.count).saturating_add(1);
        self.attempts.insert(origin, Attempts { count, last: now });
        Verdict::Now
    }

    /// Forgets the failures of an origin.
    pub(crate) fn succeeded(&mut self, origin: Origin) {
        self.attempts.remove(&origin);
    }

    /// Takes one of the attempts that all strangers share.
    fn take(&mut self, now: Moment) -> bool {
        let periods = now.since(self.refilled).as_millis() / REFILL.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(periods).min(BURST);
        self.refilled = self.refilled.plus(REFILL.saturating_mul(periods)).min(now);
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }

    fn forget_the_oldest(&mut self) {
        let oldest = self.attempts.iter().min_by_key(|(_, attempts)| attempts.last);
        if let Some(oldest) = oldest.map(|(origin, _)| *origin) {
            self.attempts.remove(&oldest);
        }
    }
}

/// Returns how long to wait after so many failures: 1, 2, 4, ... seconds.
fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(1 << over.min(6)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(seconds))
    }

    fn origin(last: u16) -> Origin {
        let [high, low] = last.to_be_bytes();
        Origin::of(IpAddr::from([198, 51, high, low]))
    }

    #[test]
    fn failures_slow_their_origin_down_and_no_other() {
        let mut pace = Pace::new(at(0));
        for _ in 0..FREE {
            assert_eq!(pace.attempt(origin(7), at(0)), Verdict::Now);
        }
        assert_eq!(pace.attempt(origin(7), at(0)), Verdict::Later(Duration::from_secs(1)));
        assert_eq!(pace.attempt(origin(8), at(0)), Verdict::Now);
        assert_eq!(pace.attempt(origin(7), at(1)), Verdict::Now);
        assert_eq!(pace.attempt(origin(7), at(2)), Verdict::Later(Duration::from_secs(1)));
        assert_eq!(pace.attempt(origin(7), at(3)), Verdict::Now);
    }

    #[test]
    fn nobody_waits_longer_than_the_longest_wait_and_success_forgives() {
        let mut pace = Pace::new(at(0));
        for attempt in 0..100 {
            assert_eq!(pace.attempt(origin(7), at(attempt * 30)), Verdict::Now);
        }
        assert!(matches!(pace.attempt(origin(7), at(2_971)), Verdict::Later(_)));
        pace.succeeded(origin(7));
        assert_eq!(pace.attempt(origin(7), at(2_971)), Verdict::Now);
    }

    #[test]
    fn many_strangers_wait_for_each_other_and_known_browsers_do_not() {
        let mut pace = Pace::new(at(0));
        for index in 0..60 {
            assert_eq!(pace.attempt(origin(index), at(0)), Verdict::Now);
        }
        assert_eq!(pace.attempt(origin(61), at(0)), Verdict::Later(REFILL));
        let device = Origin::Device(Digest::of("a browser"));
        assert_eq!(pace.attempt(device, at(0)), Verdict::Now);
        assert_eq!(pace.attempt(origin(61), at(1)), Verdict::Now);
    }

    #[test]
    fn the_memory_of_origins_is_bounded() {
        let mut pace = Pace::new(at(0));
        for index in 0..5_000 {
            let _ = pace.attempt(origin(index), at(u64::from(index)));
        }
        assert!(pace.attempts.len() <= MOST_ORIGINS);
        assert!(!pace.attempts.contains_key(&origin(0)));
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_origin() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        assert_eq!(Origin::of(one), Origin::of(other));
        let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(network(mapped), IpAddr::from([192, 0, 2, 7]));
    }
}
