//! Hears what others do to our table.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::Sender;
use portguard_core::{Fact, Health, Process, Until};
use portguard_linux::nft::{ForeignChange, Monitor, Notice, Ownership};

use crate::{
    clock,
    daemon::{enforcer::Work, inbox::Inbox},
    exit::with_causes,
};

use super::tell;

const NAME: &str = "table-monitor";

/// How long one wait takes; nothing happens when it is over.
const WAIT: Duration = Duration::from_secs(60);

/// Begins to listen, and goes on on a thread of its own.
pub(crate) fn start(
    table: &str,
    ownership: Arc<Ownership>,
    inbox: Inbox,
    enforcer: Sender<Work>,
) -> std::io::Result<()> {
    match Monitor::open(table, ownership) {
        Ok(monitor) => {
            tell(&inbox, NAME, Health::Good);
            super::start(NAME, move || listen(monitor, &inbox, &enforcer)).map(drop)
        }
        Err(error) => {
            let why = format!("{}; the table is only verified now and then", with_causes(&error));
            tell(&inbox, NAME, Health::Broken(why));
            Ok(())
        }
    }
}

fn listen(mut monitor: Monitor, inbox: &Inbox, enforcer: &Sender<Work>) {
    loop {
        match monitor.hear(WAIT) {
            Ok(None) => {}
            Ok(Some(Notice::Change(change))) => pass_on(change, inbox, enforcer),
            Ok(Some(Notice::Overrun)) => {
                // Putting everything in again could be the next overrun; first see what is wrong.
                if enforcer.send(Work::Verify(Process::default())).is_err() {
                    return;
                }
            }
            Err(error) => {
                tell(inbox, NAME, Health::Broken(with_causes(&error)));
                return;
            }
        }
    }
}

fn pass_on(change: ForeignChange, inbox: &Inbox, enforcer: &Sender<Work>) {
    let ForeignChange { by, added, removed, flushed, frame } = change;
    if frame || !flushed.is_empty() {
        // The enforcer may be gone only when the daemon goes down.
        let _ = enforcer.send(Work::Verify(by.clone()));
    }
    for element in removed {
        inbox.deliver(Fact::ElementRemoved { element, by: by.clone() });
    }
    for added in added {
        let until = added.stays.map_or(Until::FOREVER, |stays| Until::at(clock::now().plus(stays)));
        inbox.deliver(Fact::ElementAdded { element: added.element, until, by: by.clone() });
    }
}
