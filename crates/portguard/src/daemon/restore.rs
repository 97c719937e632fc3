//! What the ledger remembers goes back into force, piece by piece, while the guard already guards.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use crossbeam_channel::Sender;
use portguard_core::{Fact, Health};

use crate::clock;

use super::{
    About,
    enforcer::{Work, with_causes},
    inbox::Inbox,
    ledger::{self, SharedReader},
};

/// Most offenders handed to the guard; as many as it remembers.
const MOST_OFFENDERS: usize = 262_144;

/// How many offenders are handed over at once.
const SLICE: usize = 8_192;

/// Hands the ledger's memory to the guard.
pub(super) struct Restorer {
    pub(super) reader: SharedReader,
    pub(super) inbox: Inbox,
    pub(super) work: Sender<Work>,
    pub(super) about: Arc<About>,
}

impl Restorer {
    /// Hands everything over, then asks the enforcer for what only the kernel knows.
    pub(super) fn run(self) {
        if let Err(error) = self.hand_over() {
            let why = format!("what it remembers can not be read: {}", with_causes(&error));
            let source = ledger::NAME.into();
            self.inbox.report(Fact::Health { source, health: Health::Degraded(why) });
        }
        // The enforcer is gone only when the daemon goes down.
        let _ = self.work.send(Work::Adopt);
        self.about.restored.store(true, Ordering::Release);
    }

    fn hand_over(&self) -> Result<(), portguard_store::ReadError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let offenders = reader.offenders(MOST_OFFENDERS)?;
        for slice in offenders.chunks(SLICE) {
            self.inbox.deliver(Fact::RestoredOffenders(slice.to_vec()));
        }
        reader.holds(clock::now(), |holds| self.inbox.deliver(Fact::Restored(holds)))?;
        Ok(())
    }
}
