//! What others do to the table, as the kernel's notifications tell it.
//!
//! Runs on a thread of its own that blocks in [`Monitor::hear`]; it decides nothing and changes
//! nothing.

mod gathering;

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use portguard_core::{Element, Process};
use rustix::io::Errno;
use thiserror::Error;

use self::gathering::Gathering;
use super::{ownership::Ownership, set::ListSet, socket::Socket};

/// `NFNLGRP_NFTABLES` (7) as a bit of the groups that a socket binds to.
const NFTABLES_GROUP: u32 = 1 << 6;

/// Hears notifications about one table.
pub struct Monitor {
    socket: Socket,
    gathering: Gathering,
    heard: VecDeque<Notice>,
    is_behind: bool,
}

/// Something that others did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A transaction that touched our table.
    Change(ForeignChange),
    /// More happened than could be taken in.
    ///
    /// [`super::Table::verify`] tells whether the frame or a whole set was lost. Which single
    /// elements others added or removed in the meantime is not known.
    Overrun,
}

/// What one transaction of somebody else did to our table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignChange {
    /// Who did it. The process id is that of the first process namespace.
    pub by: Process,
    /// Elements that were added, or got another time.
    pub added: Vec<Added>,
    /// Elements that were removed one by one.
    pub removed: Vec<Element>,
    /// Sets that were flushed: their sentinel went, and with it everything else.
    pub flushed: BTreeSet<ListSet>,
    /// Whether a chain, a rule, a set's definition or the table itself changed or went.
    pub frame: bool,
}

/// An element that somebody else added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The element.
    pub element: Element,
    /// How long it stays; `None` for ever.
    pub stays: Option<Duration>,
}

/// Why the monitor cannot hear.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// The socket cannot be opened.
    #[error("cannot listen to nf_tables")]
    Open(#[source] io::Error),
    /// The socket failed while it was heard.
    #[error("cannot hear nf_tables")]
    Hear(#[source] io::Error),
}

impl Monitor {
    /// Begins to listen; everything that others do from here on is heard.
    ///
    /// # Errors
    /// When the kernel gives no such socket, as without `CAP_NET_ADMIN`.
    pub fn open(table: &str, ownership: Arc<Ownership>) -> Result<Self, MonitorError> {
        Ok(Self {
            socket: Socket::open(NFTABLES_GROUP).map_err(MonitorError::Open)?,
            gathering: Gathering::new(table, ownership),
            heard: VecDeque::new(),
            is_behind: false,
        })
    }

    /// Returns the next thing that others did, `None` if nothing comes for `limit`, or if what came
    /// was our own.
    ///
    /// # Errors
    /// When the socket fails otherwise than by having too much to tell.
    pub fn hear(&mut self, limit: Duration) -> Result<Option<Notice>, MonitorError> {
        if let Some(notice) = self.heard.pop_front() {
            return Ok(Some(notice));
        }
        self.catch_up().map_err(MonitorError::Hear)?;
        match self.socket.hear(limit) {
            Ok(datagram) => self.heard.extend(self.gathering.take(datagram.unwrap_or_default())),
            Err(why) if is_overrun(&why) => {
                self.is_behind = true;
                return Ok(Some(Notice::Overrun));
            }
            Err(why) => return Err(MonitorError::Hear(why)),
        }
        Ok(self.heard.pop_front())
    }

    /// After an overrun: reads the queue to its end, unseen.
    ///
    /// What waits there is from before the gap, and the kernel drops everything until it is read.
    fn catch_up(&mut self) -> io::Result<()> {
        while self.is_behind {
            match self.socket.hear(Duration::ZERO) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.is_behind = false;
                    self.gathering.tear();
                }
                Err(why) if is_overrun(&why) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
}

fn is_overrun(why: &io::Error) -> bool {
    why.raw_os_error() == Some(Errno::NOBUFS.raw_os_error())
}
