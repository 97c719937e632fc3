//! What follows from misbehaviour.

use std::{
    collections::{BTreeSet, btree_map::Entry},
    net::IpAddr,
    time::Duration,
};

use crate::{
    Author, Decision, Grade, Ladder, List, Measure, Note, Offence, Record, Refusal, Release,
    ReleaseCause, Rung, Span, Strength, Subject, Timestamp, Until,
};

use super::{Guard, roll::Hold};

/// Offences this close to the begin of a ban belong to the connections that led to it: they were
/// under way when the ban began, and do not count again.
const SAME_BURST: Duration = Duration::from_secs(2);

/// How long the listener has to prove a handshake that the firewall took for one. The proof
/// comes within a millisecond; the time is for a stalled machine.
const PROOF_WITHIN: Duration = Duration::from_secs(2);

/// How long an address that matched an allow pattern stands in the kernel's allow list, so that
/// its next packets are not judged at all.
const PATTERN_ALLOWED_FOR: Duration = Duration::from_secs(86_400);

/// Forgeable offences that are journalled at once; sources can be forged without end, so what is
/// over the allowance is enforced by the kernel and counted, not written down.
const FORGEABLE_NOTES_BURST: u32 = 1_000;

/// Forgeable offences that are journalled in each second after the burst.
const FORGEABLE_NOTES_PER_SECOND: u32 = 20;

/// A budget that refills with time.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    left: u32,
    refilled: Timestamp,
    /// How often the budget was used up.
    pub(super) denied: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: FORGEABLE_NOTES_BURST, refilled: Timestamp::default(), denied: 0 }
    }
}

impl Allowance {
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let seconds = now.since(self.refilled).as_secs();
        if seconds > 0 {
            let refill = u64::from(FORGEABLE_NOTES_PER_SECOND).saturating_mul(seconds);
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(refill).min(FORGEABLE_NOTES_BURST);
            self.refilled = now;
        }
        if self.left == 0 {
            self.denied += 1;
            return false;
        }
        self.left -= 1;
        true
    }
}

impl Guard {
    /// Judges an offence: first whether the peer may be touched at all, then by grade and ladder.
    pub(super) fn judge(&mut self, offence: &Offence, at: Timestamp, now: Timestamp) {
        let peer = Subject::address(offence.peer);
        self.count_catch(offence, now);
        if let Some(excuse) = self.excuse(peer, now) {
            self.free_in_kernel(peer, &offence.ladder);
            self.note_offence(offence, peer, Some(excuse.why), at);
            return;
        }
        let subject = self.width_of(peer, &offence.ladder);
        if offence.grade == Grade::Forgeable {
            self.throttle_forgeable(offence, subject, at, now);
            return;
        }
        if self.is_same_burst(subject, now) {
            self.unconfirmed.remove(&subject);
            self.note_offence(offence, subject, Some("the ban had just begun".to_owned()), at);
            return;
        }
        self.note_offence(offence, subject, None, at);
        let past = self.offenders.count(subject, now, offence.ladder.forget_after);
        let rung = offence.ladder.rung(past.offences);
        if rung.measure == Measure::Ban {
            let past = super::Offender { bans: rung.nth_ban, ..past };
            self.offenders.put(subject, past);
        }
        if let Some(past) = self.offenders.get(&subject) {
            self.records.push_back(Record::Offender(subject, *past));
        }
        self.take_measure(subject, rung, offence, now);
        self.settle_kernel(peer, subject, rung.measure, &offence.ladder);
    }

    /// Returns whether the source of an offence is banned, for all ports or for the same.
    pub fn has_banned(&self, offence: &Offence) -> bool {
        let holds = self.holds_on(Subject::address(offence.peer));
        let ports = offence.ports.as_deref().map(Vec::as_slice).unwrap_or_default();
        holds.iter().any(|(list, _, hold)| {
            let is_for_all = hold.port_list().is_empty();
            *list == List::Ban && (is_for_all || hold.port_list() == ports)
        })
    }

    /// Returns why a subject must not be touched, if so. Asked before anything else.
    pub(super) fn excuse(&mut self, subject: Subject, now: Timestamp) -> Option<Refusal> {
        if let Some(why) = subject.never_a_stranger() {
            return Some(Refusal::protected(subject, why));
        }
        if let Some((_, hold)) = self.register.protection(subject) {
            return Some(Refusal::protected(subject, &hold.reason));
        }
        if let Some((by, hold)) = self.register.allowance(subject) {
            return Some(Refusal::allowed(subject, by, &hold.reason));
        }
        self.excuse_by_pattern(subject, now)
    }

