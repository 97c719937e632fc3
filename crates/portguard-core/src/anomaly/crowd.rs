//! Sources of one network that scan together, a little each.

use smallvec::SmallVec;

use super::{
    contact::{Contact, Contacts, Tick, count_different},
    limits::Limits,
    source::{PATIENCE, is_enough, told_of},
};

/// Of how many targets, and sources, of one network is remembered.
const MOST_CONTACTS: usize = 64;
const MOST_SOURCES: usize = 32;

/// A network.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    contacts: Contacts,
    /// Hashes of its sources.
    sources: SmallVec<[(u32, Tick); 4]>,
    told: Option<Tick>,
}

impl Crowd {
    /// Takes an attempt of one of its sources. Returns the evidence if that makes it a scan.
    pub(super) fn take(
        &mut self,
        contact: Contact,
        source: u32,
        now: Tick,
        limits: &Limits,
    ) -> Option<Vec<(&'static str, String)>> {
        let limit = &limits.distributed_scan;
        let within = Tick::within(limit.within);
        self.sources.retain(|(known, at)| *known != source && now.far(*at) <= within);
        if self.sources.len() == MOST_SOURCES {
            self.sources.remove(0);
        }
        self.sources.push((source, now));
        let is_new = self.contacts.take(contact, MOST_CONTACTS);
        let is_silent = self.told.is_some_and(|told| now.far(told) <= within);
        if !is_new || is_silent || self.sources.len() < limits.distributed_sources as usize {
            return None;
        }
        let lately = self.contacts.lately(now, within);
        let patience = Tick::within(PATIENCE);
        let target = |one: &Contact| (one.host, one.protocol, one.port);
        if !is_enough(count_different(&lately, now, patience, target), limit) {
            return None;
        }
        self.told = Some(now);
        let mut evidence = vec![("sources", self.sources.len().to_string())];
        evidence.extend(told_of(&lately, limit));
        Some(evidence)
    }

    /// Forgets a target that was there for one of its sources.
    pub(super) fn serve(&mut self, target: &Contact) {
        self.contacts.serve(target);
    }
}
