//! The record of decisions about packets: a ring in memory, bounded, oldest first to go.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use portguard_core::Subject;

use crate::{
    PacketDecision, Verdict,
    decision::word,
    headers::{Fragment, Headers, Transport},
    ranking::Glance,
};

/// Most different reasons, and most different interfaces, that are told apart; the rest are called
/// [`OTHER`]. A rule set has some dozen of them.
const MOST_NAMES: usize = 4_096;

/// The name of whatever comes when all names are taken.
const OTHER: &str = "other";

/// Decisions about packets, the newest of them.
#[derive(Debug)]
pub struct Record {
    entries: VecDeque<Entry>,
    capacity: usize,
    /// The number of the next decision; the first one has 1.
    next: u64,
    reasons: Names,
    interfaces: Names,
}

/// A decision as it is kept: 64 bytes, so that 64 MiB hold a million.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    source: u128,
    destination: u128,
    /// Ports, or type and code of ICMP.
    from: u16,
    to: u16,
    length: u16,
    reason: u16,
    interface: u16,
    protocol: u8,
    flags: u8,
    ttl: u8,
    bits: u8,
}

/// Bits of [`Entry::bits`].
const IS_ALLOWED: u8 = 1;
const IS_V4: u8 = 2;
const HAS_TRANSPORT: u8 = 4;

/// A kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of either family.
    Icmp,
}

/// Which decisions are wanted; what is `None` is not asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// This verdict.
    pub verdict: Option<Verdict>,
    /// Decided by the rule of this word (`ban`), or by exactly this rule and set (`ban ban4`).
    pub rule: Option<String>,
    /// This kind of packet.
    pub kind: Option<PacketKind>,
    /// From this address or network.
    pub source: Option<Subject>,
    /// To this port.
    pub port: Option<u16>,
    /// Not before this moment, in milliseconds since the Unix epoch.
    pub since: Option<u64>,
    /// Behind the decision with this number.
    pub after: Option<u64>,
    /// At most so many, the newest of them; of those behind a number, the oldest.
    pub limit: usize,
}

impl Record {
    /// Returns an empty record that takes up to `bytes` of memory once it is full.
    pub fn new(bytes: u64) -> Self {
        let size = size_of::<Entry>() as u64;
        let capacity = usize::try_from(bytes / size).unwrap_or(usize::MAX).max(1);
        Self {
            entries: VecDeque::new(),
            capacity,
            next: 1,
            reasons: Names::default(),
            interfaces: Names::default(),
        }
    }

    /// Takes a decision in; the oldest goes if there is no room.
    pub fn push(
        &mut self,
        at: u64,
        verdict: Verdict,
        (reason, interface): (&str, &str),
        headers: &Headers,
    ) {
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        } else if self.entries.len() == self.entries.capacity() {
            // Grows by a quarter and never beyond the capacity: doubling would take twice the
            // memory that was granted.
            let more = (self.entries.len() / 4).clamp(1_024, 1 << 20);
            self.entries.reserve_exact(more.min(self.capacity - self.entries.len()));
        }
        let reason = self.reasons.number(reason);
        let interface = self.interfaces.number(interface);
        self.entries.push_back(Entry::new(at, verdict, (reason, interface), headers));
        self.next += 1;
    }

    /// Returns how many decisions are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many decisions had to go to make room.
    pub fn overwritten(&self) -> u64 {
        self.first() - 1
    }

    /// Returns how many decisions were ever taken in.
    pub fn taken(&self) -> u64 {
        self.next - 1
    }

    /// Changes how much memory it may take; the oldest decisions go if there is too little.
    pub fn resize(&mut self, bytes: u64) {
        self.capacity = Self::new(bytes).capacity;
        let surplus = self.entries.len().saturating_sub(self.capacity);
        self.entries.drain(..surplus);
        self.entries.shrink_to(self.capacity);
    }

    /// Returns the decisions that a query asks for, oldest first.
    pub fn query(&self, query: &Query) -> Vec<PacketDecision> {
        let wanted = Wanted::new(self, query);
        let first = self.first();
        let begin = query.after.map_or(0, |after| after.saturating_add(1).saturating_sub(first));
        let begin = usize::try_from(begin).unwrap_or(usize::MAX).min(self.entries.len());
        let numbered = self.entries.range(begin..).zip(first + begin as u64..);
        let matching = numbered.filter(|(entry, _)| wanted.takes(entry));
        if query.after.is_some() {
            return matching.take(query.limit).map(|found| self.told(found)).collect();
        }
        let mut newest = Vec::new();
        let numbers = (first..self.next).rev();
        for found in self.entries.iter().rev().zip(numbers) {
            if newest.len() >= query.limit || wanted.is_before_all(found.0) {
                break;
            }
            if wanted.takes(found.0) {
                newest.push(self.told(found));
            }
        }
        newest.reverse();
        newest
    }

    /// Looks at up to `most` decisions from the one with this number on, and returns the number to go
    /// on with; nothing when there are no more. Those from before `since` are passed over.
    pub fn glance(
        &self,
        from: u64,
        most: usize,
        since: u64,
        mut each: impl FnMut(&Glance),
    ) -> Option<u64> {
        let first = self.first();
        let from = from.max(first);
        let begin = usize::try_from(from - first).unwrap_or(usize::MAX).min(self.entries.len());
        let end = begin.saturating_add(most).min(self.entries.len());
        for entry in self.entries.range(begin..end).filter(|entry| entry.at >= since) {
            each(&entry.glance());
        }
        (end < self.entries.len()).then_some(first + end as u64)
    }

    fn first(&self) -> u64 {
        self.next - self.entries.len() as u64
    }

    fn told(&self, (entry, number): (&Entry, u64)) -> PacketDecision {
        PacketDecision {
            number,
            at: entry.at,
            verdict: entry.verdict(),
            reason: self.reasons.name(entry.reason),
            interface: self.interfaces.name(entry.interface),
            headers: entry.headers(),
        }
    }
}

