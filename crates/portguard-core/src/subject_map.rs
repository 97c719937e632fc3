//! A map from subjects to values that also answers "what covers this?" and "what lies inside?".
//!
//! One ordered map and a count of the prefix lengths in use: a question costs one look-up for each
//! length in use. With a million single addresses this takes about half the memory of a radix
//! tree, which keeps two nodes for each; that is why no crate is used here.

use std::{collections::BTreeMap, ops::Bound};

use crate::{Family, Subject};

/// Values by subject, in [`Subject`] order.
#[derive(Clone, Debug)]
pub struct SubjectMap<V> {
    values: BTreeMap<Subject, V>,
    lengths_v4: LengthsInUse,
    lengths_v6: LengthsInUse,
}

/// How many subjects of one family have each prefix length.
type LengthsInUse = BTreeMap<u8, usize>;

impl<V> Default for SubjectMap<V> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), lengths_v4: BTreeMap::new(), lengths_v6: BTreeMap::new() }
    }
}

impl<V> SubjectMap<V> {
    /// Returns how many subjects there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the value of exactly this subject.
    pub fn get(&self, subject: &Subject) -> Option<&V> {
        self.values.get(subject)
    }

    /// Returns the value of exactly this subject, to be changed.
    pub fn get_mut(&mut self, subject: &Subject) -> Option<&mut V> {
        self.values.get_mut(subject)
    }

    /// Puts a value in and returns the one that it replaces.
    pub fn insert(&mut self, subject: Subject, value: V) -> Option<V> {
        let before = self.values.insert(subject, value);
        if before.is_none() {
            *self.lengths_mut(subject.family()).entry(subject.prefix_len()).or_default() += 1;
        }
        before
    }

    /// Takes the value of exactly this subject out.
    pub fn remove(&mut self, subject: &Subject) -> Option<V> {
        let value = self.values.remove(subject)?;
        let lengths = self.lengths_mut(subject.family());
        if let Some(count) = lengths.get_mut(&subject.prefix_len()) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&subject.prefix_len());
            }
        }
        Some(value)
    }

    /// Returns the entries whose subject covers `subject`, widest first.
    pub fn covering(&self, subject: Subject) -> impl Iterator<Item = (Subject, &V)> {
        let lengths = match subject.family() {
            Family::V4 => &self.lengths_v4,
            Family::V6 => &self.lengths_v6,
        };
        lengths.range(..=subject.prefix_len()).filter_map(move |(length, _)| {
            let key = subject.widened(*length);
            self.values.get(&key).map(|value| (key, value))
        })
    }

    /// Returns the entries that lie inside `subject`, itself included, in order.
    pub fn within(&self, subject: Subject) -> impl Iterator<Item = (&Subject, &V)> {
        // Nothing that starts inside a network ends outside it, so a range is enough.
        self.values.range(subject..).take_while(move |(key, _)| subject.covers(key))
    }

    /// Returns all entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &V)> {
        self.values.iter()
    }

    /// Returns the entries behind `subject` in order; all of them for `None`.
    pub fn after(&self, subject: Option<Subject>) -> impl Iterator<Item = (&Subject, &V)> {
        let start = subject.map_or(Bound::Unbounded, Bound::Excluded);
        self.values.range((start, Bound::Unbounded))
    }

    fn lengths_mut(&mut self, family: Family) -> &mut LengthsInUse {
        match family {
            Family::V4 => &mut self.lengths_v4,
            Family::V6 => &mut self.lengths_v6,
        }
    }
}
