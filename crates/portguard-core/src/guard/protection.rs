//! Who must never be touched, and who is always accepted by the configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use crate::{Author, List, ReleaseCause, Subject, Timestamp, Until};

use super::{Guard, Policy, roll::Hold};

/// The lists whose measures hurt.
const HURTING: [List; 3] = [List::Ban, List::ThrottleHard, List::ThrottleSoft];

impl Guard {
    /// Takes over a configuration that was read and checked whole.
    pub fn configure(&mut self, policy: Policy, now: Timestamp) {
        let wanted: BTreeMap<Subject, Arc<str>> = policy.allow.iter().cloned().collect();
        let hosts: BTreeSet<&Arc<str>> = policy.hosts.iter().collect();
        self.hosts.retain(|host, _| hosts.contains(host));
        let resolved: BTreeSet<Subject> = self.hosts.values().flatten().copied().collect();
        let before = std::mem::replace(&mut self.policy, policy);
        let is_first = !std::mem::replace(&mut self.is_configured, true);
        self.configure_ports(before.ports, is_first, now);
        for subject in self.allowed_by_configuration() {
            if !wanted.contains_key(&subject) && !resolved.contains(&subject) {
                self.end_allowance(subject, now);
            }
        }
        for (subject, reason) in wanted {
            self.allow_by_configuration(subject, reason, Until::FOREVER, now);
        }
    }

    /// Takes over the addresses that must never be touched, in place of the ones before.
    pub(super) fn protect(&mut self, subjects: BTreeMap<Subject, Arc<str>>, now: Timestamp) {
        let gone: Vec<Subject> = self
            .register
            .roll(List::Protect)
            .holds()
            .iter()
            .map(|(subject, _)| *subject)
            .filter(|subject| !subjects.contains_key(subject))
            .collect();
        for subject in gone {
            self.register.roll_mut(List::Protect).remove(&subject);
            self.remove_from_kernel(List::Protect, subject, &[]);
        }
        for (subject, why) in subjects {
            let known = self.register.roll(List::Protect).get(&subject);
            if known.is_some_and(|hold| hold.reason == why) {
                continue;
            }
            let generation = self.install(List::Protect, subject, &[], Until::FOREVER);
            let hold = configured(why.clone(), Until::FOREVER, generation, now);
            self.register.roll_mut(List::Protect).insert(subject, hold);
            self.free(subject, &ReleaseCause::Protected(why), now);
        }
    }

    /// Takes over the addresses of a host on the allow list, in place of the ones before.
    pub(super) fn allow_host(&mut self, host: &Arc<str>, addresses: &[IpAddr], now: Timestamp) {
        if !self.policy.hosts.contains(host) {
            return;
        }
        let fresh: Vec<Subject> = addresses.iter().copied().map(Subject::address).collect();
        let before = self.hosts.insert(host.clone(), fresh.clone()).unwrap_or_default();
        for gone in before.iter().filter(|subject| !fresh.contains(subject)) {
            let elsewhere = self.hosts.values().flatten().any(|subject| subject == gone)
                || self.policy.allow.iter().any(|(subject, _)| subject == gone);
            if !elsewhere {
                self.end_allowance(*gone, now);
            }
        }
        for subject in fresh {
            let reason = format!("address of {host}").into();
            self.allow_by_configuration(subject, reason, Until::FOREVER, now);
        }
    }

    /// Puts a subject on the allow list in the name of the configuration. The list may be full:
    /// then the journal says so.
    pub(super) fn allow_by_configuration(
        &mut self,
        subject: Subject,
        reason: Arc<str>,
        until: Until,
        now: Timestamp,
    ) {
        let known = self.register.roll(List::Allow).get(&subject);
        if known.is_some_and(|hold| hold.until == Until::FOREVER) {
            return;
        }
        let measure = crate::Measure::Allow;
        let hold = configured(reason, until, 0, now);
        match self.hold(measure, subject, hold, now) {
            Ok(_) => self.free(subject, &ReleaseCause::Allowed, now),
            Err(refusal) => {
                let author = Author::Configuration;
                self.note(crate::Note::Refused { subject, measure, refusal, author }, now);
            }
        }
    }

    /// Ends every ban and throttle inside the subject, those that the guard itself put on a wider
    /// network around it, and what the kernel may have listed by itself.
    pub(super) fn free(&mut self, subject: Subject, cause: &ReleaseCause, now: Timestamp) {
        for list in HURTING {
            let wider = self.register.roll(list).holds().covering(subject);
            let wider = wider.filter(|(_, hold)| hold.author == Author::Guard);
            let mut freed: BTreeSet<Subject> = wider.map(|(key, _)| key).collect();
            freed.extend(self.register.roll(list).subjects_within(subject));
            for gone in freed {
                if let Some(hold) = self.register.roll_mut(list).remove(&gone) {
                    self.forget_hold(list, (gone, &hold), cause.clone(), now);
                }
            }
        }
        for gone in self.register.port_bans.subjects_within(subject) {
            if let Some(hold) = self.register.port_bans.remove(&gone) {
                self.forget_hold(List::Ban, (gone, &hold), cause.clone(), now);
            }
        }
        let unproved: Vec<Subject> = self
            .unconfirmed
            .keys()
            .filter(|listed| listed.covers(&subject) || subject.covers(listed))
            .copied()
            .collect();
        for listed in unproved {
            self.unconfirmed.remove(&listed);
            self.remove_from_kernel(List::Ban, listed, &[]);
        }
    }

    fn allowed_by_configuration(&self) -> Vec<Subject> {
        let allowed = self.register.roll(List::Allow).holds().iter();
        allowed
            .filter(|(_, hold)| hold.author == Author::Configuration)
            .map(|(subject, _)| *subject)
            .collect()
    }

    fn end_allowance(&mut self, subject: Subject, now: Timestamp) {
        let roll = self.register.roll_mut(List::Allow);
        if roll.get(&subject).is_none_or(|hold| hold.author != Author::Configuration) {
            return;
        }
        if let Some(hold) = roll.remove(&subject) {
            let cause = ReleaseCause::Lifted(Author::Configuration);
            self.forget_hold(List::Allow, (subject, &hold), cause, now);
        }
    }
}

fn configured(reason: Arc<str>, until: Until, generation: u64, now: Timestamp) -> Hold {
    Hold {
        since: now,
        until,
        nth_ban: 0,
        author: Author::Configuration,
        reason,
        ports: None,
        generation,
    }
}
