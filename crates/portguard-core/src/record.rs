//! What the ledger has to keep.

use crate::{
    Approval, Door, Entry, List, ListedDoor, ListedHold, Offender, Port, Proposal, Ruling,
    Standing, Subject,
};

/// One thing for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A journal line.
    Entry(Entry),
    /// A hold that is in force from here on; replaces the one with the same list, subject and
    /// whether it is limited to ports.
    Hold(ListedHold),
    /// A hold that is no longer in force.
    HoldEnded {
        /// The list.
        list: List,
        /// Whom it was about.
        subject: Subject,
        /// The ports it was limited to; empty for all.
        ports: Vec<Port>,
    },
    /// A subject's past.
    Offender(Subject, Offender),
    /// A door that is in force from here on; replaces the same door.
    Door(ListedDoor),
    /// A door that is no longer in force.
    DoorEnded(Door),
    /// An approval or a denial that an operator gave; replaces what was said of the same.
    Ruling(Ruling),
    /// An approval or a denial that an operator took back.
    RulingEnded(Approval),
    /// A proposed rule as it is from here on; replaces the one with the same number.
    Proposal(Proposal),
    /// A proposed rule that is none any more, by its number.
    ProposalEnded(u64),
    /// What operators decided about the posture, and what waits for confirmation.
    Standing(Standing),
}
