//! Control groups whose sockets open their ports: one set for each approval and depth.
//!
//! A unit that starts anew has a new group, so these sets change while the frame stays.

use std::{collections::BTreeSet, io};

use netlink_packet_core::NLM_F_CREATE;
use portguard_core::UnitDoor;
use thiserror::Error;

use super::{
    element::{self, Lifetime},
    set::{Key, unit_set_name},
    socket::{Nack, Socket},
    table::Table,
    wire::kind,
};

/// The number of no control group: the element that every set of groups holds for ever, and by
/// whose absence a flush is known.
const SENTINEL: u64 = u64::MAX;

/// Why control groups could not be set.
#[derive(Debug, Error)]
pub enum UnitError {
    /// The frame has no set for groups of this approval at this depth. Nothing was changed; the
    /// owner adds them to the frame's `unit_levels`, applies the frame and tries again.
    #[error("the frame has no set for approval {0} at depth {1}")]
    MissingSet(u16, u8),
    /// The kernel refused.
    #[error("the kernel refused the control groups of units")]
    Refused(#[from] io::Error),
}

impl Table {
    /// Makes exactly these control groups open their ports.
    ///
    /// # Errors
    /// See [`UnitError`].
    pub fn set_units(&mut self, wanted: &BTreeSet<UnitDoor>) -> Result<(), UnitError> {
        let missing = |door: &&UnitDoor| !self.unit_sets.contains(&(door.approval, door.level));
        if let Some(door) = wanted.iter().find(missing) {
            return Err(UnitError::MissingSet(door.approval, door.level));
        }
        let mut transaction = self.socket.begin();
        for (approval, level) in &self.unit_sets {
            let set = unit_set_name(*approval, *level);
            transaction.message(kind::DEL_ELEMENT, 0, |body| {
                element::write_named_set(body, &self.name, &set);
            });
            let is_in_set = |door: &&UnitDoor| door.approval == *approval && door.level == *level;
            let groups = wanted.iter().filter(is_in_set).map(|door| door.group);
            transaction.message(kind::NEW_ELEMENT, NLM_F_CREATE, |body| {
                element::write_named_elements(body, &self.name, &set, |elements| {
                    for group in groups.chain([SENTINEL]) {
                        element::write_new(elements, key(group), Lifetime::FOREVER, None);
                    }
                });
            });
        }
        let settled =
            if self.unit_sets.is_empty() { Ok(()) } else { self.socket.commit(transaction)? };
        settled.map_err(|Nack { errno }| UnitError::Refused(errno.into()))?;
        self.are_units_set = !self.unit_sets.is_empty();
        Ok(())
    }
}

/// Returns whether each of the sets holds its sentinel.
pub(super) fn are_marked(
    socket: &mut Socket,
    table: &str,
    sets: &BTreeSet<(u16, u8)>,
) -> io::Result<bool> {
    for (approval, level) in sets {
        let set = unit_set_name(*approval, *level);
        if super::batch::look_up_in(socket, table, &set, key(SENTINEL))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns a group's number as the kernel compares it: in the host's own byte order.
fn key(group: u64) -> Key {
    Key::from_bytes(&group.to_ne_bytes()).expect("eight bytes are shorter than an address")
}
