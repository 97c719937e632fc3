//! Other hands in our sets: an administrator's `nft`, and what was there before the daemon came.

use std::{sync::Arc, time::Duration};

use crate::{
    Author, Change, Element, List, ListedHold, Measure, Note, Process, ReleaseCause, Subject,
    Timestamp, Until,
};

use super::{Guard, roll::Hold};

impl Guard {
    /// Takes an element that somebody else added as that administrator's decision, unless its
    /// subject must not be touched or the list is not theirs to change. An element that was there
    /// already got a new end.
    pub(super) fn adopt(&mut self, element: Element, until: Until, by: &Process, now: Timestamp) {
        if List::OF_DOORS.contains(&element.list) {
            return self.adopt_door(element, until, now);
        }
        match self.in_force(element) {
            Some(hold)
                if hold.author == Author::Configuration || is_about_the_same(hold.until, until) =>
            {
                let until = hold.until;
                self.change(Change::Install(element, until));
            }
            _ => {
                let reason: Arc<str> = format!("added to the kernel's set by {by}").into();
                self.adopt_with_reason(element, until, reason, now);
            }
        }
    }

    /// Takes over what the kernel held before the daemon came and the ledger does not know.
    pub(super) fn adopt_unknown(&mut self, elements: &[(Element, Until)], now: Timestamp) {
        for (element, until) in elements {
            if List::OF_DOORS.contains(&element.list) {
                self.adopt_unknown_door(*element, *until, now);
                continue;
            }
            if self.in_force(*element).is_none() {
                let reason = "found in the kernel's set when the daemon came up".into();
                self.adopt_with_reason(*element, *until, reason, now);
            }
        }
    }

    fn adopt_with_reason(
        &mut self,
        element: Element,
        until: Until,
        reason: Arc<str>,
        now: Timestamp,
    ) {
        let Element { list, subject, port } = element;
        let Some(measure) = Measure::of(list) else {
            // The protected ones follow from the configuration and the host alone.
            self.change(Change::Remove(element));
            return;
        };
        if measure != Measure::Allow
            && let Some(refusal) = self.excuse_whole(subject, now)
        {
            self.put_back(element);
            let author = Author::Administrator;
            self.note(Note::Refused { subject, measure, refusal, author }, now);
            return;
        }
        let ports = port.map(|port| self.with_known_ports(subject, port));
        let (since, author) = (now, Author::Administrator);
        let hold = Hold { since, until, nth_ban: 0, author, reason, ports, generation: 0 };
        if let Err(refusal) = self.hold(measure, subject, hold, now) {
            self.put_back(element);
            self.note(Note::Refused { subject, measure, refusal, author }, now);
        } else if measure == Measure::Allow {
            self.free(subject, &ReleaseCause::Allowed, now);
        }
    }

    /// Takes the removal of an element as that administrator's decision. What the configuration
    /// or the host's own addresses demand is put back.
    pub(super) fn let_go(&mut self, element: Element, by: &Process, now: Timestamp) {
        if List::OF_DOORS.contains(&element.list) {
            return self.let_go_door(element, by, now);
        }
        let Element { list, subject, port } = element;
        self.unconfirmed.remove(&subject);
        let roll = self.register.roll_for(list, port.is_some());
        let Some(hold) = roll.get(&subject).cloned() else { return };
        if hold.author == Author::Configuration {
            self.change(Change::Install(element, hold.until));
            let what = format!("removal of {element}, which the configuration demands");
            self.note(Note::Repaired { what, by: by.clone() }, now);
            return;
        }
        let ports = hold.port_list();
        let left: Vec<_> = ports.iter().filter(|known| Some(**known) != port).copied().collect();
        roll.remove(&subject);
        if left.is_empty() {
            let cause = ReleaseCause::Lifted(Author::Administrator);
            self.forget_hold(list, (subject, &hold), cause, now);
        } else {
            let ended = crate::Record::HoldEnded { list, subject, ports: ports.to_vec() };
            self.records.push_back(ended);
            let fewer = Hold { ports: Some(Arc::new(left)), author: Author::Administrator, ..hold };
            // The subject was there a moment ago, so there is room for it.
            let _ = self.hold(Measure::Ban, subject, fewer, now);
        }
    }

