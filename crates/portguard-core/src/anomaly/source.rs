//! What is known of one source, and what that makes of it.

use std::{cell::RefCell, net::IpAddr, time::Duration};

use smallvec::SmallVec;

use crate::{Port, Protocol, Subject, Timestamp};

use super::{
    Detector, Suspicion,
    contact::{CONNECT, Contact, Contacts, HARMLESS, Meter, Tick, Tried, count_different, largest},
    limits::{Limit, Limits, Severity},
    packet::{Outcome, Packet},
};

/// So long a target may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// A flood that stays below its limit is one too if it keeps up half of its rate for four times its
/// time.
const KEPT_UP: (u32, u32) = (2, 4);

/// Of how many services of a source the last connection is remembered.
const MOST_SERVICES: usize = 16;

/// How many ports and hosts the evidence names.
const MOST_NAMED: usize = 12;

/// A source.
#[derive(Debug, Default)]
pub(super) struct Source {
    contacts: Contacts,
    connections: Meter,
    used: Meter,
    logins: Meter,
    probes: Meter,
    odd: Meter,
    syns: Flood,
    proofs: Flood,
    echoes: Flood,
    datagrams: Flood,
    /// Services that it connected to lately.
    services: SmallVec<[(u16, Tick); 2]>,
    /// How many of its targets were there for it.
    served: u32,
    /// It proved that it receives what is sent to its address.
    proved: bool,
    /// It is looked at again soon, and later.
    waits: [bool; 2],
    /// What was found of it, and when.
    found: SmallVec<[(Detector, Tick); 2]>,
}

/// Counts for a limit, and for what is kept up longer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flood {
    short: Meter,
    long: Meter,
}

impl Flood {
    /// Adds one, and returns how many there were, as counted for each.
    pub(super) fn add(&mut self, now: Tick, limit: &Limit) -> [u32; 2] {
        let within = Tick::within(limit.within);
        [self.short.add(now, within), self.long.add(now, within.saturating_mul(KEPT_UP.1))]
    }

    fn count(&mut self, now: Tick, limit: &Limit) -> [u32; 2] {
        let within = Tick::within(limit.within);
        [self.short.count(now, within), self.long.count(now, within.saturating_mul(KEPT_UP.1))]
    }
}

/// What a source is looked at with.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) limits: &'a Limits,
    pub(super) source: IpAddr,
    pub(super) at: Timestamp,
    pub(super) found: &'a RefCell<Vec<Suspicion>>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// Its target is a new one.
    pub(super) is_new: bool,
    /// When the source has to be looked at again.
    pub(super) again: Option<Again>,
}

/// When a source has to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Once its targets had their time to answer.
    Soon,
    /// Once it is clear that it does nothing worse.
    Later,
}

/// What makes something an anomaly.
struct Why {
    detector: Detector,
    limit: Limit,
    /// In percent.
    confidence: u8,
    ports: Vec<Port>,
    evidence: Vec<(&'static str, String)>,
}

impl Source {
    /// Takes an attempt to reach somebody.
    pub(super) fn try_to_reach(&mut self, contact: Contact, look: Look<'_>) -> Reached {
        let is_new = self.contacts.take(contact, most_contacts(look.limits));
        let again = if is_new { self.weigh(look, Again::Soon) } else { None };
        Reached { is_new, again: again.filter(|again| !self.waits_until(*again)) }
    }

    /// Takes what it did when it was seen first.
    pub(super) fn begin(&mut self, contact: Contact, look: Look<'_>) {
        let limits = look.limits;
        let add = |meter: &mut Meter, limit: &Limit| {
            meter.add(contact.at, Tick::within(limit.within));
        };
        match contact.protocol {
            6 if contact.bits & CONNECT != 0 => {
                add(&mut self.connections, &limits.connection_rate);
                add(&mut self.probes, &limits.probing);
                self.syns.add(contact.at, &limits.syn_flood);
            }
            17 => drop(self.datagrams.add(contact.at, &limits.udp_flood)),
            1 | 58 => drop(self.echoes.add(contact.at, &limits.icmp_flood)),
            _ => {}
        }
        if contact.bits & HARMLESS == 0 {
            self.try_to_reach(contact, look);
        }
    }

    fn waits_until(&mut self, again: Again) -> bool {
        std::mem::replace(&mut self.waits[again as usize], true)
    }

    /// Takes note of a target that was there for it, as a packet says.
    pub(super) fn serve(&mut self, target: &Contact, packet: &Packet, look: Look<'_>) {
        self.served = self.served.saturating_add(1);
        self.contacts.serve(target);
        if target.protocol == 6 {
            self.use_service(packet, target.port, look);
        }
    }

