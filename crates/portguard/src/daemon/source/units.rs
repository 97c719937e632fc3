//! The control groups of the units that may open ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use portguard_core::{Fact, Health};
use portguard_linux::unit::UnitWatch;

use crate::daemon::inbox::Inbox;

use super::tell;

const NAME: &str = "units";

/// How long one wait for a changed group takes: so late a newly approved unit is found at most.
const WAIT: Duration = Duration::from_millis(50);

/// How often the groups are looked through without any sign of change.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Tells which units to look for.
pub(crate) type Wanted = Sender<BTreeSet<Arc<str>>>;

/// Begins to watch, and goes on on a thread of its own.
pub(crate) fn start(inbox: Inbox) -> io::Result<Wanted> {
    let (wanted, names) = bounded(16);
    super::start(NAME, move || wait_for_names(&names, &inbox)).map(drop)?;
    Ok(wanted)
}

/// Sleeps as long as no unit is named; then watches.
fn wait_for_names(names: &Receiver<BTreeSet<Arc<str>>>, inbox: &Inbox) {
    while let Ok(wanted) = names.recv() {
        if wanted.is_empty() {
            inbox.deliver(Fact::Units(BTreeMap::new()));
            continue;
        }
        match UnitWatch::open() {
            Ok(watch) => {
                tell(inbox, NAME, Health::Good);
                follow(watch, wanted, names, inbox);
            }
            Err(error) => {
                let why = format!("{error}; sockets of units are followed within 100 ms");
                tell(inbox, NAME, Health::Degraded(why));
            }
        }
    }
}

/// Tells of the groups of the named units until none is named.
fn follow(
    mut watch: UnitWatch,
    mut wanted: BTreeSet<Arc<str>>,
    names: &Receiver<BTreeSet<Arc<str>>>,
    inbox: &Inbox,
) {
    let mut known = None;
    loop {
        let found = watch.find(&wanted);
        if known.as_ref() != Some(&found) {
            known = Some(found.clone());
            inbox.deliver(Fact::Units(found));
        }
        let until = std::time::Instant::now() + LOOK_EVERY;
        while std::time::Instant::now() < until {
            match watch.wait(WAIT) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => return tell(inbox, NAME, Health::Degraded(error.to_string())),
            }
            match names.try_recv() {
                Ok(names) if names.is_empty() => {
                    return inbox.deliver(Fact::Units(BTreeMap::new()));
                }
                Ok(names) => {
                    wanted = names;
                    break;
                }
                Err(_) => {}
            }
        }
    }
}
