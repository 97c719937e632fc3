//! What the kernel tracks, as it was read last. Read only when somebody asks, and never for more than
//! a twentieth of one processor's time, however many ask and however much there is to read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use portguard_core::{Owner, Protocol, Timestamp};
use portguard_linux::{
    conntrack::{self, Settings},
    holder, host,
    inhabitant::inhabitants,
    traffic,
};

use crate::clock;

use super::{
    MOST,
    datagram::Datagrams,
    tracked::{Direction, Ends, Tracked},
};

/// After a reading so many times its length passes before the next, and at least this.
const REST: u32 = 19;
const REST_AT_LEAST: Duration = Duration::from_secs(1);

/// So many are read at most, which takes three seconds; the kernel counts the others.
const READ_MOST: usize = 1 << 20;

/// When nobody asked for so long, what was read is let go.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The last reading.
#[derive(Debug, Default)]
pub(super) struct Tracking(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    reading: Arc<Reading>,
    /// When the next may begin.
    rests_until: Instant,
    asked: Instant,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) flows: BTreeMap<Ends, Flow>,
    /// How many more there are that no socket has.
    pub(super) more: usize,
    pub(super) settings: Settings,
    /// Why nothing could be read.
    pub(super) trouble: Option<String>,
    /// The owners of UDP sockets, by inode.
    pub(super) owners: BTreeMap<u64, Owner>,
}

/// A tracked connection, and what is known of it beside that.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) tracked: Tracked,
    /// When it began, or was seen first.
    pub(super) since: Timestamp,
    /// Whether a TCP socket had it when it was read.
    pub(super) has_socket: bool,
    pub(super) owner: Option<Owner>,
}

impl Tracking {
    /// Returns what the kernel tracks; `sockets` tells the TCP connections of this host, and is asked
    /// only when it is read anew.
    pub(super) fn look(&self, sockets: impl FnOnce() -> BTreeSet<Ends>) -> Arc<Reading> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        if let Some(last) = last.as_mut().filter(|last| begin < last.rests_until) {
            last.asked = begin;
            return last.reading.clone();
        }
        let before = last.take().map(|last| last.reading).unwrap_or_default();
        let reading = Arc::new(Reading::new(&before, &sockets()));
        let end = Instant::now();
        let rest = ((end - begin) * REST).max(REST_AT_LEAST);
        *last = Some(Last { reading: reading.clone(), rests_until: end + rest, asked: end });
        reading
    }

    /// Lets go of what nobody asks for any more. Waits for nobody who is reading.
    pub(super) fn forget(&self) {
        if let Ok(mut last) = self.0.try_lock() {
            last.take_if(|last| last.asked.elapsed() > FORGOTTEN_AFTER);
        }
    }
}

impl Reading {
    fn new(before: &Self, sockets: &BTreeSet<Ends>) -> Self {
        let settings = conntrack::settings();
        let mut reading = Self { settings, ..Self::default() };
        if let Err(error) = reading.fill(before, sockets) {
            // What came before the error would look like all.
            let trouble = format!("connection tracking can not be read: {error}");
            return Self { settings, trouble: Some(trouble), ..Self::default() };
        }
        reading.find_owners(&before.owners);
        reading.find_inhabitants();
        reading
    }

    fn fill(&mut self, before: &Self, sockets: &BTreeSet<Ends>) -> std::io::Result<()> {
        let (host, now) = (host::attached()?, clock::now());
        let mut alone = 0;
        let read = conntrack::read(READ_MOST, |flow| {
            let Some(tracked) = Tracked::of(&flow, &host) else { return };
            let has_socket = sockets.contains(&tracked.seen.ends);
            match (has_socket, flow.is_over) {
                (false, true) => return,
                (false, false) if alone == MOST => {
                    self.more += 1;
                    return;
                }
                _ => {}
            }
            let known = before.flows.get(&tracked.seen.ends);
            let known = known.filter(|known| known.tracked.id == tracked.id);
            let seen = known.map_or(now, |known| known.since);
            let since = tracked.begun.map_or(seen, |begun| begun.min(now));
            let flow = Flow { tracked, since, has_socket, owner: None };
            // While the table grows, the kernel may tell of one twice.
            let is_first = self.flows.insert(tracked.seen.ends, flow).is_none();
            alone += usize::from(is_first && !has_socket);
        })?;
        if read == READ_MOST {
            let tracked = usize::try_from(self.settings.tracked).unwrap_or(usize::MAX);
            self.more += tracked.saturating_sub(read);
        }
        Ok(())
    }

    /// Finds who has the UDP flows of this host; who is known from before is not looked for again.
    fn find_owners(&mut self, before: &BTreeMap<u64, Owner>) {
        let is_own = |flow: &&Flow| {
            let is_udp = flow.tracked.seen.ends.protocol == Protocol::Udp.number();
            is_udp && flow.tracked.seen.direction != Direction::Forwarded
        };
        if !self.flows.values().any(|flow| is_own(&flow)) {
            return;
        }
        let sockets = Datagrams::new(holder::datagram_sockets().unwrap_or_default());
        let inode =
            |flow: &Flow| Some((flow.tracked.seen.ends, sockets.inode(&flow.tracked.seen.ends)?));
        let inodes: BTreeMap<Ends, u64> =
            self.flows.values().filter(is_own).filter_map(inode).collect();
        self.owners = owners(inodes.values().copied().collect(), before);
        for (ends, inode) in inodes {
            if let Some(flow) = self.flows.get_mut(&ends) {
                flow.owner = self.owners.get(&inode).cloned();
            }
        }
    }

    /// Finds which containers the forwarded flows lead to.
    fn find_inhabitants(&mut self) {
        let mut forwarded: Vec<&mut Flow> = self
            .flows
            .values_mut()
            .filter(|flow| flow.tracked.seen.direction == Direction::Forwarded)
            .collect();
        if forwarded.is_empty() {
            return;
        }
        let behind = |flow: &Flow| flow.tracked.seen.ends.local.ip();
        let inhabitants = inhabitants(&forwarded.iter().map(|flow| behind(flow)).collect());
        for flow in &mut forwarded {
            flow.owner = inhabitants.get(&behind(flow)).cloned();
        }
    }
}

/// Returns the owners of sockets by inode, as far as they are not known from before by looking.
fn owners(inodes: BTreeSet<u64>, before: &BTreeMap<u64, Owner>) -> BTreeMap<u64, Owner> {
    let (known, new): (Vec<u64>, Vec<u64>) =
        inodes.into_iter().partition(|inode| before.contains_key(inode));
    let mut owners =
        if new.is_empty() { BTreeMap::new() } else { traffic::owners(new.into_iter()) };
    owners.extend(known.into_iter().filter_map(|inode| Some((inode, before.get(&inode)?.clone()))));
    owners
}

#[cfg(test)]
mod tests {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    use super::*;

    #[test]
    fn what_may_not_be_read_is_said_and_not_asked_for_again_at_once() {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, sets).unwrap();
        let tracking = Tracking::default();
        let reading = tracking.look(BTreeSet::new);
        assert!(reading.flows.is_empty() && reading.more == 0);
        let trouble = reading.trouble.as_deref().unwrap();
        assert!(trouble.starts_with("connection tracking can not be read: "), "{trouble}");
        let again = tracking.look(|| unreachable!("it rests"));
        assert!(Arc::ptr_eq(&reading, &again));
    }
}
