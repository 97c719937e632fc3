//! The doors that operators opened and shut: which, until when, and which ends next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{Author, Door, DoorAct, ListedDoor, Port, Timestamp, Until};

/// A door in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorHold {
    /// When it began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Until,
    /// Who did it.
    pub author: Author,
    /// The service that was named, or empty.
    pub service: Arc<str>,
    /// The generation of changes that brought it to the kernel.
    pub generation: u64,
}

/// All doors in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    holds: BTreeMap<Door, DoorHold>,
    ends: BTreeSet<(Until, Door)>,
}

impl Doors {
    pub(super) fn len(&self) -> usize {
        self.holds.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Door, &DoorHold)> {
        self.holds.iter().map(|(door, hold)| (*door, hold))
    }

    pub(super) fn get(&self, door: Door) -> Option<&DoorHold> {
        self.holds.get(&door)
    }

    /// Returns what is done to a port for everybody.
    pub(super) fn for_everybody(&self, act: DoorAct, port: Port) -> Option<&DoorHold> {
        self.get(Door { act, from: None, port })
    }

    /// Returns the doors of a port that are open for certain sources only.
    pub(super) fn for_some(&self, port: Port) -> impl Iterator<Item = (Door, &DoorHold)> {
        self.iter().filter(move |(door, _)| door.port == port && door.from.is_some())
    }

    pub(super) fn insert(&mut self, door: Door, hold: DoorHold) {
        self.ends.insert((hold.until, door));
        let until = hold.until;
        if let Some(before) = self.holds.insert(door, hold)
            && before.until != until
        {
            self.ends.remove(&(before.until, door));
        }
    }

    pub(super) fn remove(&mut self, door: Door) -> Option<DoorHold> {
        let hold = self.holds.remove(&door)?;
        self.ends.remove(&(hold.until, door));
        Some(hold)
    }

    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().and_then(|(until, _)| until.moment())
    }

    /// Takes out all doors that are over at `now`.
    pub(super) fn take_over(&mut self, now: Timestamp) -> Vec<Door> {
        let mut over = Vec::new();
        while let Some((until, door)) = self.ends.first().copied()
            && until.is_over(now)
        {
            self.remove(door);
            over.push(door);
        }
        over
    }
}

/// Returns a door as the ledger keeps it.
pub(super) fn listed(door: Door, hold: &DoorHold) -> ListedDoor {
    ListedDoor {
        door,
        since: hold.since,
        until: hold.until,
        author: hold.author,
        service: hold.service.clone(),
    }
}