    fn use_service(&mut self, packet: &Packet, port: u16, look: Look<'_>) {
        let (now, limits) = (Tick::of(look.at), look.limits);
        self.used.add(now, Tick::within(limits.connection_rate.within));
        if !limits.login_ports.contains(&port) {
            return;
        }
        let limit = limits.guessing;
        let count = self.logins.add(now, Tick::within(limit.within));
        if count >= limit.count {
            self.logins.clear();
            self.find(
                look,
                Why {
                    detector: Detector::Guessing,
                    limit,
                    confidence: 60,
                    ports: vec![Port { protocol: Protocol::Tcp, number: port }],
                    evidence: connections(count, &limit, packet.destination),
                },
            );
        }
    }

    /// Takes note of a target that refused.
    pub(super) fn refuse(&mut self, target: &Contact, look: Look<'_>) {
        self.contacts.refuse(target);
        let _ = self.weigh(look, Again::Soon);
    }

    /// Takes note that it receives what is sent to its address.
    pub(super) fn prove(&mut self, look: Look<'_>) {
        self.proved = true;
        self.proofs.add(Tick::of(look.at), &look.limits.syn_flood);
    }

    /// Takes a request for a connection that begins one.
    pub(super) fn connect(&mut self, packet: &Packet, port: u16, look: Look<'_>) {
        let (now, limits) = (Tick::of(look.at), look.limits);
        if packet.outcome == Outcome::Served {
            self.use_service(packet, port, look);
        }
        let count = self.connections.add(now, Tick::within(limits.connection_rate.within));
        if count >= limits.connection_rate.count {
            self.connections.clear();
            let used = self.used.count(now, Tick::within(limits.connection_rate.within));
            self.used.clear();
            let is_in_order = used.saturating_mul(5) >= count.saturating_mul(4);
            let mut limit = limits.connection_rate;
            if is_in_order {
                limit.severity = limit.severity.milder();
            }
            self.find(
                look,
                Why {
                    detector: Detector::ConnectionRate,
                    limit,
                    confidence: if is_in_order { 50 } else { 80 },
                    ports: packet.port().into_iter().collect(),
                    evidence: connections(count, &limit, packet.destination),
                },
            );
        }
        self.probe(packet, port, look);
        self.ask_again(look);
    }

    /// Takes a request for a connection that has not been answered, the first or a repeated one.
    pub(super) fn ask_again(&mut self, look: Look<'_>) {
        let limit = look.limits.syn_flood;
        let counts = self.syns.add(Tick::of(look.at), &limit);
        let proofs = self.proofs.count(Tick::of(look.at), &limit);
        let open = [0, 1].map(|index: usize| counts[index].saturating_sub(proofs[index]));
        self.flood(Detector::SynFlood, open, (limit, Vec::new()), look);
    }

    /// Takes an echo request.
    pub(super) fn echo(&mut self, look: Look<'_>) {
        let limit = look.limits.icmp_flood;
        let counts = self.echoes.add(Tick::of(look.at), &limit);
        self.flood(Detector::IcmpFlood, counts, (limit, Vec::new()), look);
    }

    /// Takes a datagram outside of conversations.
    pub(super) fn datagram(&mut self, packet: &Packet, look: Look<'_>) {
        let limit = look.limits.udp_flood;
        let counts = self.datagrams.add(Tick::of(look.at), &limit);
        let ports = packet.port().into_iter().collect();
        self.flood(Detector::UdpFlood, counts, (limit, ports), look);
    }

    /// Takes a packet that no connection has.
    pub(super) fn odd(&mut self, packet: &Packet, look: Look<'_>) {
        let limit = look.limits.stealth_scan;
        let count = self.odd.add(Tick::of(look.at), Tick::within(limit.within));
        if count >= limit.count {
            self.odd.clear();
            let mut evidence = vec![("packets", count.to_string()), within(&limit)];
            evidence.push(("flags", flags_of(packet)));
            evidence.push(("target", packet.destination.to_string()));
            let ports = Vec::new();
            let detector = Detector::StealthScan;
            self.find(look, Why { detector, limit, confidence: 95, ports, evidence });
        }
    }

    /// Takes a packet that is an anomaly by itself.
    pub(super) fn stranger(
        &mut self,
        detector: Detector,
        severity: Severity,
        packet: &Packet,
        look: Look<'_>,
    ) {
        let limit = Limit { count: 1, within: Duration::from_secs(3_600), severity };
        let mut evidence = Vec::new();
        let ports: Vec<Port> = packet.port().into_iter().collect();
        if ports.is_empty() {
            evidence.push(("protocol", packet.protocol.to_string()));
        }
        evidence.push(("target", packet.destination.to_string()));
        self.find(look, Why { detector, limit, confidence: 90, ports, evidence });
    }