    /// Puts an address that matches a pattern on the kernel's allow list; the kernel itself knows
    /// no patterns.
    fn excuse_by_pattern(&mut self, subject: Subject, now: Timestamp) -> Option<Refusal> {
        if !subject.is_single() {
            return None;
        }
        let address = subject.first_address();
        let pattern = self.policy.patterns.iter().find(|pattern| pattern.matches(address))?;
        let pattern = pattern.to_string();
        let reason = format!("matches the allow pattern `{pattern}`").into();
        let until = Until::at(now.plus(PATTERN_ALLOWED_FOR));
        if self.register.roll(List::Allow).len() < self.caps.allowed {
            self.allow_by_configuration(subject, reason, until, now);
        }
        Some(Refusal::matches_pattern(subject, &pattern))
    }

    /// Returns the subject that an offence of `peer` is counted for: as wide as the ladder says,
    /// but the single address where the wider network would hit somebody sheltered, or where
    /// neighbours share the network by definition (IPv6 link-local, RFC 4291 2.5.6).
    pub(super) fn width_of(&self, peer: Subject, ladder: &Ladder) -> Subject {
        let wide = widened(peer, ladder);
        if is_link_local(peer) || self.register.shelters(wide) { peer } else { wide }
    }

    fn is_same_burst(&self, subject: Subject, now: Timestamp) -> bool {
        self.register
            .roll(List::Ban)
            .covering(subject)
            .is_some_and(|(_, hold)| now.since(hold.since) < SAME_BURST && !hold.until.is_over(now))
    }

    fn take_measure(&mut self, subject: Subject, rung: Rung, offence: &Offence, now: Timestamp) {
        let hold = Hold {
            since: now,
            until: Until::after(rung.span, now),
            nth_ban: rung.nth_ban,
            author: Author::Guard,
            reason: offence.origin.clone(),
            ports: offence.ports.clone().filter(|_| rung.measure == Measure::Ban),
            generation: 0,
        };
        if let Err(refusal) = self.hold(rung.measure, subject, hold, now) {
            let (measure, author) = (rung.measure, Author::Guard);
            self.note(Note::Refused { subject, measure, refusal, author }, now);
        }
    }

    /// Slows a source down whose packet may be forged: at most throttled, and no step up any
    /// ladder, because somebody else may have written its address.
    fn throttle_forgeable(
        &mut self,
        offence: &Offence,
        subject: Subject,
        at: Timestamp,
        now: Timestamp,
    ) {
        let measure = Measure::Throttle(Strength::Hard);
        let known = self.register.roll(measure.list()).get(&subject).is_some();
        if !known && self.forgeable_notes.take(now) {
            self.note_offence(offence, subject, None, at);
            let rung = Rung { measure, span: Span::For(offence.ladder.base), nth_ban: 0 };
            self.take_measure(subject, rung, offence, now);
        }
    }

    /// Makes the kernel hold what was decided and not what its trap rule assumed.
    fn settle_kernel(
        &mut self,
        peer: Subject,
        subject: Subject,
        measure: Measure,
        ladder: &Ladder,
    ) {
        self.unconfirmed.remove(&subject);
        for assumed in assumed_by_kernel(peer, ladder) {
            let is_decided = measure == Measure::Ban && assumed == subject;
            if !is_decided && self.register.roll(List::Ban).get(&assumed).is_none() {
                self.unconfirmed.remove(&assumed);
                self.remove_from_kernel(List::Ban, assumed, &[]);
            }
        }
    }

    /// Takes an excused peer out of the lists that the kernel's trap rules put it in.
    fn free_in_kernel(&mut self, peer: Subject, ladder: &Ladder) {
        for assumed in assumed_by_kernel(peer, ladder) {
            self.unconfirmed.remove(&assumed);
            for list in [List::Ban, List::ThrottleHard] {
                if self.register.roll(list).get(&assumed).is_none() {
                    self.remove_from_kernel(list, assumed, &[]);
                }
            }
        }
    }

    /// Waits for the proof of a handshake after which the kernel listed its source by itself.
    pub(super) fn await_proof(
        &mut self,
        list: List,
        peer: IpAddr,
        subject: Subject,
        now: Timestamp,
    ) {
        let is_decided = self.register.roll(list).get(&subject).is_some();
        if list != List::Ban || is_decided {
            return;
        }
        if self.excuse(Subject::address(peer), now).is_some() {
            self.remove_from_kernel(list, subject, &[]);
        } else if self.proofs_due.len() < self.caps.unconfirmed {
            let deadline = now.plus(PROOF_WITHIN);
            if let Entry::Vacant(vacant) = self.unconfirmed.entry(subject) {
                vacant.insert(deadline);
                self.proofs_due.push_back((deadline, subject));
            }
        }
    }

