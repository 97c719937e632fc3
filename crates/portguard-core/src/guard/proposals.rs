//! What follows from anomalies: rules proposed, accepted, dismissed, or in force at once.

use std::collections::BTreeMap;

use crate::{
    Anomaly, Author, Command, Evidence, Grade, Ladder, Measure, Note, Proposal, Record, Respond,
    Span, Strength, Subject, Timestamp, Until,
};

use super::{Done, Guard, Refusal};

/// The proposals, by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Proposals {
    all: BTreeMap<u64, Proposal>,
    /// The number of the last one.
    last: u64,
}

impl Proposals {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Proposal> {
        self.all.values()
    }

    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.all.values().map(|one| one.until).min()
    }

    fn find(&mut self, subject: Subject, origin: &str) -> Option<&mut Proposal> {
        self.all.values_mut().find(|one| one.subject == subject && *one.origin == *origin)
    }

    /// Returns the one that is missed least: a dismissed one, or the mildest that ends first.
    fn dispensable(&self) -> Option<u64> {
        let value = |one: &&Proposal| (!one.dismissed, one.severity, one.until);
        self.all.values().min_by_key(value).map(|one| one.id)
    }
}

impl Guard {
    /// Takes an anomaly: asks whether its subject may be touched, and proposes a rule or puts it in
    /// force. A source that is banned goes on knocking; that is nothing new.
    pub(super) fn take_anomaly(&mut self, anomaly: &Anomaly, at: Timestamp, now: Timestamp) {
        let offence = &anomaly.offence;
        let peer = Subject::address(offence.peer);
        if self.excuse(peer, now).is_none() && self.has_banned(offence) {
            return;
        }
        if anomaly.respond == Respond::Auto {
            return self.judge(offence, at, now);
        }
        let subject = self.width_of(peer, &offence.ladder);
        if let Some(excuse) = self.excuse(peer, now) {
            return self.note_offence(offence, peer, Some(excuse.why), at);
        }
        if let Some(known) = self.proposals.find(subject, &offence.origin) {
            known.times = known.times.saturating_add(1);
            known.evidence = named(&offence.evidence);
            known.confidence = known.confidence.max(anomaly.confidence);
            known.until = known.until.max(end_of(&offence.ladder, now));
            known.measure = known.measure.max(measure_of(offence.grade));
            self.records.push_back(Record::Proposal(known.clone()));
            return;
        }
        if offence.grade == Grade::Forgeable && !self.forgeable_notes.take(now) {
            return;
        }
        self.note_offence(offence, subject, None, at);
        self.propose(anomaly, subject, now);
    }

    fn propose(&mut self, anomaly: &Anomaly, subject: Subject, now: Timestamp) {
        let Anomaly { offence, severity, confidence, .. } = anomaly;
        while self.proposals.all.len() >= self.caps.proposals {
            let Some(id) = self.proposals.dispensable() else { return };
            self.forget_proposal(id);
        }
        self.proposals.last += 1;
        let measure = measure_of(offence.grade);
        let proposal = Proposal {
            id: self.proposals.last,
            subject,
            measure,
            // Only bans can be limited to ports.
            ports: offence
                .ports
                .as_deref()
                .filter(|_| measure == Measure::Ban)
                .cloned()
                .unwrap_or_default(),
            span: span_of(&offence.ladder),
            origin: offence.origin.clone(),
            severity: *severity,
            confidence: *confidence,
            evidence: named(&offence.evidence),
            since: now,
            until: end_of(&offence.ladder, now),
            times: 1,
            dismissed: false,
        };
        self.note(Note::Proposed(proposal.clone()), now);
        self.records.push_back(Record::Proposal(proposal.clone()));
        self.proposals.all.insert(proposal.id, proposal);
    }

    /// Puts a proposed rule in force.
    pub(super) fn accept(
        &mut self,
        id: u64,
        author: Author,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let Some(proposal) = self.proposals.all.get(&id).filter(|one| !one.dismissed).cloned()
        else {
            return Err(Refusal::no_proposal(id));
        };
        let Proposal { subject, measure, ports, span, origin: reason, .. } = proposal;
        let order = Command::Hold { measure, subject, ports, span, reason, author };
        let done = self.handle_command(order, now)?;
        self.forget_proposal(id);
        Ok(done)
    }

