//! Who listens: which sockets may open their ports, who waits for approval, and who is told.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    Approval, Author, Change, Demand, Element, Follow, List, Listener, Note, Port, PortPolicy,
    Reach, Record, Ruling, Timestamp, UnitDoor, UnitGroup, Until,
};

use super::{Done, Guard, Refusal, step::Step};

/// How long a socket listens before the journal tells of it: many live for a moment only.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// How many listeners may wait to be told of; those beyond are shown but not told.
const MOST_UNTOLD: usize = 256;

/// How many ports may be in their grace at a time; the one whose grace ends next goes first.
const MOST_GRACES: usize = 4_096;

/// Most approvals and denials that operators may give beside the configuration's.
const MOST_RULINGS: usize = 1_024;

/// What is known of listening sockets, and what follows for the kernel.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening {
    /// Every socket that listens, by the kernel's number; `None` before the first report.
    sockets: Option<BTreeMap<u64, Listener>>,
    /// New ones and when the journal shall tell of them.
    untold: VecDeque<(Timestamp, u64)>,
    /// Elements of [`List::Follow`] in force.
    followed: BTreeSet<Element>,
    /// Elements of [`List::Grace`] in force.
    graces: BTreeMap<Element, Until>,
    /// The units that were found, with their control groups; `None` before the first report.
    units: Option<BTreeMap<Arc<str>, BTreeSet<UnitGroup>>>,
}

/// How a socket is judged by approvals and denials alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It opens its port, for this reason.
    Admitted(String),
    /// An operator denied it.
    Denied(Approval),
    /// Nobody spoke for it.
    Unknown,
    /// Nobody's sockets are followed.
    NotFollowed,
}

impl Listening {
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Listener> {
        self.sockets.iter().flat_map(BTreeMap::values)
    }

    /// Returns whether listeners have been reported yet.
    pub(super) fn is_known(&self) -> bool {
        self.sockets.is_some()
    }

    pub(super) fn is_followed(&self, element: Element) -> bool {
        self.followed.contains(&element)
    }

    pub(super) fn grace_of(&self, element: Element) -> Option<Until> {
        self.graces.get(&element).copied()
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = (Element, Until)> {
        let followed = self.followed.iter().map(|element| (*element, Until::FOREVER));
        followed.chain(self.graces.iter().map(|(element, until)| (*element, *until)))
    }

    /// Returns when something is to be told or a grace ends.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let told = self.untold.front().map(|(due, _)| *due);
        self.graces.values().filter_map(|until| until.moment()).chain(told).min()
    }

    /// Moves every moment by a step of the clock.
    pub(super) fn step(&mut self, step: Step) {
        for (due, _) in &mut self.untold {
            *due = step.moment(*due);
        }
        for until in self.graces.values_mut() {
            *until = step.until(*until);
        }
    }

    /// Takes what the kernel holds from an earlier life as followed, until the first report of
    /// listeners says otherwise: a restart closes no port.
    pub(super) fn presume(&mut self, element: Element) -> bool {
        let is_early = self.sockets.is_none();
        if is_early {
            self.followed.insert(element);
        }
        is_early
    }
}

impl Guard {
    /// Takes over which sockets listen, in place of the ones before.
    pub(super) fn take_listeners(&mut self, listeners: Vec<Listener>, now: Timestamp) {
        let fresh: BTreeMap<u64, Listener> =
            listeners.into_iter().map(|listener| (listener.socket, listener)).collect();
        let before = self.listening.sockets.replace(fresh);
        if let Some(before) = &before {
            self.begin_graces(before, now);
        }
        self.tell_of_new(before.as_ref(), now);
        self.follow();
    }

    /// Takes over which control groups the units have.
    pub(super) fn take_units(&mut self, units: BTreeMap<Arc<str>, BTreeSet<UnitGroup>>) {
        self.listening.units = Some(units);
        self.demand_units();
    }

