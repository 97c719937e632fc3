//! The sources: one blocking thread each, reporting to the guard's inbox. A source that fails
//! degrades itself only, and says so.

pub(crate) mod connections;
mod habits;
pub(crate) mod host;
pub(crate) mod hosts;
pub(crate) mod knocks;
pub(crate) mod listeners;
pub(crate) mod packets;
pub(crate) mod record;
pub(crate) mod reports;
pub(crate) mod table;
pub(crate) mod taps;
pub(crate) mod traps;
pub(crate) mod units;
pub(crate) mod watches;

use std::{io, thread};

use portguard_core::{Fact, Health};

use super::inbox::Inbox;

/// Starts a source's thread.
pub(crate) fn start(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// Tells the guard how a source does.
pub(crate) fn tell(inbox: &Inbox, name: &str, health: Health) {
    inbox.report(Fact::Health { source: name.into(), health });
}
