//! Finds in packets what is not as it should be: scans, sweeps, floods, strangers.
//!
//! Packets go in, in about the order of their times; suspicions come out. What is known of sources,
//! networks and connections is bounded, whatever is sent; each table says what goes when it is full.
//! Answers, packets of conversations and attempts that were served are no scan.

mod baseline;
mod contact;
mod crowd;
mod detector;
mod faint;
mod flows;
mod limits;
mod packet;
mod source;
mod target;

use std::{
    cell::RefCell, collections::VecDeque, hash::BuildHasher as _, net::IpAddr, time::Duration,
};

use foldhash::fast::FixedState;

use crate::{Evidence, Family, Grade, Port, Subject, Timestamp, recent::Recent};

use self::{
    baseline::{Baseline, Deviation},
    contact::{CONNECT, Contact, HARMLESS, ODD, REFUSED, Tick},
    crowd::Crowd,
    faint::Faint,
    flows::{Flows, Relation},
    packet::Purpose,
    source::{Again, Look, PATIENCE, Reached, Source, most_contacts, within},
    target::Target,
};

pub use self::{
    baseline::{Habit, Habits},
    detector::Detector,
    limits::{Limit, Limits, Severity, Unauthorized},
    packet::{Content, Outcome, Packet},
};

/// Most sources and networks of which more is known than one packet. Those that were not seen for
/// longest go.
const MOST_SOURCES: usize = 65_536;
const MOST_NETWORKS: usize = 32_768;

/// Most targets of all sources together: 32 MB.
const MOST_CONTACTS: usize = 2_800_000;

/// Most ports of hosts whose floods are counted.
const MOST_TARGETS: usize = 4_096;

/// Most sources that are to be looked at again; when full, a source is looked at when it comes again.
const MOST_WAITING: usize = 65_536;

/// So long nothing new has to come from a source that tried little before that is told of.
const RESTING: Duration = Duration::from_secs(60);

/// Bits of the networks whose sources may belong together.
const NETWORK_V4: u8 = 24;
const NETWORK_V6: u8 = 64;

/// An anomaly with what speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// When it was found.
    pub at: Timestamp,
    /// Whom it is about: the source, or the network of several; `None` if that can not be told.
    pub subject: Option<Subject>,
    /// The source of the last packet, or of most of them.
    pub source: Option<IpAddr>,
    /// What found it.
    pub detector: Detector,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// The source proved by a handshake that it receives what is sent to its address.
    pub is_proved: bool,
    /// The ports it is about; none: all.
    pub ports: Vec<Port>,
    /// What was seen.
    pub evidence: Evidence,
}

impl Suspicion {
    /// Returns one that is about nobody yet, and that no handshake speaks for.
    fn unproved(
        packet: &Packet,
        (detector, severity, confidence): (Detector, Severity, u8),
        mut evidence: Vec<(&'static str, String)>,
    ) -> Self {
        evidence.insert(0, ("severity", severity.to_string()));
        Self {
            at: packet.at,
            subject: None,
            source: None,
            detector,
            severity,
            confidence,
            is_proved: false,
            ports: Vec::new(),
            evidence: Evidence(evidence),
        }
    }

    /// Returns how far it can be trusted.
    pub fn grade(&self) -> Grade {
        if self.is_proved { Grade::Handshake } else { Grade::Forgeable }
    }
}

/// Looks at packets.
#[derive(Debug)]
pub struct Anomalies {
    limits: Limits,
    hasher: FixedState,
    flows: Flows,
    faint: Faint,
    sources: Recent<u128, Source>,
    networks: Recent<u128, Crowd>,
    targets: Recent<u64, Target>,
    baseline: Baseline,
    /// Sources that are looked at again soon and later, and when.
    waiting: [VecDeque<(Timestamp, IpAddr)>; 2],
    found: RefCell<Vec<Suspicion>>,
}

impl Anomalies {
    /// Makes ready to look. The seed keeps strangers from choosing addresses that meet in the tables.
    pub fn new(limits: Limits, seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self {
            hasher: hasher.clone(),
            flows: Flows::new(hasher),
            faint: Faint::default(),
            sources: Recent::new(room(&limits)),
            networks: Recent::new(MOST_NETWORKS),
            targets: Recent::new(MOST_TARGETS),
            baseline: Baseline::new(limits.baseline),
            waiting: Default::default(),
            found: RefCell::default(),
            limits,
        }
    }