    /// Returns every approval: the configuration's and the operators'.
    pub(super) fn approvals(&self) -> impl Iterator<Item = &Approval> {
        let ordered = self.rulings.values().filter(|ruling| ruling.approved);
        self.policy.ports.approvals.iter().chain(ordered.map(|ruling| &ruling.of))
    }

    fn denials(&self) -> impl Iterator<Item = &Approval> {
        self.rulings.values().filter(|ruling| !ruling.approved).map(|ruling| &ruling.of)
    }

    /// Returns how approvals and denials judge a socket.
    pub(super) fn admission(&self, listener: &Listener) -> Admission {
        if let Some(denial) = self.denials().find(|denial| denial.admits(listener)) {
            return Admission::Denied(denial.clone());
        }
        match self.policy.ports.follow {
            Follow::None => Admission::NotFollowed,
            Follow::All => Admission::Admitted("whatever listens is followed".to_owned()),
            Follow::Approved => self
                .approvals()
                .find(|approval| approval.admits(listener))
                .map_or(Admission::Unknown, |by| Admission::Admitted(format!("approved: {by}"))),
        }
    }

    /// Returns the rules for ports as the kernel is given them: with the operators' approvals.
    ///
    /// Where an operator denied somebody, the kernel cannot follow everybody by itself; then the
    /// sockets that are admitted are named to it one by one.
    pub(super) fn kernel_rules(&self) -> PortPolicy {
        let configured = &self.policy.ports;
        let has_denials = self.denials().next().is_some();
        let follow = match configured.follow {
            Follow::All if has_denials => Follow::Approved,
            follow => follow,
        };
        let posture = self.posture();
        let approvals = self.approvals().cloned().collect();
        PortPolicy { posture, follow, approvals, ..configured.clone() }
    }

    /// Brings the kernel's rules for ports, units and followed sockets up to date.
    pub(super) fn settle_ports(&mut self) {
        let rules = self.kernel_rules();
        if rules != *self.rules {
            self.rules = Arc::new(rules);
            self.demand(Demand::Ports(self.rules.clone()));
            self.demand_units();
        }
        self.follow();
        self.settle_posture();
    }

    pub(super) fn demand_units(&mut self) {
        let Some(units) = &self.listening.units else { return };
        let doors = self.unit_doors(units);
        self.demand(Demand::Units(Arc::new(doors)));
    }

    /// Returns the control groups whose sockets the kernel follows by itself; none while an
    /// operator's denial may except some of them.
    fn unit_doors(&self, units: &BTreeMap<Arc<str>, BTreeSet<UnitGroup>>) -> BTreeSet<UnitDoor> {
        if self.rules.follow != Follow::Approved || self.denials().next().is_some() {
            return BTreeSet::new();
        }
        let indexed = self.rules.approvals.iter().zip(0_u16..);
        indexed
            .filter_map(|(approval, index)| Some((index, units.get(approval.unit_alone()?)?)))
            .flat_map(|(approval, groups)| {
                groups.iter().map(move |UnitGroup { group, level }| UnitDoor {
                    approval,
                    group: *group,
                    level: *level,
                })
            })
            .collect()
    }

    /// Returns the units that the kernel has to be told the control groups of.
    pub fn units_wanted(&self) -> BTreeSet<Arc<str>> {
        self.rules.approvals.iter().filter_map(Approval::unit_alone).cloned().collect()
    }

    /// Returns whether a port waits for what is told of listeners, to open or to begin its grace;
    /// otherwise the kernel follows them by itself, or nobody does.
    pub fn needs_listeners_at_once(&self) -> bool {
        let rules = &self.rules;
        let are_named = rules.follow == Follow::Approved
            && (!rules.approvals.is_empty() || self.policy.ports.follow == Follow::All);
        are_named || !rules.grace.is_zero()
    }

