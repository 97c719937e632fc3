//! One list's holds: whom it holds, since when, until when, and who is next to go.

use std::{collections::BTreeSet, sync::Arc};

use crate::{Author, Port, Subject, SubjectMap, Timestamp, Until};

/// A measure in force on one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Until,
    /// Which ban in a row it is; 0 if it is none that a ladder gave.
    pub nth_ban: u32,
    /// Who decided it.
    pub author: Author,
    /// Why.
    pub reason: Arc<str>,
    /// The ports it is limited to; `None` for all. One pointer wide, as there may be a million.
    pub ports: Option<Arc<Vec<Port>>>,
    /// The generation of changes that brought it to the kernel.
    pub generation: u64,
}

impl Hold {
    /// Returns the ports it is limited to; none for all.
    pub fn port_list(&self) -> &[Port] {
        self.ports.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// The holds of one list, by subject and by end.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    holds: SubjectMap<Hold>,
    /// The same subjects in the order in which they end, so that the next end and the cheapest
    /// one to evict are found at once.
    ends: BTreeSet<End>,
}

impl Roll {
    pub(super) fn holds(&self) -> &SubjectMap<Hold> {
        &self.holds
    }

    pub(super) fn len(&self) -> usize {
        self.holds.len()
    }

    pub(super) fn get(&self, subject: &Subject) -> Option<&Hold> {
        self.holds.get(subject)
    }

    /// Returns the widest hold that covers `subject`.
    pub(super) fn covering(&self, subject: Subject) -> Option<(Subject, &Hold)> {
        self.holds.covering(subject).next()
    }

    /// Returns the subjects held inside `subject`.
    pub(super) fn subjects_within(&self, subject: Subject) -> Vec<Subject> {
        self.holds.within(subject).map(|(key, _)| *key).collect()
    }

    pub(super) fn insert(&mut self, subject: Subject, hold: Hold) -> Option<Hold> {
        self.ends.insert(End::of(hold.until, subject));
        let end = hold.until;
        let before = self.holds.insert(subject, hold);
        if let Some(before) = &before
            && before.until != end
        {
            self.ends.remove(&End::of(before.until, subject));
        }
        before
    }

    pub(super) fn remove(&mut self, subject: &Subject) -> Option<Hold> {
        let hold = self.holds.remove(subject)?;
        self.ends.remove(&End::of(hold.until, *subject));
        Some(hold)
    }

    /// Returns when the next hold ends, `None` if none ever does.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().and_then(|end| end.until().moment())
    }

    /// Takes out one hold that is over at `now`.
    pub(super) fn pop_over(&mut self, now: Timestamp) -> Option<(Subject, Hold)> {
        let End { subject, .. } = *self.ends.first().filter(|end| end.until().is_over(now))?;
        self.remove(&subject).map(|hold| (subject, hold))
    }

    /// Returns the hold that may go to make room: the next to end among those that the guard
    /// itself decided. Looks at a bounded number of holds.
    pub(super) fn evictable(&self) -> Option<Subject> {
        self.ends
            .iter()
            .take(EVICTION_SEARCH)
            .map(|end| end.subject)
            .find(|subject| self.get(subject).is_some_and(|hold| hold.author == Author::Guard))
    }

    /// Takes everything out.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn into_holds(self) -> SubjectMap<Hold> {
        self.holds
    }
}

/// When a subject's hold ends, ordered by that. The moment is kept as bytes, highest first, so that
/// a million of these need no padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    millis: [u8; 8],
    subject: Subject,
}

impl End {
    fn of(until: Until, subject: Subject) -> Self {
        let moment = until.moment().unwrap_or(Timestamp::MAX);
        Self { millis: moment.as_millis().to_be_bytes(), subject }
    }

    fn until(&self) -> Until {
        Until::at(Timestamp::from_millis(u64::from_be_bytes(self.millis)))
    }
}

/// How many of the next-to-end holds are looked at for one that may be evicted. More operators'
/// holds than this in a row at the end of a full list mean that the newcomer is refused.
const EVICTION_SEARCH: usize = 1024;