    /// Counts connections to several services.
    fn probe(&mut self, packet: &Packet, port: u16, look: Look<'_>) {
        let (now, limit) = (Tick::of(look.at), look.limits.probing);
        let within_ticks = Tick::within(limit.within);
        self.services.retain(|(known, at)| *known != port && now.far(*at) <= within_ticks);
        if self.services.len() == MOST_SERVICES {
            self.services.remove(0);
        }
        self.services.push((port, now));
        let count = self.probes.add(now, within_ticks);
        let services = self.services.len();
        if count >= limit.count && services >= look.limits.probed_services as usize {
            self.probes.clear();
            let evidence = vec![
                ("connections", count.to_string()),
                ("services", services.to_string()),
                within(&limit),
                ("target", packet.destination.to_string()),
            ];
            let ports = Vec::new();
            let detector = Detector::Probing;
            self.find(look, Why { detector, limit, confidence: 60, ports, evidence });
        }
    }

    fn flood(
        &mut self,
        detector: Detector,
        counts: [u32; 2],
        (limit, ports): (Limit, Vec<Port>),
        look: Look<'_>,
    ) {
        let Some((count, over)) = flooded(counts, limit) else { return };
        let evidence = vec![("packets", count.to_string()), within(&over)];
        self.find(look, Why { detector, limit, confidence: 75, ports, evidence });
    }

    /// Looks at it again, and returns whether that is to be done once more.
    pub(super) fn look_again(&mut self, which: Again, look: Look<'_>) -> Option<Again> {
        self.waits[which as usize] = false;
        let again = self.weigh(look, which);
        again.filter(|again| *again != which && !self.waits_until(*again))
    }

    /// Looks at all that it tried lately, and returns whether it has to be looked at again.
    fn weigh(&mut self, look: Look<'_>, when: Again) -> Option<Again> {
        let limits = look.limits;
        if (self.contacts.len() as u64) < u64::from(least_contacts(limits)) {
            return None;
        }
        let now = Tick::of(look.at);
        // Nothing worse is found of a scanner, and it may be fast.
        if self.is_told(Detector::PortScan, now, Tick::within(SILENT_FOR)) {
            return None;
        }
        let day = self.contacts.lately(now, longest(limits));
        let lately = |within: u32| {
            let start = day.iter().position(|one| now.far(one.at) <= within);
            &day[start.unwrap_or(day.len())..]
        };
        let patience = Tick::within(PATIENCE);
        let by_port = |one: &Contact| (one.protocol, one.port);
        let with_ports = |within: Duration| -> SmallVec<[Contact; 32]> {
            lately(Tick::within(within)).iter().filter(|one| one.port != 0).copied().collect()
        };
        let slow = with_ports(limits.slow_scan.within);
        let vain = lately(Tick::within(limits.in_vain.within));
        // Many ports of one host, or one port of many hosts: whoever looks for its like among many
        // (peer to peer) has other ports and other hosts each time.
        let (scan, scanned) =
            largest(with_ports(limits.port_scan.within), (now, patience), |one| one.host, by_port);
        let sweep = lately(Tick::within(limits.sweep.within)).into();
        let (sweep, swept) = largest(sweep, (now, patience), by_port, |one| one.host);
        let slowly = count_different(&slow, now, patience, by_port);
        let tried = count_different(vain, now, patience, |one| (one.host, by_port(one)));
        let found = [
            (Detector::PortScan, limits.port_scan, scanned, &scan[..]),
            (Detector::Sweep, limits.sweep, swept, &sweep[..]),
            (Detector::SlowScan, limits.slow_scan, slowly, &slow[..]),
        ];
        let mut may_be = false;
        for (detector, limit, counts, contacts) in found {
            if is_enough(counts, &limit) {
                self.find_scan(detector, limit, (counts, contacts), look);
                return None;
            }
            may_be |= counts.all >= limit.count as usize;
        }
        let in_vain = limits.in_vain;
        let failed = u32::try_from(tried.failed).unwrap_or(u32::MAX);
        if when == Again::Later && failed >= in_vain.count && self.served <= failed / 2 {
            self.find_scan(Detector::InVain, in_vain, (tried, vain), look);
            return None;
        }
        let later = tried.all >= in_vain.count as usize;
        if may_be { Some(Again::Soon) } else { later.then_some(Again::Later) }
    }

    fn find_scan(
        &mut self,
        detector: Detector,
        limit: Limit,
        (counts, contacts): (Tried, &[Contact]),
        look: Look<'_>,
    ) {
        let share = counts.failed * 25 / counts.all.max(1);
        let confidence = 70 + u8::try_from(share).unwrap_or_default();
        let evidence = told_of(contacts, &limit);
        self.find(look, Why { detector, limit, confidence, ports: Vec::new(), evidence });
    }