    /// Lifts what the kernel listed and nobody proved: a forged packet, not a handshake.
    pub(super) fn lift_unproved(&mut self, now: Timestamp) {
        while let Some((deadline, subject)) = self.proofs_due.front().copied() {
            if deadline > now {
                return;
            }
            self.proofs_due.pop_front();
            if self.unconfirmed.get(&subject) != Some(&deadline) {
                continue;
            }
            self.unconfirmed.remove(&subject);
            if self.register.roll(List::Ban).get(&subject).is_none() {
                self.remove_from_kernel(List::Ban, subject, &[]);
                let (measure, cause) = (Measure::Ban, ReleaseCause::Unconfirmed);
                self.note(Note::Release(Release { subject, measure, cause }), now);
            }
        }
    }

    /// Puts a measure in force, or says why not. The one place where holds begin.
    pub(super) fn hold(
        &mut self,
        measure: Measure,
        subject: Subject,
        mut hold: Hold,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        let list = measure.list();
        self.make_room(measure, subject, hold.ports.is_some(), now)?;
        let ports = hold.port_list().to_vec();
        hold.generation = self.install(list, subject, &ports, hold.until);
        if hold.author != Author::Configuration {
            self.records.push_back(Record::Hold(listed(list, subject, &hold)));
        }
        self.decide(decision(measure, subject, &hold), now);
        let generation = hold.generation;
        let before = self.register.roll_for(list, hold.ports.is_some()).insert(subject, hold);
        // Ports of the hold before that are not among the new ones.
        if let Some(gone) = before.and_then(|before| before.ports) {
            let gone: Vec<_> = gone.iter().filter(|port| !ports.contains(port)).copied().collect();
            if !gone.is_empty() {
                self.remove_from_kernel(list, subject, &gone);
            }
        }
        Ok(generation)
    }

    pub(super) fn make_room(
        &mut self,
        measure: Measure,
        subject: Subject,
        is_limited_to_ports: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let list = measure.list();
        let cap = match measure {
            Measure::Allow => self.caps.allowed,
            Measure::Throttle(_) => self.caps.throttled,
            Measure::Ban if is_limited_to_ports => self.caps.port_bans,
            Measure::Ban => self.caps.bans,
        };
        let roll = self.register.roll_for(list, is_limited_to_ports);
        if roll.len() < cap || roll.get(&subject).is_some() {
            return Ok(());
        }
        let next = roll.evictable().filter(|_| measure != Measure::Allow);
        let Some((gone, hold)) = next.and_then(|gone| Some((gone, roll.remove(&gone)?))) else {
            return Err(Refusal::full(measure, cap));
        };
        self.forget_hold(list, (gone, &hold), ReleaseCause::Evicted, now);
        self.note(Note::Full { table: list.name(), dropped: gone }, now);
        Ok(())
    }

    pub(super) fn note_offence(
        &mut self,
        offence: &Offence,
        subject: Subject,
        excused: Option<String>,
        at: Timestamp,
    ) {
        let note = Note::Offence {
            peer: offence.peer,
            subject,
            origin: offence.origin.clone(),
            grade: offence.grade,
            evidence: offence.evidence.clone(),
            excused,
        };
        self.note(note, at);
    }
}

pub(super) fn listed(list: List, subject: Subject, hold: &Hold) -> crate::ListedHold {
    crate::ListedHold {
        list,
        subject,
        ports: hold.port_list().to_vec(),
        since: hold.since,
        until: hold.until,
        nth_ban: hold.nth_ban,
        author: hold.author,
        reason: hold.reason.clone(),
    }
}

pub(super) fn decision(measure: Measure, subject: Subject, hold: &Hold) -> Decision {
    Decision {
        subject,
        measure,
        ports: hold.port_list().to_vec(),
        until: hold.until,
        nth_ban: hold.nth_ban,
        reason: hold.reason.clone(),
        author: hold.author,
    }
}

fn widened(peer: Subject, ladder: &Ladder) -> Subject {
    peer.widened(ladder.prefix_len(peer.family()))
}

/// Returns the subjects that a trap's rule may have listed for this peer.
fn assumed_by_kernel(peer: Subject, ladder: &Ladder) -> BTreeSet<Subject> {
    BTreeSet::from([peer, widened(peer, ladder)])
}

fn is_link_local(subject: Subject) -> bool {
    match subject.first_address() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