impl Entry {
    fn new(at: u64, verdict: Verdict, (reason, interface): (u16, u16), headers: &Headers) -> Self {
        let (from, to, flags) = match headers.transport {
            Transport::Tcp { source, destination, flags, .. } => (source, destination, flags),
            Transport::Udp { source, destination, .. } => (source, destination, 0),
            Transport::Icmp { kind, code, .. } => (u16::from(kind), u16::from(code), 0),
            Transport::Unknown => (0, 0, 0),
        };
        let mut bits = 0;
        bits |= if verdict == Verdict::Allowed { IS_ALLOWED } else { 0 };
        bits |= if headers.source.is_ipv4() { IS_V4 } else { 0 };
        bits |= if headers.transport == Transport::Unknown { 0 } else { HAS_TRANSPORT };
        Self {
            at,
            source: as_number(headers.source),
            destination: as_number(headers.destination),
            from,
            to,
            length: headers.length,
            reason,
            interface,
            protocol: headers.protocol,
            flags,
            ttl: headers.ttl,
            bits,
        }
    }

    fn glance(&self) -> Glance {
        let has_port = self.bits & HAS_TRANSPORT != 0 && matches!(self.protocol, TCP | UDP);
        Glance {
            verdict: self.verdict(),
            source: self.address(self.source),
            port: has_port.then_some((self.protocol, self.to)),
        }
    }

    fn verdict(&self) -> Verdict {
        if self.bits & IS_ALLOWED == 0 { Verdict::Blocked } else { Verdict::Allowed }
    }

    fn address(&self, number: u128) -> IpAddr {
        if self.bits & IS_V4 == 0 {
            IpAddr::V6(Ipv6Addr::from_bits(number))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)))
        }
    }

    /// Returns the headers as far as they are kept.
    fn headers(&self) -> Headers {
        let transport = match (self.bits & HAS_TRANSPORT, self.protocol) {
            (0, _) => Transport::Unknown,
            (_, TCP) => Transport::Tcp {
                source: self.from,
                destination: self.to,
                sequence: 0,
                acknowledgement: 0,
                flags: self.flags,
                reserved: 0,
                window: 0,
                urgent: 0,
            },
            (_, UDP) => Transport::Udp { source: self.from, destination: self.to, length: 0 },
            _ => Transport::Icmp {
                kind: self.from.to_be_bytes()[1],
                code: self.to.to_be_bytes()[1],
                echo: None,
            },
        };
        Headers {
            source: self.address(self.source),
            destination: self.address(self.destination),
            protocol: self.protocol,
            length: self.length,
            ttl: self.ttl,
            traffic_class: 0,
            identification: 0,
            fragment: Fragment::default(),
            transport,
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A query in the terms of entries, so that each is compared with a few numbers.
struct Wanted {
    allowed: Option<u8>,
    /// For each reason, whether it is wanted; `None` for all.
    reasons: Option<Vec<bool>>,
    protocols: Option<&'static [u8]>,
    source: Option<(u8, u128, u128)>,
    port: Option<u16>,
    since: u64,
}

impl Wanted {
    fn new(record: &Record, query: &Query) -> Self {
        let is_reason = |name: &Arc<str>, rule: &str| **name == *rule || word(name) == rule;
        let reasons = query
            .rule
            .as_ref()
            .map(|rule| record.reasons.names.iter().map(|name| is_reason(name, rule)).collect());
        let source = query.source.map(|subject| {
            let family = if subject.first_address().is_ipv4() { IS_V4 } else { 0 };
            let (first, last) = (subject.first_address(), subject.last_address());
            (family, as_number(first), as_number(last))
        });
        Self {
            allowed: query.verdict.map(|verdict| match verdict {
                Verdict::Allowed => IS_ALLOWED,
                Verdict::Blocked => 0,
            }),
            reasons,
            protocols: query.kind.map(|kind| match kind {
                PacketKind::Tcp => &[TCP][..],
                PacketKind::Udp => &[UDP],
                PacketKind::Icmp => &[1, 58],
            }),
            source,
            port: query.port,
            since: query.since.unwrap_or(0),
        }
    }

    /// Returns whether neither this entry nor an older one can be wanted. Clocks may be set back a
    /// little, so a minute is looked through in vain.
    fn is_before_all(&self, entry: &Entry) -> bool {
        entry.at.saturating_add(60_000) < self.since
    }

    fn takes(&self, entry: &Entry) -> bool {
        let has_port = matches!(entry.protocol, TCP | UDP);
        entry.at >= self.since
            && self.allowed.is_none_or(|allowed| entry.bits & IS_ALLOWED == allowed)
            && self.protocols.is_none_or(|protocols| protocols.contains(&entry.protocol))
            && self.port.is_none_or(|port| has_port && entry.to == port)
            && self.source.is_none_or(|(family, first, last)| {
                entry.bits & IS_V4 == family && (first..=last).contains(&entry.source)
            })
            && self.reasons.as_ref().is_none_or(|reasons| {
                reasons.get(usize::from(entry.reason)).copied().unwrap_or(false)
            })
    }
}

/// Names by number, each kept once.
#[derive(Debug, Default)]
struct Names {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u16>,
}

impl Names {
    fn number(&mut self, name: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name = if self.names.len() < MOST_NAMES { name } else { OTHER };
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    fn name(&self, number: u16) -> Arc<str> {
        self.names.get(usize::from(number)).cloned().unwrap_or_else(|| OTHER.into())
    }
}

fn as_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests;
