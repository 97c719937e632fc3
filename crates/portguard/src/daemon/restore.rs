//! What the ledger remembers goes back into force, piece by piece, while the guard already guards.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use crossbeam_channel::Sender;
use portguard_core::{Event, Fact, Health, ListedHold};
use portguard_linux::nft::Ownership;
use tokio::sync::watch;

use crate::{clock, exit::with_causes};

use super::{
    About,
    enforcer::{QUEUE_DEPTH, Reached, Work},
    inbox::Inbox,
    journal,
    ledger::{self, SharedReader},
    source,
};

/// Most offenders handed to the guard; as many as it remembers.
const MOST_OFFENDERS: usize = 262_144;

/// How many offenders are handed over at once.
const SLICE: usize = 8_192;

/// Between two looks whether the guard or the kernel has caught up.
const PAUSE: Duration = Duration::from_millis(1);

/// Hands the ledger's memory to the guard.
pub(super) struct Restorer {
    pub(super) reader: SharedReader,
    pub(super) inbox: Inbox,
    pub(super) work: Sender<Work>,
    pub(super) reached: watch::Receiver<Reached>,
    pub(super) about: Arc<About>,
    /// The table to listen to afterwards, and what is our own in it.
    pub(super) table: Option<(String, Arc<Ownership>)>,
}

impl Restorer {
    /// Hands everything over, and then what the kernel held from an earlier life: it is asked first,
    /// while its sets are as small as they get.
    pub(super) fn run(mut self) {
        let held = self.held_by_kernel();
        if let Err(error) = self.hand_over() {
            let why = format!("what it remembers can not be read: {}", with_causes(&error));
            let source = ledger::NAME.into();
            self.inbox.report(Fact::Health { source, health: Health::Degraded(why) });
        }
        self.listen_to_table();
        if let Some(held) = held {
            self.inbox.deliver(held);
        }
        self.about.restored.store(true, Ordering::Release);
    }

    fn held_by_kernel(&self) -> Option<Fact> {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        self.work.send(Work::Holdings(sender)).ok()?;
        receiver.recv().ok()
    }

    fn hand_over(&mut self) -> Result<(), portguard_store::ReadError> {
        let reader = self.reader.clone();
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        let offenders = reader.offenders(MOST_OFFENDERS)?;
        for slice in offenders.chunks(SLICE) {
            self.inbox.deliver(Fact::RestoredOffenders(slice.to_vec()));
        }
        drop(offenders);
        reader.holds(clock::now(), |holds| self.restore(holds))?;
        Ok(())
    }

    /// Hands holds over and waits until most of what follows is in the kernel, so that neither
    /// the ledger's rows nor the changes they lead to pile up in memory.
    fn restore(&self, holds: Vec<ListedHold>) {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let asked = self.inbox.ask_patiently(Box::new(move |guard, now| {
            guard.handle_event(Event { at: now, fact: Fact::Restored(holds) }, now);
            Box::new(move |marks| {
                // The restoring thread waits for it, or the daemon goes down.
                let _ = sender.send(marks);
            })
        }));
        if asked.is_err() {
            return;
        }
        let Ok(marks) = receiver.recv() else { return };
        let lead = QUEUE_DEPTH as u64;
        while self.reached.borrow().generation + lead < marks.generation {
            if self.reached.has_changed().is_err() {
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Begins to listen to the table. Not before: the kernel would build a notification of every
    /// restored element. What others did meanwhile is found by comparison.
    fn listen_to_table(&mut self) {
        let Some((table, ownership)) = self.table.take() else { return };
        let started =
            source::table::start(&table, ownership, self.inbox.clone(), self.work.clone());
        if let Err(error) = started {
            journal::say(portguard_core::Level::Error, &format!("no table monitor: {error}"));
        }
        // The enforcer is gone only when the daemon goes down.
        let _ = self.work.send(Work::Verify(portguard_core::Process::default()));
    }
}
