//! The guard: judges events and commands, and knows what the kernel should hold.
//!
//! In go [`Guard::handle_event`], [`Guard::handle_command`] and [`Guard::handle_timeout`], each
//! with the moment; out come [`Guard::poll_demand`] for the kernel, [`Guard::poll_record`] for the
//! ledger and [`Guard::poll_timeout`]. The driver thread owns it; nothing here blocks.

mod afar;
mod command;
mod desired;
mod doors;
mod exposure;
mod foreign;
mod knocking;
#[cfg(test)]
mod laws;
mod listening;
mod offence;
mod offenders;
mod opening;
mod pause;
#[cfg(test)]
mod port_laws;
#[cfg(test)]
mod port_stories;
mod proposals;
mod protection;
mod refusal;
mod register;
mod roll;
mod snapshot;
mod standing;
mod step;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use crate::{
    Approval, Change, Decision, Demand, Entry, Event, Fact, Health, List, Note, Pattern,
    PortPolicy, Record, Release, ReleaseCause, Ruling, Span, Standing, Subject, Timestamp, Until,
};

use self::{
    desired::Resync, doors::Doors, listening::Listening, offence::Allowance, offenders::Offenders,
    proposals::Proposals, register::Register,
};

pub use self::{
    command::{Command, Done, Lifted, MOST_PORTS_OF_A_BAN},
    desired::Desired,
    doors::DoorHold,
    exposure::{Exposure, ServiceState},
    offenders::Offender,
    opening::PortOrder,
    pause::LONGEST_PAUSE,
    refusal::Refusal,
    roll::Hold,
    snapshot::{Snapshot, SourceState, TrapState},
};

/// How much the guard remembers. Beyond a cap the written rule of the table applies.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Subjects in the ban list. When full, the guard's own ban that ends next is lifted; if
    /// there is none, the newcomer is refused. Half of what one kernel set holds.
    pub bans: usize,
    /// Subjects that are banned for certain ports only, same rule; with the most ports that one ban
    /// may have, they fill one kernel set.
    pub port_bans: usize,
    /// Subjects in each throttle list, same rule. Half of what one kernel set holds.
    pub throttled: usize,
    /// Subjects in the allow list. When full, the newcomer is refused.
    pub allowed: usize,
    /// Offenders by evidence that can not be forged. When full, the one whose last offence is
    /// longest ago is forgotten.
    pub offenders: usize,
    /// Addresses that the kernel listed and whose handshake is still to be proved. When full,
    /// the newest stays listed as the kernel did it.
    pub unconfirmed: usize,
    /// Ports that operators opened or shut. When full, the newcomer is refused. A quarter of what
    /// one kernel set holds.
    pub doors: usize,
    /// Proposed rules. When full, a dismissed one goes, or the mildest that ends first.
    pub proposals: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            bans: 1_048_576,
            port_bans: 2_048,
            throttled: 65_536,
            allowed: 65_536,
            offenders: 262_144,
            unconfirmed: 65_536,
            doors: 32_768,
            proposals: 1_024,
        }
    }
}

/// What the configuration says to the guard.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The allow list of the configuration, with what to show as the reason.
    pub allow: Vec<(Subject, Arc<str>)>,
    /// Patterns of addresses that are always accepted.
    pub patterns: Vec<Pattern>,
    /// Names whose addresses are always accepted.
    pub hosts: Vec<Arc<str>>,
    /// Which ports are open, and for whom they may open.
    pub ports: PortPolicy,
    /// How long a risky change waits for its confirmation; at zero it counts at once.
    pub confirm: Span,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            patterns: Vec::new(),
            hosts: Vec::new(),
            ports: PortPolicy::default(),
            confirm: Span::For(Duration::from_secs(60)),
        }
    }
}

