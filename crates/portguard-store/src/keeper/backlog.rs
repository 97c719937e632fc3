//! Records that wait to be written, in bounded memory.
//!
//! State (holds, offenders, doors, rulings, the standing) waits newest-wins by key. Journal lines wait in their order; beyond the
//! limit the oldest goes and is counted.

use std::collections::{BTreeMap, VecDeque};

use portguard_core::{Approval, Door, Entry, List, Record, Subject};

/// How many journal lines, and how many changes of state, may wait.
///
/// Six bursts of 10,000 bans; 20 MiB of memory where the texts are short. Beyond it the oldest line is dropped and
/// counted; changes of state are given up for the full state, which the guard has anyway.
pub(super) const LIMIT: usize = 65_536;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    state: BTreeMap<Key, Record>,
    entries: VecDeque<Entry>,
    lost_entries: u64,
    has_overflown: bool,
}

/// What a change of state is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The last part tells whether it is limited to ports.
    Hold(Subject, List, bool),
    Offender(Subject),
    Door(Door),
    Proposal(u64),
    Ruling(Approval),
    Standing,
}

impl Backlog {
    /// Adds records, newest last.
    pub(super) fn extend(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            match record {
                Record::Entry(entry) => self.entries.push_back(entry),
                record => self.add_state(record),
            }
        }
        self.drop_oldest_entries();
    }

    /// Takes out up to `most` records in the order in which they are to be written.
    pub(super) fn take(&mut self, most: usize) -> Option<Vec<Record>> {
        let mut batch = Vec::with_capacity(most.min(self.len()));
        while batch.len() < most
            && let Some((_, record)) = self.state.pop_first()
        {
            batch.push(record);
        }
        let room = (most - batch.len()).min(self.entries.len());
        batch.extend(self.entries.drain(..room).map(Record::Entry));
        if batch.is_empty() { None } else { Some(batch) }
    }

    /// Puts back what [`Backlog::take`] took, if nothing was added since.
    pub(super) fn put_back(&mut self, batch: Vec<Record>) {
        for record in batch.into_iter().rev() {
            match record {
                Record::Entry(entry) => self.entries.push_front(entry),
                record => self.add_state(record),
            }
        }
        self.drop_oldest_entries();
    }

    /// Drops all changes of state: the full state has taken their place.
    pub(super) fn forget_state(&mut self) {
        self.state.clear();
        self.has_overflown = false;
    }

    /// Returns whether changes of state were given up since this was last asked.
    pub(super) fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.has_overflown)
    }

    pub(super) fn len(&self) -> usize {
        self.state.len() + self.entries.len()
    }

    pub(super) fn lost_entries(&self) -> u64 {
        self.lost_entries
    }

    fn add_state(&mut self, record: Record) {
        let Some(key) = key(&record) else { return };
        self.state.insert(key, record);
        if self.state.len() > LIMIT {
            self.state.clear();
            self.has_overflown = true;
        }
    }

    fn drop_oldest_entries(&mut self) {
        let surplus = self.entries.len().saturating_sub(LIMIT);
        self.entries.drain(..surplus);
        self.lost_entries += surplus as u64;
    }
}

fn key(record: &Record) -> Option<Key> {
    match record {
        Record::Entry(_) => None,
        Record::Hold(hold) => Some(Key::Hold(hold.subject, hold.list, !hold.ports.is_empty())),
        Record::HoldEnded { list, subject, ports } => {
            Some(Key::Hold(*subject, *list, !ports.is_empty()))
        }
        Record::Offender(subject, _) => Some(Key::Offender(*subject)),
        Record::Door(listed) => Some(Key::Door(listed.door)),
        Record::DoorEnded(door) => Some(Key::Door(*door)),
        Record::Ruling(ruling) => Some(Key::Ruling(ruling.of.clone())),
        Record::RulingEnded(of) => Some(Key::Ruling(of.clone())),
        Record::Proposal(proposal) => Some(Key::Proposal(proposal.id)),
        Record::ProposalEnded(id) => Some(Key::Proposal(*id)),
        Record::Standing(_) => Some(Key::Standing),
    }
}
