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
    /// The ports it is limited to; `None` for all.
    pub ports: Option<Arc<[Port]>>,
    /// The generation of changes that brought it to the kernel.
    pub generation: u64,
}

/// The holds of one list, by subject and by end.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    holds: SubjectMap<Hold>,
    /// The same subjects in the order in which they end, so that the next end and the cheapest
    /// one to evict are found at once.
    ends: BTreeSet<(Until, Subject)>,
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
        self.ends.insert((hold.until, subject));
        let end = hold.until;
        let before = self.holds.insert(subject, hold);
        if let Some(before) = &before
            && before.until != end
        {
            self.ends.remove(&(before.until, subject));
        }
        before
    }

    pub(super) fn remove(&mut self, subject: &Subject) -> Option<Hold> {
        let hold = self.holds.remove(subject)?;
        self.ends.remove(&(hold.until, *subject));
        Some(hold)
    }

    /// Returns when the next hold ends, `None` if none ever does.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().and_then(|(until, _)| until.moment())
    }

    /// Takes out one hold that is over at `now`.
    pub(super) fn pop_over(&mut self, now: Timestamp) -> Option<(Subject, Hold)> {
        let (until, subject) = *self.ends.first()?;
        until.is_over(now).then(|| self.remove(&subject).map(|hold| (subject, hold)))?
    }

    /// Returns the hold that may go to make room: the next to end among those that the guard
    /// itself decided. Looks at a bounded number of holds.
    pub(super) fn evictable(&self) -> Option<Subject> {
        self.ends
            .iter()
            .take(EVICTION_SEARCH)
            .map(|(_, subject)| *subject)
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

/// How many of the next-to-end holds are looked at for one that may be evicted. More operators'
/// holds than this in a row at the end of a full list mean that the newcomer is refused.
const EVICTION_SEARCH: usize = 1024;
