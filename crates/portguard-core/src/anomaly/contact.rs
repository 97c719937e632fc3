//! What a source did: whom it tried to reach, and how often lately.

use std::time::Duration;

use smallvec::SmallVec;

use crate::{Port, Protocol, Timestamp};

/// A moment in units of 64 ms, as the lowest 32 bits of that. Times that lie more than four years
/// apart may look close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick(pub(super) u32);

/// Milliseconds of one [`Tick`].
const TICK: u64 = 64;

impl Tick {
    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
    pub(super) fn of(at: Timestamp) -> Self {
        Self((at.as_millis() / TICK) as u32)
    }

    /// Returns how far apart two moments are, whichever comes first.
    pub(super) fn far(self, other: Self) -> u32 {
        let apart = self.0.wrapping_sub(other.0);
        apart.min(apart.wrapping_neg())
    }

    /// Returns how many ticks a time takes, one at least.
    pub(super) fn within(time: Duration) -> u32 {
        let ticks = time.as_millis() / u128::from(TICK);
        u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
    }
}

/// An attempt to reach somebody: 12 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contact {
    /// A hash of the address that was tried.
    pub(super) host: u32,
    /// The last time.
    pub(super) at: Tick,
    /// The port; 0 where there are none.
    pub(super) port: u16,
    /// The transport protocol's number.
    pub(super) protocol: u8,
    /// What is known of it.
    pub(super) bits: u8,
}

/// Bits of [`Contact`]: it was refused for sure; it was no orderly attempt; it asked for a connection;
/// it was no attempt to find something.
pub(super) const REFUSED: u8 = 1;
pub(super) const ODD: u8 = 2;
pub(super) const CONNECT: u8 = 4;
pub(super) const HARMLESS: u8 = 8;

impl Contact {
    fn is_of(&self, other: &Self) -> bool {
        (self.host, self.port, self.protocol) == (other.host, other.port, other.protocol)
    }

    /// Returns the port, if the protocol has some.
    pub(super) fn to_port(self) -> Option<Port> {
        let known = [Protocol::Tcp, Protocol::Udp];
        let protocol = known.into_iter().find(|known| known.number() == self.protocol)?;
        Some(Port { protocol, number: self.port })
    }
}

/// The last attempts of a source, each target once. When full, the oldest goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Contacts(SmallVec<[Contact; 2]>);

/// How many different things were tried, all of them and those that surely failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) all: usize,
    pub(super) failed: usize,
}

impl Contacts {
    /// Takes an attempt; returns whether its target is a new one.
    pub(super) fn take(&mut self, contact: Contact, most: usize) -> bool {
        let Self(all) = self;
        if let Some(known) = all.iter_mut().find(|known| known.is_of(&contact)) {
            known.at = contact.at;
            known.bits |= contact.bits;
            return false;
        }
        if all.len() < most {
            all.push(contact);
        } else {
            let age = |one: &&mut Contact| contact.at.far(one.at);
            if let Some(oldest) = all.iter_mut().max_by_key(age) {
                *oldest = contact;
            }
        }
        true
    }

    /// Forgets a target that was there for it. Returns whether it was known.
    pub(super) fn serve(&mut self, target: &Contact) -> bool {
        let place = self.0.iter().position(|known| known.is_of(target));
        place.map(|place| self.0.swap_remove(place)).is_some()
    }

