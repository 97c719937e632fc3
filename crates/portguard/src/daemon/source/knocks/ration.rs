//! How many public-key operations strangers get: a few for each source, some hundred a second in all.
//!
//! Whoever knows the host's public key can send what only such an operation tells from a knock, under as
//! many senders as he likes. A part is kept for sources whose knocks were good, so that they go on to be
//! heard then.

use std::{net::IpAddr, time::Duration};

use portguard_core::{Family, Subject, recent::Recent};

/// For each source: an IPv4 address, or an IPv6 /64.
const OF_A_SOURCE: Pace = Pace { interval: Duration::from_millis(500), at_once: 10 };

/// For all that were not good before. An operation takes some 100 us, so both together are 3 % of a
/// core, and a burst is over in 20 ms.
const OF_STRANGERS: Pace = Pace { interval: Duration::from_millis(5), at_once: 200 };

/// For all that were.
const OF_KNOWN: Pace = Pace { interval: Duration::from_millis(10), at_once: 100 };

/// Refused knocks that are told in the journal, each of which a key signed.
const OF_LINES: Pace = Pace { interval: Duration::from_secs(6), at_once: 20 };

/// Sources that are counted at a time, and sources that were good. When half of the room was used since
/// the last time, those that were not used since then are forgotten.
const MOST_SOURCES: usize = 8_192;
const MOST_KNOWN: usize = 1_024;

/// IPv6 sources are counted by their network.
const V6_WIDTH: u8 = 64;

/// One thing each interval, and some at once after a rest.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: Duration,
    at_once: u32,
}

/// When the next thing would be due if none had come early.
#[derive(Clone, Copy, Debug, Default)]
struct Due(Duration);

impl Due {
    /// Returns whether there is a thing left at this moment, and takes it.
    fn take(&mut self, pace: Pace, now: Duration) -> bool {
        let due = self.0.max(now);
        if due.saturating_sub(now) > pace.interval * (pace.at_once - 1) {
            return false;
        }
        self.0 = due + pace.interval;
        true
    }
}

/// What is left for whom. Moments are times since boot.
#[derive(Debug)]
pub(super) struct Ration {
    sources: Recent<Subject, Due>,
    known: Recent<Subject, ()>,
    strangers_due: Due,
    known_due: Due,
    lines_due: Due,
}

impl Ration {
    pub(super) fn new() -> Self {
        Self {
            sources: Recent::new(MOST_SOURCES),
            known: Recent::new(MOST_KNOWN),
            strangers_due: Due::default(),
            known_due: Due::default(),
            lines_due: Due::default(),
        }
    }

    /// Returns whether a packet of this source may be opened, and counts it.
    pub(super) fn take(&mut self, source: IpAddr, now: Duration) -> bool {
        let source = of(source);
        if !self.sources.with(source, |due| due.take(OF_A_SOURCE, now)) {
            return false;
        }
        let is_known = self.known.get(&source).is_some();
        (is_known && self.known_due.take(OF_KNOWN, now))
            || self.strangers_due.take(OF_STRANGERS, now)
    }

    /// Remembers that a knock of this source was good.
    pub(super) fn know(&mut self, source: IpAddr) {
        self.known.with(of(source), |()| ());
    }

    /// Returns whether one more refused knock may be told in the journal, and counts it.
    pub(super) fn take_line(&mut self, now: Duration) -> bool {
        self.lines_due.take(OF_LINES, now)
    }
}

fn of(source: IpAddr) -> Subject {
    let subject = Subject::address(source);
    match subject.family() {
        Family::V4 => subject,
        Family::V6 => subject.widened(V6_WIDTH),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const BOOT: Duration = Duration::from_secs(1_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_gets_some_at_once_and_two_a_second_after_that() {
        let mut ration = Ration::new();
        let mut count =
            |source, now| (0..100).filter(|_| ration.take(address(source), now)).count();
        assert_eq!(count("192.0.2.7", BOOT), 10);
        assert_eq!(count("192.0.2.8", BOOT), 10);
        assert_eq!(count("2001:db8::1", BOOT), 10);
        assert_eq!(count("2001:db8::2", BOOT), 0, "the same network");
        assert_eq!(count("192.0.2.7", BOOT + Duration::from_secs(1)), 2);
        assert_eq!(count("192.0.2.7", BOOT + Duration::from_secs(3_600)), 10);
    }

    #[test]
    fn strangers_without_end_leave_something_for_those_who_were_good() {
        let mut ration = Ration::new();
        ration.know(address("192.0.2.7"));
        let mut taken = 0;
        for number in 0..100_000_u32 {
            let now = BOOT + Duration::from_micros(10) * number;
            let stranger = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
            taken += u32::from(ration.take(stranger, now));
            assert!(ration.sources.len() <= MOST_SOURCES);
        }
        assert!((390..=410).contains(&taken), "{taken} in the first second");
        assert!(ration.take(address("192.0.2.7"), BOOT + Duration::from_secs(1)));
    }

    #[test]
    fn few_lines_are_written() {
        let mut ration = Ration::new();
        assert_eq!((0..1_000).filter(|_| ration.take_line(BOOT)).count(), 20);
        assert!(ration.take_line(BOOT + Duration::from_secs(6)));
    }
}
