//! Sockets that listen.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicBool},
    time::Duration,
};

use portguard_core::{Fact, Health, Port};
use portguard_linux::listener::Watcher;

use crate::daemon::inbox::Inbox;

use super::tell;

const NAME: &str = "listeners";

/// How long one wait takes; nothing happens when it is over.
const WAIT: Duration = Duration::from_secs(60);

/// Whether a port waits for what is seen here, so that it has to be seen at once.
pub(crate) type Urgency = Arc<AtomicBool>;

/// The ports that something listens on that others can reach.
pub(crate) type Heard = Arc<RwLock<BTreeSet<Port>>>;

/// Begins to watch, and goes on on a thread of its own.
pub(crate) fn start(inbox: Inbox, urgency: Urgency, heard: Heard) -> io::Result<()> {
    match Watcher::open() {
        Ok(watcher) => {
            super::start(NAME, move || watch(watcher, &inbox, &urgency, &heard)).map(drop)
        }
        Err(error) => {
            let why = format!("{error}; sockets that are approved one by one are not followed");
            tell(&inbox, NAME, Health::Broken(why));
            Ok(())
        }
    }
}

fn watch(mut watcher: Watcher, inbox: &Inbox, urgency: &Urgency, heard: &Heard) {
    loop {
        match watcher.wait(WAIT, urgency) {
            Ok(None) => {}
            Ok(Some(listeners)) => {
                let outside = listeners.iter().filter(|one| !one.address.is_loopback());
                let ports = outside.map(|one| one.port).collect();
                *heard.write().unwrap_or_else(PoisonError::into_inner) = ports;
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
