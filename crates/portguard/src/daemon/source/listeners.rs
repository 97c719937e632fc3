//! Sockets that listen.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use portguard_core::{Fact, Health};
use portguard_linux::listener::Watcher;

use crate::daemon::inbox::Inbox;

use super::tell;

const NAME: &str = "listeners";

/// How long one wait takes; nothing happens when it is over.
const WAIT: Duration = Duration::from_secs(60);

/// Whether a port waits for what is seen here, so that it has to be seen at once.
pub(crate) type Urgency = Arc<AtomicBool>;

/// Begins to watch, and goes on on a thread of its own.
pub(crate) fn start(inbox: Inbox, urgency: Urgency) -> io::Result<()> {
    match Watcher::open() {
        Ok(watcher) => super::start(NAME, move || watch(watcher, &inbox, &urgency)).map(drop),
        Err(error) => {
            let why = format!("{error}; sockets that are approved one by one are not followed");
            tell(&inbox, NAME, Health::Broken(why));
            Ok(())
        }
    }
}

fn watch(mut watcher: Watcher, inbox: &Inbox, urgency: &Urgency) {
    loop {
        match watcher.wait(WAIT, urgency) {
            Ok(None) => {}
            Ok(Some(listeners)) => {
                inbox.deliver(Fact::Listeners(listeners));
                let health = match watcher.omitted() {
                    0 => Health::Good,
                    more => Health::Degraded(format!("{more} more listen than are followed")),
                };
                tell(inbox, NAME, health);
            }
            Err(error) => return tell(inbox, NAME, Health::Broken(error.to_string())),
        }
    }
}