    /// Brings the elements of [`List::Follow`] up to date.
    fn follow(&mut self) {
        if self.listening.sockets.is_none() {
            return;
        }
        let wanted: BTreeSet<Element> = if self.rules.follow == Follow::Approved {
            let admitted = self.listening.sockets().filter(|listener| {
                !listener.is_local() && matches!(self.admission(listener), Admission::Admitted(_))
            });
            admitted.flat_map(|listener| elements_of(List::Follow, listener)).collect()
        } else {
            BTreeSet::new()
        };
        let before = std::mem::take(&mut self.listening.followed);
        for element in before.difference(&wanted) {
            self.change(Change::Remove(*element));
        }
        for element in wanted.difference(&before) {
            self.change(Change::Install(*element, Until::FOREVER));
        }
        self.listening.followed = wanted;
    }

    /// Keeps the ports of followed sockets that are gone open for their grace.
    fn begin_graces(&mut self, before: &BTreeMap<u64, Listener>, now: Timestamp) {
        let grace = self.policy.ports.grace;
        if grace.is_zero() {
            return;
        }
        let until = Until::at(now.plus(grace));
        let gone = before.iter().filter(|(socket, listener)| {
            let sockets = self.listening.sockets.as_ref();
            !sockets.is_some_and(|sockets| sockets.contains_key(socket))
                && !listener.is_local()
                && matches!(self.admission(listener), Admission::Admitted(_))
        });
        let elements: Vec<Element> =
            gone.flat_map(|(_, listener)| elements_of(List::Grace, listener)).collect();
        for element in elements {
            if self.listening.graces.len() >= MOST_GRACES {
                self.end_next_grace();
            }
            self.listening.graces.insert(element, until);
            self.change(Change::Install(element, until));
        }
    }

    fn end_next_grace(&mut self) {
        let next = self.listening.graces.iter().min_by_key(|(_, until)| **until);
        if let Some(element) = next.map(|(element, _)| *element) {
            self.listening.graces.remove(&element);
            self.change(Change::Remove(element));
        }
    }

    /// Makes a note of sockets that the journal shall tell of: new ones, and of those that were
    /// there when the daemon came up the ones that wait for approval.
    fn tell_of_new(&mut self, before: Option<&BTreeMap<u64, Listener>>, now: Timestamp) {
        let is_news = |listener: &Listener| match before {
            Some(before) => !before.contains_key(&listener.socket),
            None => self.exposure_of(listener).reach == Reach::Pending,
        };
        let sockets = self.listening.sockets();
        let fresh: Vec<u64> = sockets
            .filter(|listener| !listener.is_local() && is_news(listener))
            .map(|listener| listener.socket)
            .collect();
        let due = now.plus(TELL_AFTER);
        let room = MOST_UNTOLD.saturating_sub(self.listening.untold.len());
        self.listening.untold.extend(fresh.into_iter().take(room).map(|socket| (due, socket)));
    }

    /// Tells of listeners that stayed, and forgets graces that are over.
    pub(super) fn listening_timeout(&mut self, now: Timestamp) {
        self.listening.graces.retain(|_, until| !until.is_over(now));
        while let Some((due, socket)) = self.listening.untold.front().copied()
            && due <= now
        {
            self.listening.untold.pop_front();
            let sockets = self.listening.sockets.as_ref();
            let Some(listener) = sockets.and_then(|sockets| sockets.get(&socket)).cloned() else {
                continue;
            };
            let judged = self.exposure_of(&listener);
            if judged.is_trap() {
                continue;
            }
            let Listener { port, address, owner, .. } = listener;
            let (reach, why) = (judged.reach, judged.why);
            self.note(Note::Listener { port, address, owner, reach, why }, now);
        }
    }