    /// Takes over holds that the ledger remembers, without a word in the journal. Those that
    /// ended while nobody watched end now.
    pub(super) fn restore(&mut self, holds: Vec<ListedHold>, now: Timestamp) {
        for listed in holds {
            let ListedHold { list, subject, since, until, nth_ban, author, reason, .. } = listed;
            let ports = (!listed.ports.is_empty()).then(|| Arc::new(listed.ports));
            let mut hold = Hold { since, until, nth_ban, author, reason, ports, generation: 0 };
            if until.is_over(now) {
                self.forget_hold(list, (subject, &hold), ReleaseCause::Expired, now);
                continue;
            }
            let Some(measure) = Measure::of(list) else { continue };
            let spared = measure != Measure::Allow && self.excuse_whole(subject, now).is_some();
            let roll = self.register.roll_for(list, hold.ports.is_some());
            let is_weaker = roll.get(&subject).is_some_and(|known| known.until >= hold.until);
            if spared || is_weaker {
                continue;
            }
            if let Err(refusal) = self.make_room(measure, subject, hold.ports.is_some(), now) {
                self.note(Note::Refused { subject, measure, refusal, author }, now);
                continue;
            }
            let ports = hold.port_list().to_vec();
            hold.generation = self.install(list, subject, &ports, until);
            self.register.roll_for(list, hold.ports.is_some()).insert(subject, hold);
            if measure == Measure::Allow {
                self.free(subject, &ReleaseCause::Allowed, now);
            }
        }
    }

    /// Returns why a whole subject must not be touched: its own excuse, or that of a protected
    /// subject inside it.
    pub(super) fn excuse_whole(
        &mut self,
        subject: Subject,
        now: Timestamp,
    ) -> Option<super::Refusal> {
        if let Some(refusal) = self.excuse(subject, now) {
            return Some(refusal);
        }
        if let Some((inside, why)) = subject.reserved_inside() {
            return Some(super::Refusal::covers_protected(subject, inside, why));
        }
        let mut inside = self.register.roll(List::Protect).holds().within(subject);
        let (protected, hold) = inside.next()?;
        Some(super::Refusal::covers_protected(subject, *protected, &hold.reason))
    }

    fn in_force(&self, element: Element) -> Option<&Hold> {
        let Element { list, subject, port } = element;
        match port {
            None => self.register.roll(list).get(&subject),
            Some(port) => self
                .register
                .port_bans
                .get(&subject)
                .filter(|hold| hold.port_list().contains(&port)),
        }
    }

    /// Makes the kernel hold again what was in force before another hand changed it.
    fn put_back(&mut self, element: Element) {
        let change = match self.in_force(element) {
            Some(hold) => Change::Install(element, hold.until),
            None => Change::Remove(element),
        };
        self.change(change);
    }

    fn with_known_ports(&self, subject: Subject, port: crate::Port) -> Arc<Vec<crate::Port>> {
        let known = self.register.port_bans.get(&subject).map(Hold::port_list);
        Arc::new(known.unwrap_or_default().iter().copied().chain([port]).collect())
    }
}

/// Returns whether two ends differ by no more than the kernel's and our own reckoning may.
pub(super) fn is_about_the_same(one: Until, other: Until) -> bool {
    match (one.moment(), other.moment()) {
        (Some(one), Some(other)) => one.since(other).max(other.since(one)) < SAME_END,
        (one, other) => one == other,
    }
}

/// How far our own and the kernel's reckoning of the same end may lie apart.
const SAME_END: Duration = Duration::from_secs(2);