    /// Takes a proposed rule from the list; it is not proposed again as long as it would have been
    /// in force.
    pub(super) fn dismiss(
        &mut self,
        id: u64,
        author: Author,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let Some(proposal) = self.proposals.all.get_mut(&id).filter(|one| !one.dismissed) else {
            return Err(Refusal::no_proposal(id));
        };
        proposal.dismissed = true;
        proposal.until = proposal.until.max(end_of_span(proposal.span, now));
        let (subject, origin) = (proposal.subject, proposal.origin.clone());
        self.records.push_back(Record::Proposal(proposal.clone()));
        self.note(Note::Dismissed { id, subject, origin, author }, now);
        Ok(Done { generation: self.generation, subjects: 1 })
    }

    /// Returns the proposals that wait, the newest first.
    pub fn proposals(&self) -> Vec<Proposal> {
        let mut open: Vec<Proposal> =
            self.proposals.iter().filter(|one| !one.dismissed).cloned().collect();
        open.reverse();
        open
    }

    /// Takes over what the ledger remembers.
    pub(super) fn restore_proposals(&mut self, proposals: Vec<Proposal>, now: Timestamp) {
        for proposal in proposals {
            self.proposals.last = self.proposals.last.max(proposal.id);
            if proposal.until > now && self.proposals.all.len() < self.caps.proposals {
                self.proposals.all.insert(proposal.id, proposal);
            } else {
                self.records.push_back(Record::ProposalEnded(proposal.id));
            }
        }
    }

    pub(super) fn end_proposals_over(&mut self, now: Timestamp) {
        let over = |one: &&Proposal| one.until <= now;
        let over: Vec<u64> = self.proposals.iter().filter(over).map(|one| one.id).collect();
        for id in over {
            self.forget_proposal(id);
        }
    }

    fn forget_proposal(&mut self, id: u64) {
        self.proposals.all.remove(&id);
        self.records.push_back(Record::ProposalEnded(id));
    }
}

/// Returns what may be done about evidence of a grade.
fn measure_of(grade: Grade) -> Measure {
    match grade {
        Grade::Forgeable => Measure::Throttle(Strength::Hard),
        Grade::Handshake | Grade::Authenticated => Measure::Ban,
    }
}

