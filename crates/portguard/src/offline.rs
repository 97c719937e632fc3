//! The whole guard without a kernel, a clock or a host: offences in, in the order of their times;
//! what it makes of them out. The same in gives the same out.

use std::{collections::BTreeMap, sync::Arc};

use portguard_core::{Caps, Event, Fact, Guard, Offence, Record, Subject, Timestamp};
use portguard_store::StoredEntry;

use crate::config::Config;

/// A guard that nothing follows from.
pub(crate) struct Offline {
    guard: Guard,
    now: Timestamp,
}

impl Offline {
    /// Makes a guard by a configuration. Of its protected subjects only those that are named count:
    /// this host is not the one that the events are from.
    pub(crate) fn new(config: &Config) -> Self {
        let now = Timestamp::from_millis(0);
        let mut guard = Guard::new(Caps::default());
        guard.configure(config.policy(), now);
        let reason: Arc<str> = "named in the configuration".into();
        let named = config.protection().addresses.into_iter();
        let named: BTreeMap<Subject, Arc<str>> =
            named.map(|subject| (subject, reason.clone())).collect();
        guard.handle_event(Event { at: now, fact: Fact::Protected(named) }, now);
        let mut offline = Self { guard, now };
        // That it begins is no news.
        drop(offline.entries());
        offline
    }

    /// Takes what a source saw, and returns the journal since the one before; `None` if it would not
    /// have been, since it is of a source that was banned. What comes late counts when it comes.
    pub(crate) fn take(&mut self, at: Timestamp, fact: Fact) -> Option<Vec<StoredEntry>> {
        let at = self.go_on(at);
        if offence_of(&fact).is_some_and(|offence| self.guard.has_banned(offence)) {
            return None;
        }
        self.guard.handle_event(Event { at, fact }, at);
        Some(self.entries())
    }

    /// Goes on to a moment, unless that is past, and returns where it is then.
    fn go_on(&mut self, at: Timestamp) -> Timestamp {
        let at = at.max(self.now);
        // What ends meanwhile ends at its time; what is due and does not end is not waited for.
        let mut before = None;
        while let Some(due) = self.guard.poll_timeout().filter(|due| *due <= at) {
            if before == Some(due) {
                break;
            }
            before = Some(due);
            self.now = self.now.max(due);
            self.guard.handle_timeout(self.now);
        }
        self.now = at;
        at
    }

    fn entries(&mut self) -> Vec<StoredEntry> {
        // No kernel takes them over.
        while self.guard.poll_demand().is_some() {}
        let mut entries = Vec::new();
        while let Some(record) = self.guard.poll_record() {
            if let Record::Entry(entry) = record {
                entries.push(StoredEntry::from(&entry));
            }
        }
        entries
    }
}

/// Returns the offence that a fact tells of, if it does.
pub(crate) fn offence_of(fact: &Fact) -> Option<&Offence> {
    match fact {
        Fact::Offence(offence) => Some(offence),
        Fact::Anomaly(anomaly) => Some(&anomaly.offence),
        _ => None,
    }
}
