//! Who began: what is known of connections, so that answers are not taken for attempts.
//!
//! A table of fixed size. Where it is full, what was never answered goes before what was, and the
//! oldest first.

use std::{hash::BuildHasher as _, net::IpAddr};

use foldhash::fast::FixedState;

use super::packet::{Content, Packet, Purpose};

/// Connections that are known, a power of two; 10 bytes each.
const CELLS: usize = 1 << 20;

/// Cells that one connection may be in: those of one cache line.
const ASIDE: usize = 8;

/// After so many seconds without a packet a connection is over.
const OVER_AFTER: u64 = 2 * 3_600;

/// Cells that are looked through for each second that passes: all of them in 69 minutes. So none is left
/// of whose second the 15 bits that are kept could be those of another, 4.5 hours before or behind.
const SWEPT_EACH_SECOND: u64 = CELLS as u64 >> 12;

/// The table.
#[derive(Debug)]
pub(super) struct Flows {
    /// [`Cell`]s; as numbers, for zeros take no memory until they are touched.
    cells: Vec<u64>,
    /// The upper halves of the numbers that accepted them. With the lower half alone, whoever guesses
    /// proves a handshake in somebody else's name after 65,536 packets.
    upper: Vec<u16>,
    hasher: FixedState,
    /// The second up to which cells were looked through, and the cell that is next.
    swept: (u64, usize),
}

/// What a packet is to the connection that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It begins one.
    First,
    /// It tries again what was not answered yet.
    Again,
    /// It is the first answer.
    Answer,
    /// It is the answer that refuses.
    Refusal,
    /// It proves that its source receives what is sent to its address: it acknowledges a number that
    /// was sent there.
    Proof,
    /// It is the first that says something over a proved connection.
    Use,
    /// It is part of a conversation, or of nothing.
    Part,
}

/// A connection: 28 bits of its hash, and behind them from the highest on: 15 bits of the second of
/// its last packet, the lower half of the number that accepted it, 3 bits of state, and the side that began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing.
    Free,
    /// One side sent something.
    Asked,
    /// It was refused, or broken off.
    Over,
    /// The other side answered.
    Answered,
    /// The side that began proved that it received the answer.
    Proved,
    /// It said something.
    Used,
}

impl Flows {
    pub(super) fn new(hasher: FixedState) -> Self {
        Self { cells: vec![0; CELLS], upper: vec![0; CELLS], hasher, swept: (0, 0) }
    }

    /// Takes a packet, and returns what it is to its connection.
    pub(super) fn take(&mut self, packet: &Packet, purpose: Purpose) -> Relation {
        let (source, destination) = packet.ports();
        let (here, there) = ((packet.source, source), (packet.destination, destination));
        let is_lower = here <= there;
        let (low, high) = if is_lower { (here, there) } else { (there, here) };
        let hash = self.hash(low, high, packet.protocol);
        let second = packet.at.as_millis() / 1_000;
        self.sweep(second);
        let (bucket, upper) = self.bucket(hash);
        let tag = hash >> 36;
        let is_it = |cell: &u64| {
            let cell = Cell(*cell);
            cell.tag() == tag && cell.state() != State::Free && cell.age(second) < OVER_AFTER
        };
        let known = bucket.iter().position(is_it);
        let Some(index) = known else {
            let Some(state) = state_of_first(purpose) else { return Relation::Part };
            let began = if state == State::Asked { is_lower } else { !is_lower };
            let number = number_of(packet, purpose);
            let cell = Cell::new(tag, second, low_half(number), state, began);
            let places = bucket.iter_mut().zip(upper);
            if let Some((place, upper)) =
                places.max_by_key(|(one, _)| Cell(**one).dispensable(second))
            {
                *place = cell.0;
                if purpose == Purpose::Accept {
                    *upper = high_half(number);
                }
            }
            return if state == State::Asked { Relation::First } else { Relation::Part };
        };
        let cell = Cell(bucket[index]);
        let accepted = || u32::from(upper[index]) << 16 | u32::from(cell.number());
        let (relation, next) = step(cell, accepted, packet, purpose, cell.began_low() == is_lower);
        let next = match next {
            Step::To(state) => {
                let mut number = cell.number();
                if relation == Relation::Answer && purpose == Purpose::Accept {
                    let whole = number_of(packet, purpose);
                    (number, upper[index]) = (low_half(whole), high_half(whole));
                }
                Cell::new(tag, second, number, state, cell.began_low())
            }
            Step::Anew => Cell::new(tag, second, 0, State::Asked, is_lower),
        };
        bucket[index] = next.0;
        relation
    }

