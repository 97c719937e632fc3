//! What the views show.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use crate::{Health, List, Note, Offence, Pending, Port, Posture, Timestamp};

use super::Guard;

/// What the enforcer last reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Enforced {
    pub(super) generation: u64,
    pub(super) failure: Option<Arc<str>>,
}

/// How a source does, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// How it does.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
}

/// A trap and its catch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrapState {
    /// Why the trap does not stand, if it does not.
    pub missing: Option<String>,
    /// How often it was touched since the daemon came up.
    pub touched: u64,
    /// Who touched it last, and when.
    pub last: Option<(IpAddr, Timestamp)>,
}

/// The guard at one moment, for the views. Small: lists are asked for page by page.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment.
    pub at: Timestamp,
    /// How many subjects each list holds.
    pub held: BTreeMap<List, usize>,
    /// How many subjects are banned for certain ports only.
    pub port_bans: usize,
    /// How many offenders are remembered.
    pub offenders: usize,
    /// The generation of the last change.
    pub generation: u64,
    /// The generation that the kernel has reached.
    pub enforced_generation: u64,
    /// How many elements the kernel should hold.
    pub wanted: u64,
    /// Why the last batch of changes failed, if it did.
    pub failure: Option<Arc<str>>,
    /// Every source, by name.
    pub sources: BTreeMap<Arc<str>, SourceState>,
    /// Every trap, by port and address.
    pub traps: BTreeMap<(Port, IpAddr), TrapState>,
    /// The posture in force.
    pub posture: Posture,
    /// What waits for confirmation.
    pub pending: Option<Pending>,
    /// Until when nobody is turned away; `None`: it is not paused.
    pub paused: Option<Timestamp>,
    /// Ports that operators opened or shut.
    pub doors: usize,
    /// Sockets that listen, this host's own included.
    pub listeners: usize,
    /// Sockets that wait for approval.
    pub listeners_pending: usize,
    /// Forgeable offences that were enforced but not written down, because there were too many.
    pub unwritten_offences: u64,
}

impl Guard {
    /// Returns the state at this moment, for the views.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let held =
            List::OF_SOURCES.iter().map(|list| (*list, self.register.roll(*list).len())).collect();
        Snapshot {
            at: now,
            held,
            port_bans: self.register.port_bans.len(),
            offenders: self.offenders.len(),
            generation: self.generation,
            enforced_generation: self.enforced.generation,
            wanted: self.desired().elements() as u64,
            failure: self.enforced.failure.clone(),
            sources: self.sources.clone(),
            traps: self.traps.clone(),
            posture: self.posture(),
            pending: self.pending().cloned(),
            paused: self.paused_until(),
            doors: self.doors.len(),
            listeners: self.listening.sockets().count(),
            listeners_pending: match self.posture() {
                Posture::Closed => self.unapproved().count(),
                Posture::Open => 0,
            },
            unwritten_offences: self.forgeable_notes.denied,
        }
    }

    pub(super) fn take_outcome(
        &mut self,
        generation: u64,
        failure: Option<Arc<str>>,
        now: Timestamp,
    ) {
        if let Some(why) = &failure
            && self.enforced.failure.as_ref() != Some(why)
        {
            self.note(Note::NotEnforced { why: why.clone() }, now);
        }
        let generation = generation.max(self.enforced.generation);
        self.enforced = Enforced { generation, failure };
    }

    /// Returns the generation that the kernel has reached.
    pub fn enforced_generation(&self) -> u64 {
        self.enforced.generation
    }

    /// Returns whether the kernel has taken over the change of this generation.
    pub fn is_enforced(&self, generation: u64) -> bool {
        generation <= self.enforced.generation && self.enforced.failure.is_none()
    }

    pub(super) fn count_catch(&mut self, offence: &Offence, now: Timestamp) {
        if let Some(trap) = offence.trap
            && let Some(state) = self.traps.get_mut(&trap)
        {
            state.touched += 1;
            state.last = Some((offence.peer, now));
        }
    }
}
