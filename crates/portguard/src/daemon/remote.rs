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
use tokio::sync::oneshot;

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

/// Operators who may wait for a fetch at a time; whoever comes then has to ask again.
const MOST_WISHES: usize = 16;

/// A word that nobody says: the channel of it ends when the thread shall.
enum Never {}

/// Somebody who wants the file to be fetched now, and is told when that is over.
type Wish = oneshot::Sender<()>;

/// Why the file is not fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchRefusal {
    /// There is none.
    #[error("there is no control file: remote.url is empty")]
    Off,
    /// Too many wait for it.
    #[error("too many wait for the control file already")]
    Busy,
}

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
    wishes: Sender<Wish>,
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
        let (wishes, asked) = crossbeam_channel::bounded(MOST_WISHES);
        let board = Arc::new(Board::new(&plan));
        let worker = Worker::new(
            plan.clone(),
            board.clone(),
            self.inbox.clone(),
            self.protect.clone(),
            (stopped, asked, self.turn.clone()),
        );
        source::start(NAME, move || worker.run())?;
        *running = Some(Running { plan, board, wishes, _stop: stop });
        Ok(())
    }

    /// Returns what is known of the file; `None`: there is none.
    pub(super) fn shown(&self) -> Option<(Arc<RemotePlan>, Arc<Board>)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| (running.plan.clone(), running.board.clone()))
    }

    /// Has the file fetched now. What is returned ends when a fetch that began after this is over, or
    /// without a word when another configuration was followed meanwhile.
    ///
    /// # Errors
    /// When there is no file, or too many wait for it.
    pub(super) fn fetch(&self) -> Result<oneshot::Receiver<()>, FetchRefusal> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.as_ref().ok_or(FetchRefusal::Off)?;
        let (wish, over) = oneshot::channel();
        running.wishes.try_send(wish).map_err(|_| FetchRefusal::Busy)?;
        Ok(over)
    }

    /// Gives no more orders.
    pub(super) fn stop(&self) {
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
