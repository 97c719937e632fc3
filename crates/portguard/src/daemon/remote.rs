//! The control file in the daemon: one thread that fetches it, and gives the guard what it orders.
//!
//! Without `remote.url` there is nothing of it. A fetch that hangs holds up nobody: another
//! configuration starts a thread of its own, and the old one goes home when its fetch is over,
//! without giving another order.

mod board;
mod last_file;
mod line;

mod page;
mod told;
mod worker;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crossbeam_channel::{Receiver, Sender};
use portguard_core::Fact;

use crate::config::RemotePlan;

use super::{
    inbox::Inbox,
    source::{self, host::SharedProtect},
};

pub(super) use board::{Board, services};
pub(crate) use last_file::LastFile;

use worker::Worker;

/// Name of the control file among the sources.
const NAME: &str = "remote";

/// A word that nobody says: the channel of it ends when the thread shall.
enum Never {}

/// The control file.
pub(super) struct Remote {
    running: Mutex<Option<Running>>,
    inbox: Inbox,
    protect: SharedProtect,
    /// Whoever judges a file and gives its orders holds this: two threads never do so at once.
    turn: Arc<Mutex<()>>,
}

struct Running {
    plan: Arc<RemotePlan>,
    board: Arc<Board>,
    /// Kept for its end.
    _stop: Sender<Never>,
}

impl Remote {
    pub(super) fn new(inbox: Inbox, protect: SharedProtect) -> Self {
        Self { running: Mutex::default(), inbox, protect, turn: Arc::default() }
    }

    /// Follows another configuration; the same one goes on as it is.
    pub(super) fn set(&self, plan: Option<RemotePlan>) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().map(|running| &*running.plan) == plan.as_ref() {
            return Ok(());
        }
        if running.take().is_some() && plan.is_none() {
            self.inbox.deliver(Fact::SourceGone { source: NAME.into() });
        }
        let Some(plan) = plan.map(Arc::new) else { return Ok(()) };
        let (stop, stopped): (_, Receiver<Never>) = crossbeam_channel::bounded(0);
        let board = Arc::new(Board::new(&plan));
        let worker = Worker::new(
            plan.clone(),
            board.clone(),
            self.inbox.clone(),
            self.protect.clone(),
            (stopped, self.turn.clone()),
        );
        source::start(NAME, move || worker.run())?;
        *running = Some(Running { plan, board, _stop: stop });
        Ok(())
    }

    /// Returns what is known of the file; `None`: there is none.
    pub(super) fn shown(&self) -> Option<(Arc<RemotePlan>, Arc<Board>)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| (running.plan.clone(), running.board.clone()))
    }

    /// Gives no more orders.
    pub(super) fn stop(&self) {
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