    /// Takes other limits over; what was seen so far counts by them.
    pub fn set_limits(&mut self, limits: Limits) {
        self.baseline.set(limits.baseline);
        if room(&limits) != room(&self.limits) {
            self.sources = Recent::new(room(&limits));
        }
        self.limits = limits;
    }

    /// Takes a packet, and returns what is found by then.
    pub fn see(&mut self, packet: &Packet) -> impl Iterator<Item = Suspicion> {
        self.look_again(packet.at);
        let purpose = packet.purpose();
        let relation = self.flows.take(packet, purpose);
        match relation {
            Relation::First => self.first(packet, purpose),
            Relation::Again => self.attempt(packet, purpose, 0),
            Relation::Answer if matches!(purpose, Purpose::Accept | Purpose::Echo) => {}
            Relation::Answer => self.serve(target_of_answer(packet), packet.destination, packet),
            Relation::Refusal => self.refuse(packet),
            Relation::Proof => self.with(packet.source, packet.at, Source::prove),
            Relation::Use => self.serve(target_of(packet), packet.source, packet),
            Relation::Part => self.part(packet, purpose),
        }
        self.found.get_mut().drain(..)
    }

    /// Returns what is found by this moment though no packet came.
    pub fn settle(&mut self, now: Timestamp) -> impl Iterator<Item = Suspicion> {
        self.look_again(now);
        self.found.get_mut().drain(..)
    }

    /// Takes the first packet of a connection, or what looks like it.
    fn first(&mut self, packet: &Packet, purpose: Purpose) {
        if self.is_stranger(packet) {
            return;
        }
        if matches!(purpose, Purpose::Connect | Purpose::Datagram) {
            self.compare(packet);
        }
        let bits = match (purpose, packet.outcome) {
            (Purpose::Connect, Outcome::Refused) => CONNECT | REFUSED,
            (Purpose::Connect, _) => CONNECT,
            (Purpose::Carry { .. }, Outcome::Refused) => ODD | REFUSED,
            (Purpose::Carry { .. }, _) => ODD,
            // Who answers to an echo request may be looked for all the same.
            (Purpose::Ask, _) | (_, Outcome::Refused) => REFUSED,
            _ => 0,
        };
        self.attempt(packet, purpose, bits);
    }

    fn part(&mut self, packet: &Packet, purpose: Purpose) {
        match purpose {
            Purpose::Odd => self.attempt(packet, purpose, ODD | REFUSED),
            Purpose::Other => drop(self.is_stranger(packet)),
            _ => {}
        }
    }

    /// Takes an attempt to reach somebody; of a source that was never seen before only that is kept.
    fn attempt(&mut self, packet: &Packet, purpose: Purpose, bits: u8) {
        let is_target = bits != 0 || matches!(purpose, Purpose::Connect | Purpose::Datagram);
        let counts = is_target && packet.looks_for_somebody() && packet.outcome != Outcome::Served;
        let bits_kept = contact_bits(purpose, bits) | if counts { 0 } else { HARMLESS };
        let target = self.contact_of(target_of(packet), packet);
        let contact = Contact { bits: bits_kept, ..target };
        let key = key_of(packet.source);
        let before = if self.sources.get(&key).is_none() {
            let seen = self.faint.take(self.hasher.hash_one(key), contact, Tick::of(packet.at));
            if seen.is_none() && purpose != Purpose::Odd {
                self.flood(packet, purpose);
                return self.crowd(packet, contact);
            }
            seen
        } else {
            None
        };
        let Self { sources, limits, found, .. } = self;
        let look = Look { limits, source: packet.source, at: packet.at, found };
        let Reached { is_new, again } = sources.with(key, |source| {
            if let Some(before) = before {
                source.begin(before, look);
            }
            match purpose {
                Purpose::Connect if bits != 0 => source.connect(packet, packet.ports().1, look),
                Purpose::Connect => source.ask_again(look),
                Purpose::Datagram => source.datagram(packet, look),
                Purpose::Ask => source.echo(look),
                Purpose::Odd => source.odd(packet, look),
                _ => {}
            }
            if !counts {
                return Reached::default();
            }
            source.try_to_reach(contact, look)
        });
        if let Some(again) = again {
            self.wait(again, packet.source, packet.at);
        }
        if is_new {
            self.crowd(packet, contact);
        }
    }