/// The one who decides.
#[derive(Debug)]
pub struct Guard {
    caps: Caps,
    policy: Policy,
    register: Register,
    offenders: Offenders,
    /// Addresses of each host of the allow list, as last looked up.
    hosts: BTreeMap<Arc<str>, Vec<Subject>>,
    /// The subjects behind which somebody may need a way in.
    people: BTreeSet<Subject>,
    /// Subjects that the kernel banned by itself, and when the proof of a handshake is overdue.
    unconfirmed: BTreeMap<Subject, Timestamp>,
    /// The same in the order of the deadlines, with those that were proved meanwhile.
    proofs_due: VecDeque<(Timestamp, Subject)>,
    sources: BTreeMap<Arc<str>, SourceState>,
    traps: BTreeMap<(crate::Port, IpAddr), TrapState>,
    forgeable_notes: Allowance,
    is_configured: bool,
    doors: Doors,
    listening: Listening,
    /// What operators said of listening sockets.
    rulings: BTreeMap<Approval, Ruling>,
    proposals: Proposals,
    standing: Standing,
    /// The policy for ports that a pending change of the configuration goes back to.
    before: Option<PortPolicy>,
    /// The rules for ports that the kernel was last given.
    rules: Arc<PortPolicy>,
    /// Until when the kernel was told to be closed, if it was.
    closed: Option<Until>,
    /// Until when the kernel was told to turn nobody away, if it was.
    paused: Option<Timestamp>,
    demands: VecDeque<(u64, Demand)>,
    resync: Option<Resync>,
    records: VecDeque<Record>,
    generation: u64,
    enforced: snapshot::Enforced,
}

impl Guard {
    /// Returns a guard that holds nobody yet.
    pub fn new(caps: Caps) -> Self {
        Self {
            caps,
            policy: Policy::default(),
            register: Register::default(),
            offenders: Offenders::new(caps.offenders),
            hosts: BTreeMap::new(),
            people: BTreeSet::new(),
            unconfirmed: BTreeMap::new(),
            proofs_due: VecDeque::new(),
            sources: BTreeMap::new(),
            traps: BTreeMap::new(),
            forgeable_notes: Allowance::default(),
            is_configured: false,
            doors: Doors::default(),
            listening: Listening::default(),
            rulings: BTreeMap::new(),
            proposals: Proposals::default(),
            standing: Standing::default(),
            before: None,
            rules: Arc::default(),
            closed: None,
            paused: None,
            demands: VecDeque::new(),
            resync: None,
            records: VecDeque::new(),
            generation: 0,
            enforced: snapshot::Enforced::default(),
        }
    }

    /// Takes in what a source saw.
    pub fn handle_event(&mut self, event: Event, now: Timestamp) {
        self.handle_timeout(now);
        match event.fact {
            Fact::Offence(offence) => self.judge(&offence, event.at, now),
            Fact::KernelListed { list, peer, subject } => {
                self.await_proof(list, peer, subject, now);
            }
            Fact::ElementAdded { element, until, by } => self.adopt(element, until, &by, now),
            Fact::ElementRemoved { element, by } => self.let_go(element, &by, now),
            Fact::KernelLost { what, by } => {
                self.note(Note::Repaired { what, by }, now);
                self.resync = Some(Resync::default());
            }
            Fact::KernelHolds(elements) => self.adopt_unknown(&elements, now),
            Fact::Protected(subjects) => self.protect(subjects, now),
            Fact::People(people) => self.people = people,
            Fact::HostResolved { host, addresses } => self.allow_host(&host, &addresses, now),
            Fact::Health { source, health } => self.remember_health(source, health, now),
            Fact::SourceGone { source } => drop(self.sources.remove(&source)),
            Fact::Outcome { generation, failure } => self.take_outcome(generation, failure, now),
            Fact::Restored(holds) => self.restore(holds, now),
            Fact::RestoredOffenders(offenders) => {
                for (subject, past) in offenders {
                    self.offenders.put(subject, past);
                }
            }
            Fact::Listeners(listeners) => self.take_listeners(listeners, now),
            Fact::Units(units) => self.take_units(units),
            Fact::RestoredDoors(doors) => self.restore_doors(doors, now),
            Fact::Anomaly(anomaly) => self.take_anomaly(&anomaly, event.at, now),
            Fact::RestoredProposals(proposals) => self.restore_proposals(proposals, now),
            Fact::Knock(knock) => self.take_knock(knock, now),
            Fact::Noted(note) => self.take_note(note, now),
        }
    }