    /// Returns whether this, or something that says more, was told of lately.
    fn is_told(&self, detector: Detector, now: Tick, lately: u32) -> bool {
        self.found.iter().any(|(told, at)| {
            (*told == detector || told.says_more_than(detector)) && now.far(*at) <= lately
        })
    }

    /// Tells of an anomaly, unless it or one that says more was told of lately.
    fn find(&mut self, look: Look<'_>, why: Why) {
        let now = Tick::of(look.at);
        let Why { detector, limit, confidence, ports, mut evidence } = why;
        let silent_for = Tick::within(limit.within).max(Tick::within(SILENT_FOR));
        if self.is_told(detector, now, silent_for) {
            return;
        }
        self.found.retain(|(told, _)| *told != detector);
        self.found.push((detector, now));
        let confidence = if self.proved { confidence.max(90) } else { confidence };
        evidence.insert(0, ("severity", limit.severity.to_string()));
        evidence.insert(1, ("confidence", format!("{confidence}%")));
        look.found.borrow_mut().push(Suspicion {
            at: look.at,
            subject: Some(Subject::address(look.source)),
            source: Some(look.source),
            detector,
            severity: limit.severity,
            confidence,
            is_proved: self.proved,
            ports,
            evidence: crate::Evidence(evidence),
        });
    }
}

/// Returns how many packets make a flood, and within which time, if they do.
pub(super) fn flooded(counts: [u32; 2], limit: Limit) -> Option<(u32, Limit)> {
    let kept_up = limit.count.saturating_mul(KEPT_UP.0);
    let (count, within) = match counts {
        [count, _] if count >= limit.count => (count, limit.within),
        [_, count] if count >= kept_up => (count, limit.within.saturating_mul(KEPT_UP.1)),
        _ => return None,
    };
    Some((count, Limit { within, ..limit }))
}

/// What was told is not told again for so long at least.
pub(super) const SILENT_FOR: Duration = Duration::from_secs(300);

/// Returns whether so many are enough: so many failed, or twice as many were tried before any of
/// them could answer.
pub(super) fn is_enough(counts: Tried, limit: &Limit) -> bool {
    let count = limit.count as usize;
    counts.failed >= count || counts.all >= count.saturating_mul(2)
}

/// Returns what evidence says of attempts.
pub(super) fn told_of(contacts: &[Contact], limit: &Limit) -> Vec<(&'static str, String)> {
    let mut ports: Vec<Port> = contacts.iter().filter_map(|one| one.to_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut hosts: Vec<u32> = contacts.iter().map(|one| one.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let mut named: Vec<String> = ports.iter().take(MOST_NAMED).map(Port::to_string).collect();
    if ports.len() > MOST_NAMED {
        named.push("...".to_owned());
    }
    let mut evidence = vec![("ports", ports.len().to_string()), ("hosts", hosts.len().to_string())];
    if !named.is_empty() {
        evidence.push(("tried", named.join(" ")));
    }
    evidence.push(within(limit));
    evidence
}

fn connections(count: u32, limit: &Limit, target: IpAddr) -> Vec<(&'static str, String)> {
    vec![("connections", count.to_string()), within(limit), ("target", target.to_string())]
}

pub(super) fn within(limit: &Limit) -> (&'static str, String) {
    ("within", crate::Span::For(limit.within).to_string())
}

fn flags_of(packet: &Packet) -> String {
    let super::packet::Content::Tcp { flags, .. } = packet.content else { return String::new() };
    let words = ["fin", "syn", "rst", "psh", "ack", "urg"];
    let set = (0..).zip(words).filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, word)| word);
    let set: Vec<&str> = set.collect();
    if set.is_empty() { "none".to_owned() } else { set.join("+") }
}

/// Returns how many targets of one source are remembered.
pub(super) fn most_contacts(limits: &Limits) -> usize {
    let most = scans(limits).map(|limit| limit.count).into_iter().max().unwrap_or_default();
    (most as usize).saturating_mul(2).clamp(32, 2_048)
}

/// Returns how many targets the smallest scan has.
fn least_contacts(limits: &Limits) -> u32 {
    scans(limits).map(|limit| limit.count).into_iter().min().unwrap_or_default()
}

fn longest(limits: &Limits) -> u32 {
    scans(limits).map(|limit| Tick::within(limit.within)).into_iter().max().unwrap_or_default()
}

fn scans(limits: &Limits) -> [Limit; 4] {
    [limits.port_scan, limits.slow_scan, limits.sweep, limits.in_vain]
}
