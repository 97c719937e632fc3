//! Who misbehaved before, how often, and when that is forgotten. Bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{Span, Subject, Timestamp};

use super::step::Step;

/// What is remembered of a subject's misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offender {
    /// Offences since the subject was last forgotten.
    pub offences: u32,
    /// Bans among what followed from them.
    pub bans: u32,
    /// The first of these offences.
    pub first: Timestamp,
    /// The last of these offences.
    pub last: Timestamp,
}

/// Offenders by subject, at most `cap`; when full, the one whose last offence is longest ago goes.
#[derive(Clone, Debug)]
pub(super) struct Offenders {
    by_subject: BTreeMap<Subject, Offender>,
    by_last: BTreeSet<(Timestamp, Subject)>,
    cap: usize,
}

impl Offenders {
    pub(super) fn new(cap: usize) -> Self {
        Self { by_subject: BTreeMap::new(), by_last: BTreeSet::new(), cap: cap.max(1) }
    }

    pub(super) fn len(&self) -> usize {
        self.by_subject.len()
    }

    pub(super) fn get(&self, subject: &Subject) -> Option<&Offender> {
        self.by_subject.get(subject)
    }

    pub(super) fn after(
        &self,
        subject: Option<Subject>,
    ) -> impl Iterator<Item = (&Subject, &Offender)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.by_subject.range((subject.map_or(Unbounded, Excluded), Unbounded))
    }

    /// Returns the subjects whose last offence is newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (Subject, &Offender)> {
        self.by_last
            .iter()
            .rev()
            .filter_map(|(_, subject)| self.by_subject.get(subject).map(|past| (*subject, past)))
    }

    /// Counts one offence at `now` and returns the subject's past, this offence included. A
    /// subject that has behaved for `forget_after` starts anew; a network that has no past of its
    /// own has that of the worst inside it, as after an import or a change of the ban's width.
    pub(super) fn count(
        &mut self,
        subject: Subject,
        now: Timestamp,
        forget_after: Span,
    ) -> Offender {
        let inside = self.by_subject.range(subject..).take_while(|(key, _)| subject.covers(key));
        let known = match self.by_subject.get(&subject) {
            Some(past) => Some(past),
            None => inside.map(|(_, past)| past).max_by_key(|past| (past.bans, past.offences)),
        };
        let past = match known {
            Some(past) if !is_forgotten(past, now, forget_after) => *past,
            _ => Offender { offences: 0, bans: 0, first: now, last: now },
        };
        let past = Offender { offences: past.offences.saturating_add(1), last: now, ..past };
        self.put(subject, past);
        past
    }

    /// Moves every moment by a step of the clock.
    pub(super) fn step(&mut self, step: Step) {
        for past in self.by_subject.values_mut() {
            past.first = step.moment(past.first);
            past.last = step.moment(past.last);
        }
        let stepped = self.by_subject.iter().map(|(subject, past)| (past.last, *subject));
        self.by_last = stepped.collect();
    }

    /// Puts an offender's past in place and returns the subject that had to go for it.
    pub(super) fn put(&mut self, subject: Subject, past: Offender) -> Option<Subject> {
        if let Some(before) = self.by_subject.insert(subject, past) {
            self.by_last.remove(&(before.last, subject));
        }
        self.by_last.insert((past.last, subject));
        if self.by_subject.len() <= self.cap {
            return None;
        }
        let (_, oldest) = self.by_last.pop_first()?;
        self.by_subject.remove(&oldest);
        Some(oldest)
    }
}

fn is_forgotten(past: &Offender, now: Timestamp, forget_after: Span) -> bool {
    match forget_after {
        Span::Forever => false,
        Span::For(quiet) => now.since(past.last) > quiet.max(Duration::from_millis(1)),
    }
}