    /// Forgets connections that are over.
    fn sweep(&mut self, second: u64) {
        let (last, next) = self.swept;
        let passed = second.saturating_sub(last);
        if passed == 0 {
            // A clock that was set back, or a packet out of turn.
            if last - second > OVER_AFTER {
                self.swept.0 = second;
            }
            return;
        }
        if passed > OVER_AFTER {
            // Fresh zeros take no memory, which written ones would.
            *self = Self { swept: (second, 0), ..Self::new(self.hasher.clone()) };
            return;
        }
        let count = usize::try_from(passed * SWEPT_EACH_SECOND).map_or(CELLS, |n| n.min(CELLS));
        for index in (next..next + count).map(|index| index & (CELLS - 1)) {
            let cell = Cell(self.cells[index]);
            if cell.state() != State::Free && cell.age(second) >= OVER_AFTER {
                self.cells[index] = 0;
            }
        }
        self.swept = (second, (next + count) & (CELLS - 1));
    }

    fn hash(&self, low: (IpAddr, u16), high: (IpAddr, u16), protocol: u8) -> u64 {
        let number = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let rest = u64::from(low.1) << 32 | u64::from(high.1) << 16 | u64::from(protocol);
        self.hasher.hash_one((number(low.0), number(high.0), rest))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
    fn bucket(&mut self, hash: u64) -> (&mut [u64], &mut [u16]) {
        let start = (hash as usize & (CELLS - 1)) / ASIDE * ASIDE;
        (&mut self.cells[start..start + ASIDE], &mut self.upper[start..start + ASIDE])
    }
}

enum Step {
    To(State),
    /// A new connection with the same ports.
    Anew,
}

/// Returns what a packet of a known connection is, and what becomes of that.
fn step(
    cell: Cell,
    accepted: impl Fn() -> u32,
    packet: &Packet,
    purpose: Purpose,
    is_beginner: bool,
) -> (Relation, Step) {
    let state = cell.state();
    let stay = Step::To(state);
    match (purpose, is_beginner) {
        (Purpose::Connect, true) if state == State::Asked => (Relation::Again, stay),
        (Purpose::Connect, _) => (Relation::First, Step::Anew),
        (Purpose::Accept, false) if state <= State::Over => {
            (Relation::Answer, Step::To(State::Answered))
        }
        (Purpose::Reset, false) if state == State::Asked => {
            (Relation::Refusal, Step::To(State::Over))
        }
        (Purpose::Reset, _) => (Relation::Part, Step::To(State::Over)),
        (Purpose::Carry { .. }, true) if state == State::Answered => {
            let is_right = matches!(
                packet.content,
                Content::Tcp { acknowledgement, .. }
                    if acknowledgement.wrapping_sub(1) == accepted()
            );
            if is_right {
                (Relation::Proof, Step::To(State::Proved))
            } else {
                (Relation::Part, stay)
            }
        }
        (Purpose::Carry { pushes: true }, true) if state == State::Proved => {
            (Relation::Use, Step::To(State::Used))
        }
        // Who asks again and again is counted though it is answered.
        (Purpose::Ask, true) => (Relation::Again, stay),
        (Purpose::Datagram | Purpose::Carry { .. }, true) if state == State::Asked => {
            (Relation::Again, stay)
        }
        (Purpose::Datagram | Purpose::Echo, false) if state == State::Asked => {
            (Relation::Answer, Step::To(State::Answered))
        }
        // The number that accepted it was not seen: nothing can prove that it was received.
        (Purpose::Carry { .. }, false) if state == State::Asked => {
            (Relation::Answer, Step::To(State::Used))
        }
        _ => (Relation::Part, stay),
    }
}

/// Returns what the first packet that is seen of a connection makes of it.
fn state_of_first(purpose: Purpose) -> Option<State> {
    match purpose {
        Purpose::Connect | Purpose::Carry { .. } | Purpose::Datagram | Purpose::Ask => {
            Some(State::Asked)
        }
        Purpose::Accept => Some(State::Answered),
        Purpose::Reset | Purpose::Odd | Purpose::Echo | Purpose::Notice | Purpose::Other => None,
    }
}

fn number_of(packet: &Packet, purpose: Purpose) -> u32 {
    match packet.content {
        Content::Tcp { sequence, .. } if purpose == Purpose::Accept => sequence,
        _ => 0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
fn low_half(number: u32) -> u16 {
    number as u16
}

fn high_half(number: u32) -> u16 {
    low_half(number >> 16)
}

impl Cell {
    fn new(tag: u64, second: u64, number: u16, state: State, began_low: bool) -> Self {
        let (state, number) = (state as u64, u64::from(number));
        Self(tag << 36 | (second & 0x7fff) << 21 | number << 5 | state << 1 | u64::from(began_low))
    }

    fn tag(self) -> u64 {
        self.0 >> 36
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
    fn number(self) -> u16 {
        (self.0 >> 5) as u16
    }

    fn state(self) -> State {
        match self.0 >> 1 & 0x7 {
            1 => State::Asked,
            2 => State::Over,
            3 => State::Answered,
            4 => State::Proved,
            5 => State::Used,
            _ => State::Free,
        }
    }

    fn began_low(self) -> bool {
        self.0 & 1 == 1
    }

    /// Returns the seconds since its last packet; times that go backwards are close.
    fn age(self, second: u64) -> u64 {
        let age = second.wrapping_sub(self.0 >> 21) & 0x7fff;
        age.min(0x8000 - age)
    }

    /// Returns how little would be lost with it.
    fn dispensable(self, second: u64) -> (bool, bool, u64) {
        let state = self.state();
        (state == State::Free, state <= State::Over, self.age(second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, anomaly::Outcome};

    fn tcp(from: &str, to: &str, flags: u8, numbers: (u32, u32)) -> Packet {
        let (from, to): (std::net::SocketAddr, std::net::SocketAddr) =
            (from.parse().unwrap(), to.parse().unwrap());
        let content = Content::Tcp {
            source: from.port(),
            destination: to.port(),
            flags,
            sequence: numbers.0,
            acknowledgement: numbers.1,
        };
        let (source, destination, at) = (from.ip(), to.ip(), Timestamp::from_secs(1));
        Packet { at, source, destination, protocol: 6, content, outcome: Outcome::Unknown }
    }

    fn take(flows: &mut Flows, packet: &Packet) -> Relation {
        flows.take(packet, packet.purpose())
    }

    #[test]
    fn only_the_right_number_proves_a_handshake() {
        let (client, server) = ("192.0.2.7:40000", "192.0.2.1:22");
        let mut flows = Flows::new(FixedState::with_seed(7));
        assert_eq!(take(&mut flows, &tcp(client, server, 0x02, (5, 0))), Relation::First);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x02, (5, 0))), Relation::Again);
        assert_eq!(take(&mut flows, &tcp(server, client, 0x12, (900, 6))), Relation::Answer);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 77))), Relation::Part);
        // Half of the number is right.
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 0x1_0385))), Relation::Part);
        // Nor does the client choose the number.
        assert_eq!(take(&mut flows, &tcp(client, server, 0x12, (70, 6))), Relation::Part);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 71))), Relation::Part);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 901))), Relation::Proof);
        assert_eq!(take(&mut flows, &tcp(server, client, 0x18, (901, 6))), Relation::Part);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x18, (6, 930))), Relation::Use);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x18, (9, 930))), Relation::Part);
        // The same ports once more.
        assert_eq!(take(&mut flows, &tcp(client, server, 0x02, (9, 0))), Relation::First);
        assert_eq!(take(&mut flows, &tcp(server, client, 0x14, (0, 10))), Relation::Refusal);
    }

    #[test]
    fn the_whole_number_is_compared_also_where_the_acceptance_is_seen_first() {
        let (client, server) = ("192.0.2.7:40000", "192.0.2.1:22");
        let mut flows = Flows::new(FixedState::with_seed(7));
        take(&mut flows, &tcp(server, client, 0x12, (0x1234_0384, 6)));
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 0x385))), Relation::Part);
        let right = tcp(client, server, 0x10, (6, 0x1234_0385));
        assert_eq!(take(&mut flows, &right), Relation::Proof);
    }

    #[test]
    fn an_answer_without_a_number_proves_nothing() {
        let (client, server) = ("192.0.2.7:40000", "192.0.2.1:22");
        let mut flows = Flows::new(FixedState::with_seed(7));
        take(&mut flows, &tcp(client, server, 0x02, (5, 0)));
        assert_eq!(take(&mut flows, &tcp(server, client, 0x10, (900, 6))), Relation::Answer);
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 1))), Relation::Part);
    }

    #[test]
    fn answers_that_nobody_asked_for_begin_nothing() {
        let mut flows = Flows::new(FixedState::with_seed(7));
        for flags in [0x12, 0x04, 0x14] {
            let packet = tcp("192.0.2.1:80", "192.0.2.7:40000", flags, (1, 2));
            assert_eq!(take(&mut flows, &packet), Relation::Part);
        }
    }

    /// Takes a connection at a second, and says what its first packet of another second is.
    fn seen_again(between: impl IntoIterator<Item = u64>, second: u64) -> Relation {
        let at = |second, packet: Packet| Packet { at: Timestamp::from_secs(second), ..packet };
        let (client, server) = ("192.0.2.7:40000", "192.0.2.1:22");
        let (mut flows, start) = (Flows::new(FixedState::with_seed(7)), 1_800_000_000);
        take(&mut flows, &at(start, tcp(client, server, 0x02, (5, 0))));
        for passed in between {
            let other = tcp("192.0.2.8:40000", "192.0.2.9:22", 0x10, (5, 0));
            take(&mut flows, &at(start + passed, other));
        }
        take(&mut flows, &at(start + second, tcp(client, server, 0x02, (5, 0))))
    }

    #[test]
    fn a_connection_of_long_ago_is_not_taken_for_one_of_a_moment_ago() {
        assert_eq!(seen_again([], 60), Relation::Again);
        assert_eq!(seen_again([], OVER_AFTER - 1), Relation::Again);
        for second in [OVER_AFTER + 1, 1 << 14, 1 << 15, (1 << 15) + 60, 3 << 15, 1 << 24] {
            assert_eq!(seen_again([], second), Relation::First, "{second} s of silence");
            for step in [1, 60, OVER_AFTER] {
                let between = (0..second.min(1 << 17)).step_by(usize::try_from(step).unwrap());
                let relation = seen_again(between, second);
                assert_eq!(relation, Relation::First, "{second} s, a packet each {step} s");
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        assert_eq!(seen_again([60, 0, 30], 31), Relation::Again);
        assert_eq!(seen_again([OVER_AFTER - 1, 0], 1), Relation::Again);
    }

    #[test]
    fn what_was_answered_outlives_any_number_of_attempts() {
        let mut flows = Flows::new(FixedState::with_seed(7));
        let (client, server) = ("192.0.2.7:40000", "192.0.2.1:22");
        take(&mut flows, &tcp(client, server, 0x02, (5, 0)));
        take(&mut flows, &tcp(server, client, 0x12, (900, 6)));
        for number in 0..3_000_000_u32 {
            let mut packet = tcp("10.0.0.1:1024", server, 0x02, (1, 0));
            packet.source = std::net::Ipv4Addr::from_bits(number | 0x0a00_0000).into();
            take(&mut flows, &packet);
        }
        assert_eq!(take(&mut flows, &tcp(client, server, 0x10, (6, 901))), Relation::Proof);
    }
}
