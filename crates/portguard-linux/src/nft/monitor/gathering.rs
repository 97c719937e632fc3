//! Gathers the messages of a transaction and says what it did. Pure.
//!
//! The kernel tells of a transaction message by message, one transaction after the other, and
//! closes each with the generation it made and the process that asked for it.

use std::{collections::BTreeSet, sync::Arc};

use portguard_core::Process;

use super::{Added, ForeignChange, Notice};
use crate::nft::{
    element::{self, Record},
    ownership::Ownership,
    set::ListSet,
    wire::{self, Message, kind},
};

/// How many elements of one foreign transaction are kept.
///
/// An administrator's transaction has few. What a flush takes along need not be kept; anything else
/// that is longer is told of as an overrun.
const KEPT_ELEMENTS: usize = 65_536;

/// Attributes of the message that closes a transaction (`enum nft_gen_attributes`).
const GENERATION: u16 = 1;
const PROCESS_ID: u16 = 2;
const PROCESS_NAME: u16 = 3;

pub(super) struct Gathering {
    table: String,
    ownership: Arc<Ownership>,
    change: ForeignChange,
    /// Sets of which more elements came than are kept.
    unkept: BTreeSet<ListSet>,
    /// Whether the beginning of the transaction may be missing.
    is_torn: bool,
}

impl Gathering {
    pub(super) fn new(table: &str, ownership: Arc<Ownership>) -> Self {
        Self {
            table: table.to_owned(),
            ownership,
            change: ForeignChange::default(),
            unkept: BTreeSet::new(),
            is_torn: false,
        }
    }

    /// Forgets what was gathered, and does not trust what comes up to the next closing message:
    /// the rest of a flush would look like single removals.
    pub(super) fn tear(&mut self) {
        self.change = ForeignChange::default();
        self.unkept.clear();
        self.is_torn = true;
    }

    /// Takes the messages of one datagram in; returns what the transactions did that it closes.
    pub(super) fn take(&mut self, datagram: &[u8]) -> Vec<Notice> {
        let mut notices = Vec::new();
        for message in wire::messages(datagram) {
            if message.kind() == Some(kind::NEW_GENERATION) {
                notices.extend(self.close(&message));
            // Our own bulk changes are the most of what comes: they are not even looked into.
            } else if !self.ownership.is_own_socket(message.port_id)
                && message.is_about(&self.table)
            {
                self.note(&message);
            }
        }
        notices
    }

    fn note(&mut self, message: &Message<'_>) {
        match message.kind() {
            Some(kind::NEW_ELEMENT) => self.note_elements(message, Self::note_added),
            Some(kind::DEL_ELEMENT) => self.note_elements(message, Self::note_removed),
            Some(
                kind::NEW_TABLE
                | kind::DEL_TABLE
                | kind::NEW_CHAIN
                | kind::DEL_CHAIN
                | kind::NEW_RULE
                | kind::DEL_RULE
                | kind::NEW_SET
                | kind::DEL_SET,
            ) => self.change.frame = true,
            _ => {}
        }
    }

    fn note_elements(
        &mut self,
        message: &Message<'_>,
        note: impl Fn(&mut ForeignChange, ListSet, &Record),
    ) {
        let Some(set) = element::set_name(message).and_then(ListSet::from_name) else {
            // Nobody else fills meters or the sets of control groups.
            self.change.frame = true;
            return;
        };
        for record in element::records(message) {
            let is_sentinel = record.key == set.sentinel();
            if self.change.added.len() + self.change.removed.len() < KEPT_ELEMENTS || is_sentinel {
                note(&mut self.change, set, &record);
            } else {
                self.unkept.insert(set);
            }
        }
    }

    fn note_added(change: &mut ForeignChange, set: ListSet, record: &Record) {
        if let Some(element) = set.element(record.key.as_bytes()) {
            change.added.push(Added { element, stays: record.lifetime.remaining() });
        }
    }

    fn note_removed(change: &mut ForeignChange, set: ListSet, record: &Record) {
        if record.key == set.sentinel() {
            change.flushed.insert(set);
        } else {
            change.removed.extend(set.element(record.key.as_bytes()));
        }
    }