    /// Takes down what an operator says of listening sockets; nobody can shut themselves out so.
    pub(super) fn rule(
        &mut self,
        of: Approval,
        approved: bool,
        author: Author,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        if !self.rulings.contains_key(&of) && self.rulings.len() >= MOST_RULINGS {
            return Err(Refusal::rulings_full(MOST_RULINGS));
        }
        let ruling = Ruling { of: of.clone(), approved, since: now, author };
        self.change_rulings(|rulings| {
            rulings.insert(of, ruling.clone());
        })?;
        self.records.push_back(Record::Ruling(ruling.clone()));
        self.note(Note::Ruling(ruling), now);
        self.settle_ports();
        Ok(self.done(1))
    }

    /// Changes what operators said, unless that would close a way in.
    fn change_rulings(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<Approval, Ruling>),
    ) -> Result<(), Refusal> {
        let ways_in = self.open_ways_in();
        let before = self.rulings.clone();
        change(&mut self.rulings);
        let lost = ways_in.difference(&self.open_ways_in()).next().copied();
        match lost {
            Some(port) => {
                self.rulings = before;
                Err(Refusal::way_in(port))
            }
            None => Ok(()),
        }
    }

    /// Approves or denies every socket that waits for approval, each for its own port.
    pub(super) fn rule_current(
        &mut self,
        approved: bool,
        author: Author,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let waiting: BTreeSet<Approval> = self.unapproved().map(narrowest).collect();
        let count = waiting.len();
        for of in waiting {
            self.rule(of, approved, author, now)?;
        }
        Ok(self.done(count))
    }

    /// Takes back what an operator said.
    pub(super) fn forget_ruling(&mut self, of: &Approval) -> Result<Done, Refusal> {
        if !self.rulings.contains_key(of) {
            return Err(Refusal::no_ruling(of));
        }
        self.change_rulings(|rulings| drop(rulings.remove(of)))?;
        self.records.push_back(Record::RulingEnded(of.clone()));
        self.settle_ports();
        Ok(self.done(1))
    }

    /// Takes over rulings that the ledger remembers.
    pub fn restore_rulings(&mut self, rulings: Vec<Ruling>) {
        self.rulings.extend(rulings.into_iter().map(|ruling| (ruling.of.clone(), ruling)));
        self.settle_ports();
    }

    /// Returns what operators said of listening sockets.
    pub fn rulings(&self) -> impl Iterator<Item = &Ruling> {
        self.rulings.values()
    }

    /// Returns the sockets that nobody approved and that no rule for their port opens: if the posture
    /// is closed they wait, if it were they would.
    pub(super) fn unapproved(&self) -> impl Iterator<Item = &Listener> {
        self.listening.sockets().filter(|listener| {
            !listener.is_local()
                && !self.is_trap_port(listener.port)
                && self.verdict_on_port(listener.port).is_none()
                && self.policy.ports.follow == Follow::Approved
                && self.admission(listener) == Admission::Unknown
        })
    }

    /// Returns whether operators come in by a port: an SSH server listens there, or the service
    /// called `ssh` names it.
    pub(super) fn is_way_in(&self, port: Port) -> bool {
        let listens = |listener: &Listener| listener.port == port && listener.owner.is_way_in();
        let ssh = self.rules.services.get("ssh");
        self.listening.sockets().any(listens)
            || ssh.is_some_and(|ssh| ssh.ports.iter().any(|range| range.contains(port)))
    }
}

fn elements_of(list: List, listener: &Listener) -> Vec<Element> {
    let port = Some(listener.port);
    let element = |subject| Element { list, subject, port };
    listener.destinations().into_iter().map(element).collect()
}

/// Returns the approval that admits a socket's kind on its port, and least else.
fn narrowest(listener: &Listener) -> Approval {
    let owner = &listener.owner;
    // A scope is gone with its session; a service comes back by its name.
    let unit = owner.unit.clone().filter(|unit| unit.ends_with(".service"));
    let exe = if unit.is_none() { owner.exe.clone() } else { None };
    let port = crate::service::PortRange {
        protocol: listener.port.protocol,
        first: listener.port.number,
        last: listener.port.number,
    };
    Approval { unit, exe, user: None, ports: vec![port] }
}
