//! The posture, and risky changes: made at once, undone unless somebody confirms them in time.
//!
//! While a change waits, the kernel's own elements carry its deadline, so that it rolls back even
//! if nobody is there to do it.

use std::sync::Arc;

use crate::{
    Author, Change, Door, DoorAct, Element, List, Note, Pending, PortPolicy, Posture, Record,
    ReleaseCause, RiskyChange, Span, Standing, Timestamp, Until, everybody,
};

use super::{Done, Guard, Refusal};

impl Guard {
    /// Returns the posture in force.
    pub fn posture(&self) -> Posture {
        self.standing.posture.unwrap_or(self.policy.ports.posture)
    }

    /// Returns what waits for confirmation.
    pub fn pending(&self) -> Option<&Pending> {
        self.standing.pending.as_ref()
    }

    /// Returns how long a risky change waits for its confirmation.
    pub fn confirm_within(&self) -> Span {
        self.policy.confirm
    }

    /// Returns whether what waits is a configuration.
    pub fn is_configuration_pending(&self) -> bool {
        matches!(self.pending(), Some(Pending { what: RiskyChange::Configuration { .. }, .. }))
    }

    /// Returns whether a configured policy for ports is in force and waits for nothing.
    pub fn is_good(&self, configured: &PortPolicy) -> bool {
        !self.is_configuration_pending() && self.policy.ports == *configured
    }

    /// Returns the rules for ports in force, with the operators' approvals.
    pub fn rules(&self) -> Arc<PortPolicy> {
        self.rules.clone()
    }

    /// Takes over what operators had decided before the daemon came up. To be called before
    /// [`Guard::configure`]; `before` is the policy for ports that a pending change of the
    /// configuration goes back to.
    pub fn restore_standing(&mut self, standing: Standing, before: Option<PortPolicy>) {
        self.standing = standing;
        self.before = before;
    }

    pub(super) fn lock_down(&mut self, author: Author, now: Timestamp) -> Result<Done, Refusal> {
        self.refuse_if_pending()?;
        if self.posture() == Posture::Closed {
            return Err(Refusal::posture_is(Posture::Closed));
        }
        let before = self.standing.posture;
        self.begin_probation(RiskyChange::Lockdown { before }, author, now);
        self.order_posture(Posture::Closed, author, now);
        Ok(self.done(1))
    }

    pub(super) fn relax(&mut self, author: Author, now: Timestamp) -> Done {
        if let Some(Pending { what: RiskyChange::Lockdown { .. }, .. }) = self.standing.pending {
            self.standing.pending = None;
        }
        self.order_posture(Posture::Open, author, now);
        self.done(1)
    }

    fn order_posture(&mut self, posture: Posture, author: Author, now: Timestamp) {
        self.standing.posture = Some(posture);
        self.record_standing();
        self.note(Note::Posture { posture, author }, now);
        self.settle_ports();
    }

    pub(super) fn confirm(&mut self, author: Author, now: Timestamp) -> Result<Done, Refusal> {
        let pending = self.standing.pending.take().ok_or_else(Refusal::nothing_pending)?;
        if let RiskyChange::Shut { ports } = &pending.what {
            self.confirm_shut(ports);
        }
        self.before = None;
        self.record_standing();
        self.note(Note::Confirmed { what: pending.what.to_string(), author }, now);
        self.settle_posture();
        Ok(self.done(1))
    }

    pub(super) fn roll_back(
        &mut self,
        author: Option<Author>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let pending = self.standing.pending.take().ok_or_else(Refusal::nothing_pending)?;
        let what = pending.what.to_string();
        match pending.what {
            RiskyChange::Lockdown { before } => self.standing.posture = before,
            RiskyChange::Shut { ports } => self.undo_shut(&ports),
            RiskyChange::Configuration { fingerprint } => {
                if let Some(before) = self.before.take() {
                    self.policy.ports = before;
                    self.standing.rejected = Some(fingerprint);
                }
            }
        }
        self.record_standing();
        self.note(Note::RolledBack { what, author }, now);
        self.settle_ports();
        self.end_forbidden_doors(now);
        Ok(self.done(1))
    }

    /// Undoes what nobody confirmed in time.
    pub(super) fn standing_timeout(&mut self, now: Timestamp) {
        if self.pending().is_some_and(|pending| pending.deadline <= now) {
            // It is pending, so there is something to roll back.
            let _ = self.roll_back(None, now);
        }
    }

    /// Takes over the configuration's policy for ports.
    ///
    /// One that takes a way in away waits for confirmation, unless it is the first since the
    /// daemon came up: nobody can be locked out by what was so before.
    pub(super) fn configure_ports(&mut self, before: PortPolicy, is_first: bool, now: Timestamp) {
        let fingerprint = fingerprint(&self.policy.ports);
        if is_first {
            self.resume_configuration(&fingerprint);
        } else if before != self.policy.ports {
            self.weigh_configuration(before, fingerprint, now);
        }
        self.settle_ports();
        self.settle_pause();
        self.end_forbidden_doors(now);
    }