    fn wait(&mut self, again: Again, source: IpAddr, now: Timestamp) {
        let after = match again {
            Again::Soon => PATIENCE + Duration::from_millis(250),
            Again::Later => RESTING,
        };
        let waiting = &mut self.waiting[again as usize];
        if waiting.len() < MOST_WAITING {
            waiting.push_back((now.plus(after), source));
        }
    }

    /// Looks again at sources when their time has come.
    fn look_again(&mut self, now: Timestamp) {
        for which in [Again::Soon, Again::Later] {
            // One that is far off was set by a clock that went back since.
            let far_off = now.plus(2 * RESTING);
            let is_due = |(due, _): &mut (Timestamp, IpAddr)| *due <= now || *due > far_off;
            while let Some((due, source)) = self.waiting[which as usize].pop_front_if(is_due) {
                let mut again = None;
                self.with(source, due, |source, look| again = source.look_again(which, look));
                if let Some(again) = again {
                    self.wait(again, source, due);
                }
            }
        }
    }

    /// Counts an attempt for the network of its source.
    fn crowd(&mut self, packet: &Packet, contact: Contact) {
        if !packet.looks_for_somebody() || packet.outcome == Outcome::Served {
            return;
        }
        let network = network_of(packet.source);
        let (key, now) = (key_of(network.first_address()), Tick::of(packet.at));
        // Another hash than that of its first address.
        let hash = self.hasher.hash_one((key, network.prefix_len()));
        if self.networks.get(&key).is_none() && self.faint.take(hash, contact, now).is_none() {
            return;
        }
        let source = self.short_hash(packet.source);
        let limits = &self.limits;
        let found = self.networks.with(key, |crowd| crowd.take(contact, source, now, limits));
        if let Some(evidence) = found {
            let (detector, severity) =
                (Detector::DistributedScan, limits.distributed_scan.severity);
            let suspicion = Suspicion::unproved(packet, (detector, severity, 70), evidence);
            let (subject, source) = (Some(network), Some(packet.source));
            self.found.get_mut().push(Suspicion { subject, source, ..suspicion });
        }
    }

    /// Counts a packet of a source that was never seen before for the port that it goes to.
    fn flood(&mut self, packet: &Packet, purpose: Purpose) {
        let (target, port) = target_of(packet);
        let hash = self.hasher.hash_one((key_of(target), port, packet.protocol));
        let (now, limits) = (Tick::of(packet.at), &self.limits);
        let found = self.targets.with(hash, |target| target.take(purpose, now, limits));
        let Some((detector, count, over)) = found else { return };
        let evidence = vec![
            ("packets", count.to_string()),
            within(&over),
            ("sources", "each seen once".to_owned()),
            ("target", target.to_string()),
        ];
        let suspicion = Suspicion::unproved(packet, (detector, over.severity, 80), evidence);
        let ports = packet.port().into_iter().collect();
        self.found.get_mut().push(Suspicion { ports, ..suspicion });
    }

    /// Compares how many connections a port gets with its habit.
    fn compare(&mut self, packet: &Packet) {
        let Some(port) = packet.port() else { return };
        if !packet.looks_for_somebody() {
            return;
        }
        let Some(deviation) = self.baseline.see(port, packet.source, packet.at) else { return };
        let Deviation { count, usual, deviations, habit, source } = deviation;
        let severity = self.limits.baseline.severity;
        let evidence = vec![
            ("port", port.to_string()),
            ("connections", count.to_string()),
            ("usual", format!("{usual:.0}")),
            ("deviations", format!("{deviations:.1}")),
            ("compared-with", habit.to_string()),
        ];
        let (subject, ports) = (source.map(Subject::address), vec![port]);
        let suspicion = Suspicion::unproved(packet, (Detector::Baseline, severity, 60), evidence);
        self.found.get_mut().push(Suspicion { subject, source, ports, ..suspicion });
    }