    /// Ends what is over at `now`. To be called when [`Guard::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for list in List::OF_SOURCES {
            while let Some((subject, hold)) = self.register.roll_mut(list).pop_over(now) {
                self.forget_hold(list, (subject, &hold), ReleaseCause::Expired, now);
            }
        }
        while let Some((subject, hold)) = self.register.port_bans.pop_over(now) {
            self.forget_hold(List::Ban, (subject, &hold), ReleaseCause::Expired, now);
        }
        self.lift_unproved(now);
        self.standing_timeout(now);
        self.pause_timeout(now);
        self.end_doors_over(now);
        self.listening_timeout(now);
        self.end_proposals_over(now);
    }

    /// Returns the moment at which [`Guard::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let ends = List::OF_SOURCES.iter().filter_map(|list| self.register.roll(*list).next_end());
        let proof = self.proofs_due.front().map(|(deadline, _)| *deadline);
        let pending = self.pending().map(|pending| pending.deadline);
        ends.chain(self.register.port_bans.next_end())
            .chain(proof)
            .chain(pending)
            .chain(self.paused_until())
            .chain(self.doors.next_end())
            .chain(self.listening.next_due())
            .chain(self.proposals.next_end())
            .min()
    }

    /// Returns the next thing that the ledger has to keep.
    pub fn poll_record(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    /// Returns all that is in force and all offenders, for a ledger that lost its memory.
    pub fn full_state(&self) -> Vec<Record> {
        let offenders = self.offenders.after(None);
        let offenders = offenders.map(|(subject, past)| Record::Offender(*subject, *past));
        let doors = self.doors.iter().map(|(door, hold)| Record::Door(doors::listed(door, hold)));
        let rulings = self.rulings.values().cloned().map(Record::Ruling);
        self.listed_holds()
            .map(Record::Hold)
            .chain(offenders)
            .chain(doors)
            .chain(rulings)
            .chain(self.proposals.iter().cloned().map(Record::Proposal))
            .chain([Record::Standing(self.standing.clone())])
            .collect()
    }

    /// Returns what is remembered of a subject's misbehaviour.
    pub fn offender(&self, subject: &Subject) -> Option<&Offender> {
        self.offenders.get(subject)
    }

    /// Returns up to `most` offenders, the newest offence first.
    pub fn offenders(&self, most: usize) -> Vec<(Subject, Offender)> {
        self.offenders.newest().take(most).map(|(subject, past)| (subject, *past)).collect()
    }

    /// Returns up to `most` offenders, the one with the most bans and offences first.
    pub fn worst_offenders(&self, most: usize) -> Vec<(Subject, Offender)> {
        let mut all: Vec<_> =
            self.offenders.after(None).map(|(subject, past)| (*subject, *past)).collect();
        let worst_first =
            |(_, past): &(Subject, Offender)| Reverse((past.bans, past.offences, past.last));
        // Only the wanted ones are sorted: there may be a quarter of a million.
        if most < all.len() {
            all.select_nth_unstable_by_key(most, worst_first);
            all.truncate(most);
        }
        all.sort_by_key(worst_first);
        all
    }

    /// Returns up to `most` offenders behind `after` in the order of the subjects, each with whether
    /// it is banned.
    pub fn offenders_after(
        &self,
        after: Option<Subject>,
        most: usize,
    ) -> Vec<(Subject, Offender, bool)> {
        let page = self.offenders.after(after).take(most);
        page.map(|(subject, past)| (*subject, *past, self.is_banned(*subject))).collect()
    }

    /// Returns whether a ban reaches the whole subject, be it for certain ports only.
    pub fn is_banned(&self, subject: Subject) -> bool {
        self.register.roll(List::Ban).covering(subject).is_some()
            || self.register.port_bans.covering(subject).is_some()
    }

    /// Returns up to `most` holds of a list behind `after`, in the order of the subjects.
    pub fn holds(&self, list: List, after: Option<Subject>, most: usize) -> Vec<(Subject, Hold)> {
        let whole = self.register.roll(list).holds().after(after);
        let of_ports = match list {
            List::Ban => Some(self.register.port_bans.holds().after(after)),
            _ => None,
        };
        let mut page: Vec<_> = whole
            .take(most)
            .chain(of_ports.into_iter().flatten().take(most))
            .map(|(subject, hold)| (*subject, hold.clone()))
            .collect();
        page.sort_by_key(|(subject, _)| *subject);
        // A page ends behind all holds of its last subject, or the next page would miss some.
        if let Some((end, _)) = page.get(most.saturating_sub(1)) {
            let end = *end;
            page.retain(|(subject, _)| *subject <= end);
        }
        page
    }

    /// Returns the holds that reach the address or network: exact ones and wider ones.
    pub fn holds_on(&self, subject: Subject) -> Vec<(List, Subject, Hold)> {
        let mut found = Vec::new();
        for list in List::OF_SOURCES {
            let covering = self.register.roll(list).holds().covering(subject);
            found.extend(covering.map(|(key, hold)| (list, key, hold.clone())));
        }
        let of_ports = self.register.port_bans.holds().covering(subject);
        found.extend(of_ports.map(|(key, hold)| (List::Ban, key, hold.clone())));
        found
    }

    /// Writes a line into the journal.
    fn note(&mut self, note: Note, now: Timestamp) {
        self.records.push_back(Record::Entry(Entry { at: now, note }));
    }

    fn take_note(&mut self, note: Note, now: Timestamp) {
        match &note {
            Note::TrapSet { port, address, .. } => {
                let state = self.traps.entry((*port, *address)).or_default();
                state.missing = None;
            }
            Note::TrapMissing { port, address, why, .. } => {
                let state = self.traps.entry((*port, *address)).or_default();
                if state.missing.as_ref() == Some(why) {
                    return;
                }
                state.missing = Some(why.clone());
            }
            _ => {}
        }
        self.note(note, now);
    }

    /// Forgets which traps stand; the ones of the new configuration report themselves.
    pub fn forget_traps(&mut self) {
        self.traps.clear();
    }

    fn remember_health(&mut self, source: Arc<str>, health: Health, now: Timestamp) {
        let known = self.sources.get(&source).map(|state| &state.health);
        if known == Some(&health) {
            return;
        }
        // A source that is well from the start is no news.
        if known.is_some() || health != Health::Good {
            self.note(Note::Health { source: source.clone(), health: health.clone() }, now);
        }
        self.sources.insert(source, SourceState { health, since: now });
    }

    /// Writes down that a hold ended and was taken out of its roll.
    fn forget_hold(
        &mut self,
        list: List,
        (subject, hold): (Subject, &Hold),
        cause: ReleaseCause,
        now: Timestamp,
    ) {
        let ports = hold.port_list().to_vec();
        if cause != ReleaseCause::Expired {
            self.remove_from_kernel(list, subject, &ports);
        }
        if hold.author != crate::Author::Configuration {
            self.records.push_back(Record::HoldEnded { list, subject, ports });
        }
        if let Some(measure) = crate::Measure::of(list) {
            self.note(Note::Release(Release { subject, measure, cause }), now);
        }
    }

    fn change(&mut self, change: Change) -> u64 {
        self.demand(Demand::Element(change))
    }

    fn demand(&mut self, demand: Demand) -> u64 {
        self.generation += 1;
        self.demands.push_back((self.generation, demand));
        self.generation
    }

    fn install(
        &mut self,
        list: List,
        subject: Subject,
        ports: &[crate::Port],
        until: Until,
    ) -> u64 {
        for element in elements(list, subject, ports) {
            self.change(Change::Install(element, until));
        }
        self.generation
    }

    fn remove_from_kernel(&mut self, list: List, subject: Subject, ports: &[crate::Port]) {
        for element in elements(list, subject, ports) {
            self.change(Change::Remove(element));
        }
    }

    fn decide(&mut self, decision: Decision, now: Timestamp) {
        self.note(Note::Decision(decision), now);
    }
}

/// Returns the kernel elements of a hold: one for each port it is limited to, or one in all.
fn elements(
    list: List,
    subject: Subject,
    ports: &[crate::Port],
) -> impl Iterator<Item = crate::Element> {
    let whole = ports.is_empty().then_some(None);
    let each = ports.iter().copied().map(Some).collect::<Vec<_>>();
    whole.into_iter().chain(each).map(move |port| crate::Element { list, subject, port })
}