    /// Ends openings of ports that may never open any more.
    fn end_forbidden_doors(&mut self, now: Timestamp) {
        let forbidden = |door: &Door| door.act == DoorAct::Open && self.rules.is_never(door.port);
        let doors = self.doors.iter().map(|(door, _)| door).filter(forbidden).collect();
        self.end_doors(doors, &ReleaseCause::Lifted(Author::Configuration), now);
    }

    /// Goes on with a change of the configuration that an earlier life of the daemon began, or
    /// leaves out one that was rolled back.
    fn resume_configuration(&mut self, fingerprint: &Arc<str>) {
        let was_rejected = self.standing.rejected.as_ref() == Some(fingerprint);
        match (&self.before, was_rejected) {
            (Some(before), true) => self.policy.ports = before.clone(),
            _ => self.standing.rejected = None,
        }
        if !self.is_configuration_pending() {
            self.before = None;
        }
    }

    /// Makes a new policy wait for confirmation if it takes a way in away.
    fn weigh_configuration(&mut self, before: PortPolicy, fingerprint: Arc<str>, now: Timestamp) {
        let mut before = before;
        if self.is_configuration_pending() {
            self.standing.pending = None;
            before = self.before.take().unwrap_or(before);
        } else if self.pending().is_some() {
            // Two changes can not wait at once, and the new one is weighed against what was safe.
            let _ = self.roll_back(None, now);
        }
        self.standing.rejected = None;
        if self.takes_way_in(&before) {
            let what = RiskyChange::Configuration { fingerprint };
            let waits = self.begin_probation(what, Author::Configuration, now).is_some();
            self.before = waits.then_some(before);
        }
        self.record_standing();
    }

    /// Returns whether the policy closes the posture or a way in that was open before it.
    fn takes_way_in(&mut self, before: &PortPolicy) -> bool {
        let after = std::mem::replace(&mut self.policy.ports, before.clone());
        let (old_rules, old_posture) = (self.rules.clone(), self.posture());
        self.rules = Arc::new(self.kernel_rules());
        let ways_in = self.open_ways_in();
        self.policy.ports = after;
        self.rules = Arc::new(self.kernel_rules());
        let closes = old_posture == Posture::Open && self.posture() == Posture::Closed;
        let loses = !ways_in.is_subset(&self.open_ways_in());
        self.rules = old_rules;
        closes || loses
    }

    /// Makes a change wait for confirmation and returns its deadline; `None` if the configuration
    /// wants no waiting.
    pub(super) fn begin_probation(
        &mut self,
        what: RiskyChange,
        author: Author,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let deadline = match self.policy.confirm {
            Span::For(length) if length.is_zero() => return None,
            span => Until::after(span, now).moment().unwrap_or(Timestamp::MAX),
        };
        let words = what.to_string();
        self.standing.pending = Some(Pending { what, since: now, deadline, author });
        self.record_standing();
        self.note(Note::Awaiting { what: words, deadline, author }, now);
        Some(deadline)
    }

    pub(super) fn refuse_if_pending(&self) -> Result<(), Refusal> {
        match self.pending() {
            Some(pending) => Err(Refusal::pending(&pending.what.to_string())),
            None => Ok(()),
        }
    }

    /// Forgets that ports which were opened again wait to be shut for good.
    pub(super) fn forget_pending_shut(&mut self, opened: &[crate::Port]) {
        let Some(Pending { what: RiskyChange::Shut { ports }, .. }) = &mut self.standing.pending
        else {
            return;
        };
        ports.retain(|port| !opened.contains(port));
        if ports.is_empty() {
            self.standing.pending = None;
        }
        self.record_standing();
    }

    /// Brings the elements that close the posture up to date.
    pub(super) fn settle_posture(&mut self) {
        let is_waiting = match self.pending() {
            Some(Pending { what: RiskyChange::Shut { .. }, .. }) | None => None,
            Some(pending) => Some(Until::at(pending.deadline)),
        };
        let wanted = match self.posture() {
            Posture::Open => None,
            Posture::Closed => Some(is_waiting.unwrap_or(Until::FOREVER)),
        };
        if wanted == self.closed {
            return;
        }
        let had = self.closed.is_some();
        self.closed = wanted;
        for subject in everybody() {
            let element = Element { list: List::Closed, subject, port: None };
            match wanted {
                Some(until) => drop(self.change(Change::Install(element, until))),
                None if had => drop(self.change(Change::Remove(element))),
                None => {}
            }
        }
    }

    pub(super) fn closed_elements(&self) -> impl Iterator<Item = (Element, Until)> {
        let until = self.closed;
        let families = until.map(|_| everybody()).unwrap_or_default();
        let element = |subject| Element { list: List::Closed, subject, port: None };
        families
            .into_iter()
            .zip(until.into_iter().cycle())
            .map(move |(subject, until)| (element(subject), until))
    }

    pub(super) fn record_standing(&mut self) {
        self.records.push_back(Record::Standing(self.standing.clone()));
    }
}

/// Returns what tells one policy for ports from another. It is written out in full: hashes of the
/// standard library differ between its versions.
fn fingerprint(ports: &PortPolicy) -> Arc<str> {
    format!("{ports:?}").into()
}