    /// Ends a transaction: `None` if it was our own or not about our table.
    fn close(&mut self, message: &Message<'_>) -> Option<Notice> {
        let mut change = std::mem::take(&mut self.change);
        let unkept = std::mem::take(&mut self.unkept);
        let was_torn = std::mem::take(&mut self.is_torn);
        let number = |kind| message.attribute(kind).and_then(wire::u32_be);
        let made = number(GENERATION).unwrap_or_default();
        if self.ownership.is_own(message.port_id, made) {
            return None;
        }
        let ForeignChange { by, added, removed, flushed, frame } = &mut change;
        if was_torn || !unkept.is_subset(flushed) {
            return Some(Notice::Overrun);
        }
        let name = message.attribute(PROCESS_NAME).and_then(wire::text).unwrap_or_default();
        *by = Process { pid: number(PROCESS_ID), name: name.to_owned() };
        removed.retain(|element| !flushed.contains(&ListSet::of(element)));
        let touched = *frame || !added.is_empty() || !removed.is_empty() || !flushed.is_empty();
        touched.then_some(Notice::Change(change))
    }
}

#[cfg(test)]
mod tests {
    use portguard_core::Element;

    use super::*;
    use crate::nft::{element::Lifetime, set::Key, wire::Writer};

    const OWN: u32 = 7;
    const STRANGER: u32 = 500;

    #[test]
    fn a_flush_of_any_length_is_a_flush() {
        let mut gathering = gathering();
        for part in 0..70 {
            gathering.take(&removal(STRANGER, &bans(part * 1000, 1000)));
        }
        gathering.take(&removal(STRANGER, &[ban4().sentinel()]));
        let notices = gathering.take(&close(STRANGER));
        let Some(Notice::Change(change)) = notices.first() else { panic!("{notices:?}") };
        assert_eq!(change.by.name, "nft");
        assert_eq!(change.flushed, BTreeSet::from([ban4()]));
        assert_eq!(change.removed, Vec::<Element>::new());
    }

    #[test]
    fn more_single_removals_than_are_kept_are_an_overrun() {
        let mut gathering = gathering();
        for part in 0..70 {
            gathering.take(&removal(STRANGER, &bans(part * 1000, 1000)));
        }
        assert_eq!(gathering.take(&close(STRANGER)), [Notice::Overrun]);
        assert_eq!(gathering.take(&close(STRANGER)), []);
    }

    #[test]
    fn the_rest_of_a_torn_flush_is_not_taken_for_removals() {
        let mut gathering = gathering();
        gathering.take(&removal(STRANGER, &bans(0, 3)));
        gathering.tear();
        gathering.take(&removal(STRANGER, &bans(3, 3)));
        assert_eq!(gathering.take(&close(STRANGER)), [Notice::Overrun]);

        gathering.tear();
        assert_eq!(gathering.take(&close(OWN)), []);
        gathering.take(&removal(STRANGER, &bans(0, 1)));
        assert!(matches!(&gathering.take(&close(STRANGER))[..], [Notice::Change(_)]));
    }

    #[test]
    fn our_own_transactions_are_passed_over() {
        let mut gathering = gathering();
        gathering.take(&removal(OWN, &bans(0, 3)));
        assert_eq!(gathering.take(&close(OWN)), []);
        gathering.ownership.begin_helper(STRANGER, 40);
        gathering.take(&removal(STRANGER, &bans(0, 3)));
        assert_eq!(gathering.take(&close(STRANGER)), []);
        gathering.ownership.end_helper(STRANGER, 41);
    }

    fn gathering() -> Gathering {
        Gathering::new("guard", Arc::new(Ownership::new(OWN)))
    }

    fn ban4() -> ListSet {
        ListSet::from_name("ban4").unwrap()
    }

    fn bans(first: u32, count: u32) -> Vec<Key> {
        (first..first + count).map(|n| Key::from_bytes(&n.to_be_bytes()).unwrap()).collect()
    }

    fn removal(port_id: u32, keys: &[Key]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.message(kind::DEL_ELEMENT, 0, 0, |body| {
            element::write_elements(body, "guard", ban4(), |elements| {
                for key in keys {
                    element::write_new(elements, *key, Lifetime::FOREVER, None);
                }
            });
        });
        sent_for(port_id, &writer)
    }

    /// Closes a transaction that made generation 41.
    fn close(port_id: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.message(kind::NEW_GENERATION, 0, 0, |body| {
            body.attribute(GENERATION, &41_u32.to_be_bytes());
            body.text(PROCESS_NAME, "nft");
        });
        sent_for(port_id, &writer)
    }

    fn sent_for(port_id: u32, writer: &Writer) -> Vec<u8> {
        let mut bytes = writer.as_bytes().to_vec();
        bytes[12..16].copy_from_slice(&port_id.to_ne_bytes());
        bytes
    }
}
