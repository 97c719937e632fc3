//! The guard thread's bounded inbox: events from sources, questions and orders from operators.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use portguard_core::{Event, Fact, Guard, Timestamp};

use crate::clock;

/// How many inputs may wait for the guard.
///
/// The guard takes some hundred thousand a second, so this is a stall of a few tens of
/// milliseconds at the rate limit of the trap log. When full, an event is dropped and counted
/// (`status` shows the count); the kernel's own measure stands all the same. Orders are refused.
const INBOX_DEPTH: usize = 8_192;

/// Something for the guard thread.
pub(crate) enum Input {
    /// A source saw something. The inbox has its room from the start: a place in it is small.
    Event(Box<Event>),
    /// Somebody wants to know or order something.
    Ask(Ask),
    /// The daemon goes down.
    Stop,
}

/// Runs on the guard thread with the guard; what it returns is called once everything that
/// followed is on its way, with the marks that tell when it has arrived.
pub(crate) type Ask = Box<dyn FnOnce(&mut Guard, Timestamp) -> Answer + Send>;

/// See [`Ask`].
pub(crate) type Answer = Box<dyn FnOnce(Marks) + Send>;

/// How far the kernel and the ledger must come until something has arrived there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// The last generation of changes.
    pub(crate) generation: u64,
    /// The number of the last record.
    pub(crate) record: u64,
}

/// The sending side; cheap to clone, one for each source.
#[derive(Clone)]
pub(crate) struct Inbox {
    sender: Sender<Input>,
    dropped: Arc<AtomicU64>,
}

/// The guard thread takes nothing at the moment.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the guard is too busy or on its way down")]
pub(crate) struct Busy;

/// Returns both sides of a fresh inbox.
pub(crate) fn inbox() -> (Inbox, Receiver<Input>) {
    let (sender, receiver) = bounded(INBOX_DEPTH);
    (Inbox { sender, dropped: Arc::default() }, receiver)
}

impl Inbox {
    /// Reports what a source sees right now. Never waits: when the inbox is full the event is
    /// dropped and counted.
    pub(crate) fn report(&self, fact: Fact) {
        let event = Box::new(Event { at: clock::now(), fact });
        if self.sender.try_send(Input::Event(event)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reports what must not get lost, waiting for room; for the daemon's own threads only.
    pub(crate) fn deliver(&self, fact: Fact) {
        let event = Box::new(Event { at: clock::now(), fact });
        // The guard thread is gone only when the daemon goes down, and then nothing is owed.
        let _ = self.sender.send(Input::Event(event));
    }

    /// Asks the guard.
    pub(crate) fn ask(&self, ask: Ask) -> Result<(), Busy> {
        match self.sender.try_send(Input::Ask(ask)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Busy),
        }
    }

    /// Asks the guard, waiting for room; for the daemon's own threads only.
    pub(crate) fn ask_patiently(&self, ask: Ask) -> Result<(), Busy> {
        self.sender.send(Input::Ask(ask)).map_err(|_| Busy)
    }

    /// Sends the guard thread home.
    pub(crate) fn stop(&self) {
        // A guard thread that is gone already needs no order.
        let _ = self.sender.send(Input::Stop);
    }

    /// Returns how many events were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