    /// Returns the habit of this host, to be kept over a restart.
    pub fn habits(&self) -> Habits {
        self.baseline.habits()
    }

    /// Goes on with a habit that was kept.
    pub fn restore(&mut self, habits: Habits) {
        self.baseline.restore(habits);
    }

    /// Tells of a packet that is an anomaly by itself, and returns whether it is one.
    fn is_stranger(&mut self, packet: &Packet) -> bool {
        let (protocols, severity) = &self.limits.protocols;
        let source = Subject::address(packet.source);
        let forbidden = packet.port().and_then(|port| {
            let rules = self.limits.unauthorized.iter();
            rules.clone().find(|rule| rule.forbids(port, source)).map(|rule| rule.severity)
        });
        let (detector, severity) = match forbidden {
            Some(severity) => (Detector::Unauthorized, severity),
            None if protocols.contains(&packet.protocol) || packet.is_for_many() => return false,
            None => (Detector::UnexpectedProtocol, *severity),
        };
        self.with_new(packet, |source, look| source.stranger(detector, severity, packet, look));
        true
    }

    /// Takes note that a target is there for whoever tried it.
    fn serve(&mut self, target: (IpAddr, u16), who: IpAddr, packet: &Packet) {
        let target = Contact { bits: CONNECT, ..self.contact_of(target, packet) };
        self.with(who, packet.at, |source, look| source.serve(&target, packet, look));
        let network = key_of(network_of(who).first_address());
        self.networks.with_known(&network, |crowd| crowd.serve(&target));
    }

    fn refuse(&mut self, packet: &Packet) {
        let target = self.contact_of(target_of_answer(packet), packet);
        self.with(packet.destination, packet.at, |source, look| source.refuse(&target, look));
    }

    /// Does something with a source of which something is known.
    fn with(&mut self, source: IpAddr, at: Timestamp, act: impl FnOnce(&mut Source, Look<'_>)) {
        let Self { sources, limits, found, .. } = self;
        sources.with_known(&key_of(source), |known| act(known, Look { limits, source, at, found }));
    }

    /// Does something with a source, known or not.
    fn with_new(&mut self, packet: &Packet, act: impl FnOnce(&mut Source, Look<'_>)) {
        let Self { sources, limits, found, .. } = self;
        let look = Look { limits, source: packet.source, at: packet.at, found };
        sources.with(key_of(packet.source), |known| act(known, look));
    }

    fn contact_of(&self, (host, port): (IpAddr, u16), packet: &Packet) -> Contact {
        let (host, at) = (self.short_hash(host), Tick::of(packet.at));
        Contact { host, at, port, protocol: packet.protocol, bits: 0 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a part of the hash is wanted")]
    fn short_hash(&self, address: IpAddr) -> u32 {
        self.hasher.hash_one(key_of(address)) as u32
    }
}

/// Returns the number that stands for an address: an IPv4 address behind bits that no unicast IPv6
/// address has (`ff..` is multicast; reserved flags are set).
fn key_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => 0xffff << 112 | u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Returns how many sources are known: fewer if much is remembered of each.
fn room(limits: &Limits) -> usize {
    MOST_SOURCES.min(MOST_CONTACTS / most_contacts(limits))
}

fn network_of(source: IpAddr) -> Subject {
    let bits = match Subject::address(source).family() {
        Family::V4 => NETWORK_V4,
        Family::V6 => NETWORK_V6,
    };
    Subject::containing(source, bits)
}

fn target_of(packet: &Packet) -> (IpAddr, u16) {
    (packet.destination, packet.ports().1)
}

/// Returns the target that a packet is the answer of.
fn target_of_answer(packet: &Packet) -> (IpAddr, u16) {
    (packet.source, packet.ports().0)
}

fn contact_bits(purpose: Purpose, bits: u8) -> u8 {
    if purpose == Purpose::Connect { bits | CONNECT } else { bits }
}

#[cfg(test)]
mod tests;