    /// Takes note that a target refused.
    pub(super) fn refuse(&mut self, target: &Contact) {
        if let Some(known) = self.0.iter_mut().find(|known| known.is_of(target)) {
            known.bits |= REFUSED;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns those within a time before now, the newest last.
    pub(super) fn lately(&self, now: Tick, within: u32) -> SmallVec<[Contact; 32]> {
        let mut lately: SmallVec<[Contact; 32]> =
            self.0.iter().filter(|one| now.far(one.at) <= within).copied().collect();
        lately.sort_by_key(|one| std::cmp::Reverse(now.far(one.at)));
        lately
    }
}

/// Counts the different things among attempts, by what makes them different. Those that are not
/// refused failed if they were not answered for so long.
pub(super) fn count_different<K: Ord>(
    contacts: &[Contact],
    now: Tick,
    patience: u32,
    key: impl Fn(&Contact) -> K,
) -> Tried {
    let has_failed = |one: &Contact| one.bits & REFUSED != 0 || now.far(one.at) >= patience;
    let different = |of: &dyn Fn(&&Contact) -> bool| {
        let mut keys: SmallVec<[K; 32]> = contacts.iter().filter(of).map(&key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    };
    Tried { all: different(&|_| true), failed: different(&|one| has_failed(one)) }
}

/// Returns the group of attempts in which the most different things were tried, with how many.
pub(super) fn largest<G: Ord, K: Ord>(
    mut contacts: SmallVec<[Contact; 32]>,
    (now, patience): (Tick, u32),
    group: impl Fn(&Contact) -> G,
    key: impl Fn(&Contact) -> K,
) -> (SmallVec<[Contact; 32]>, Tried) {
    contacts.sort_by_key(&group);
    let groups = contacts.chunk_by(|one, other| group(one) == group(other));
    let counted = groups.map(|all| (all, count_different(all, now, patience, &key)));
    let largest = counted.max_by_key(|(_, tried)| (tried.failed, tried.all));
    largest.map(|(all, tried)| (all.into(), tried)).unwrap_or_default()
}

/// Into how many parts the time of a [`Meter`] is divided.
const PARTS: usize = 8;

/// Counts within a time that slides on by eighths of it: never less than there were within the time,
/// and at most those of an eighth more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    /// The number of the part that is counted now.
    part: u32,
    /// Those of this part and of the eight before.
    counts: [u16; PARTS + 1],
}

impl Meter {
    /// Adds one, and returns how many there were within so many ticks.
    pub(super) fn add(&mut self, now: Tick, within: u32) -> u32 {
        self.advance(now, within);
        self.counts[0] = self.counts[0].saturating_add(1);
        self.sum()
    }

    /// Returns how many there were within so many ticks.
    pub(super) fn count(&mut self, now: Tick, within: u32) -> u32 {
        self.advance(now, within);
        self.sum()
    }

    /// Goes on to the part of this moment.
    #[expect(clippy::cast_possible_truncation, reason = "there are eight parts")]
    fn advance(&mut self, now: Tick, within: u32) {
        let part = now.0 / within.div_ceil(PARTS as u32).max(1);
        let gone = part.wrapping_sub(self.part);
        // What comes late counts as if it came now.
        if gone < u32::MAX / 2 || self.sum() == 0 {
            let gone = (gone as usize).min(PARTS + 1);
            self.counts.rotate_right(gone % (PARTS + 1));
            self.counts[..gone].fill(0);
            self.part = part;
        }
    }

    fn sum(&self) -> u32 {
        self.counts.iter().copied().map(u32::from).sum()
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(host: u32, port: u16, at: u32) -> Contact {
        Contact { host, port, at: Tick(at), protocol: 6, bits: 0 }
    }

    #[test]
    fn targets_count_once_and_what_answers_not_at_all() {
        let mut contacts = Contacts::default();
        for (port, is_new) in [(22, true), (23, true), (22, false), (24, true)] {
            assert_eq!(contacts.take(contact(1, port, 10), 3), is_new);
        }
        assert!(contacts.serve(&contact(1, 23, 0)) && !contacts.serve(&contact(1, 23, 0)));
        contacts.refuse(&contact(1, 22, 0));
        let lately = contacts.lately(Tick(12), 5);
        let by_port = |one: &Contact| one.port;
        let tried = count_different(&lately, Tick(12), 16, by_port);
        assert_eq!(tried, Tried { all: 2, failed: 1 });
        assert_eq!(count_different(&lately, Tick(26), 16, by_port).failed, 2);
        assert_eq!(count_different(&lately, Tick(12), 16, |one| one.host).all, 1);
        assert!(contacts.lately(Tick(100), 5).is_empty());
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut contacts = Contacts::default();
        for port in 1..=5 {
            contacts.take(contact(1, port, u32::from(port)), 3);
        }
        let ports: Vec<u16> = contacts.lately(Tick(9), 99).iter().map(|one| one.port).collect();
        assert_eq!(ports, [3, 4, 5]);
    }

    #[test]
    fn a_meter_slides() {
        let mut meter = Meter::default();
        let counts: Vec<u32> = (0..400).map(|at| meter.add(Tick(at), 80)).collect();
        assert_eq!(counts[79], 80);
        assert!(counts[90..].iter().all(|count| (80..=90).contains(count)), "{counts:?}");
        assert_eq!(meter.add(Tick(1_000), 10), 1);
    }

    #[test]
    fn times_that_go_backwards_are_near() {
        assert_eq!(Tick(5).far(Tick(9)), 4);
        assert_eq!(Tick(3).far(Tick(u32::MAX)), 4);
    }
}