fn named(evidence: &Evidence) -> Vec<(String, String)> {
    evidence.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn span_of(ladder: &Ladder) -> Span {
    ladder.rung(1).span
}

fn end_of(ladder: &Ladder, now: Timestamp) -> Timestamp {
    end_of_span(span_of(ladder), now)
}

fn end_of_span(span: Span, now: Timestamp) -> Timestamp {
    Until::after(span, now).moment().unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{Caps, Event, Fact, Growth, List, Offence, Severity};

    fn ladder() -> Arc<Ladder> {
        Arc::new(Ladder {
            base: Duration::from_secs(100),
            growth: Growth::Fixed,
            steps: Vec::new(),
            permanent_after: 0,
            max: Span::Forever,
            forget_after: Span::Forever,
            prefix_v4: 32,
            prefix_v6: 128,
        })
    }

    fn seconds(at: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + at)
    }

    fn find(guard: &mut Guard, peer: &str, grade: Grade, respond: Respond, at: u64) {
        let offence = Offence {
            peer: peer.parse().unwrap(),
            origin: "anomaly port_scan".into(),
            grade,
            ladder: ladder(),
            evidence: Evidence(vec![("ports", "10".to_owned())]),
            trap: None,
            ports: None,
        };
        let anomaly = Anomaly { offence, severity: Severity::High, confidence: 80, respond };
        let fact = Fact::Anomaly(Box::new(anomaly));
        guard.handle_event(Event { at: seconds(at), fact }, seconds(at));
    }

    fn guard() -> Guard {
        let caps = Caps { proposals: 3, ..Caps::default() };
        let mut guard = Guard::new(caps);
        guard.configure(crate::Policy::default(), seconds(0));
        guard
    }

    fn held(guard: &Guard, list: List) -> usize {
        guard.register.roll(list).len()
    }

    #[test]
    fn what_can_be_forged_is_throttled_at_most() {
        let mut guard = guard();
        find(&mut guard, "203.0.113.7", Grade::Forgeable, Respond::Propose, 1);
        find(&mut guard, "203.0.113.8", Grade::Handshake, Respond::Propose, 1);
        let measures: Vec<_> = guard.proposals().iter().map(|one| one.measure).collect();
        assert_eq!(measures, [Measure::Ban, Measure::Throttle(Strength::Hard)]);
        assert_eq!((held(&guard, List::Ban), held(&guard, List::ThrottleHard)), (0, 0));
        find(&mut guard, "203.0.113.7", Grade::Forgeable, Respond::Auto, 2);
        find(&mut guard, "203.0.113.8", Grade::Handshake, Respond::Auto, 2);
        assert_eq!((held(&guard, List::Ban), held(&guard, List::ThrottleHard)), (1, 1));
    }

    #[test]
    fn who_is_banned_already_gains_nothing_by_going_on() {
        let mut guard = guard();
        for at in [1, 20, 40, 60] {
            find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Auto, at);
            find(&mut guard, "203.0.113.7", Grade::Forgeable, Respond::Propose, at + 1);
        }
        assert_eq!((held(&guard, List::Ban), guard.proposals().len()), (1, 0));
        // The ban of a hundred seconds is over, and was the first.
        guard.handle_timeout(seconds(102));
        assert_eq!(held(&guard, List::Ban), 0);
        assert_eq!(guard.offenders.get(&"203.0.113.7".parse().unwrap()).unwrap().offences, 1);
    }

    #[test]
    fn an_accepted_rule_is_in_force_and_ends() {
        let mut guard = guard();
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 1);
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 2);
        let proposal = &guard.proposals()[0];
        assert_eq!((proposal.times, guard.proposals().len()), (2, 1));
        let accept = |id| Command::Accept { id, author: Author::Operator(0) };
        assert!(guard.handle_command(accept(9), seconds(3)).is_err());
        guard.handle_command(accept(proposal.id), seconds(3)).unwrap();
        assert_eq!((held(&guard, List::Ban), guard.proposals().len()), (1, 0));
        assert!(guard.handle_command(accept(1), seconds(3)).is_err());
        guard.handle_timeout(seconds(104));
        assert_eq!(held(&guard, List::Ban), 0);
    }

    #[test]
    fn a_rule_that_is_refused_by_then_is_journalled_and_goes_on_waiting() {
        let mut guard = guard();
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 1);
        let known = ("203.0.113.7".parse().unwrap(), "gateway".into());
        let protected = Fact::Protected([known].into());
        guard.handle_event(Event { at: seconds(2), fact: protected }, seconds(2));
        std::iter::from_fn(|| guard.poll_record()).for_each(drop);
        let accept = Command::Accept { id: 1, author: Author::Operator(0) };
        assert!(guard.handle_command(accept, seconds(3)).is_err());
        let records = std::iter::from_fn(|| guard.poll_record());
        let notes = records.filter(|one| format!("{one:?}").contains("Refused"));
        assert_eq!((notes.count(), guard.proposals().len()), (1, 1));
    }

    #[test]
    fn what_was_dismissed_is_not_proposed_again_for_a_while() {
        let mut guard = guard();
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 1);
        let dismiss = Command::Dismiss { id: 1, author: Author::Operator(0) };
        guard.handle_command(dismiss.clone(), seconds(2)).unwrap();
        assert!(guard.handle_command(dismiss, seconds(2)).is_err());
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 50);
        assert!(guard.proposals().is_empty());
        guard.handle_timeout(seconds(200));
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 201);
        assert_eq!(guard.proposals()[0].id, 2);
    }

    #[test]
    fn nobody_protected_is_proposed_and_the_cap_holds() {
        let mut guard = guard();
        for peer in ["127.0.0.1", "0.0.0.0", "224.0.0.1"] {
            find(&mut guard, peer, Grade::Forgeable, Respond::Propose, 1);
        }
        assert!(guard.proposals().is_empty());
        for host in 1..=9 {
            find(
                &mut guard,
                &format!("203.0.113.{host}"),
                Grade::Handshake,
                Respond::Propose,
                host,
            );
        }
        let ids: Vec<u64> = guard.proposals().iter().map(|one| one.id).collect();
        assert_eq!(ids, [9, 8, 7]);
    }

    #[test]
    fn proposals_are_remembered() {
        let mut guard = guard();
        find(&mut guard, "203.0.113.7", Grade::Handshake, Respond::Propose, 1);
        let all: Vec<Proposal> = guard.proposals.iter().cloned().collect();
        let mut other = self::guard();
        other.handle_event(
            Event { at: seconds(2), fact: Fact::RestoredProposals(all.clone()) },
            seconds(2),
        );
        assert_eq!(other.proposals(), all);
        find(&mut other, "203.0.113.9", Grade::Handshake, Respond::Propose, 3);
        assert_eq!(other.proposals()[0].id, 2);
    }
}
