//! The enforcer thread: owns the kernel table, takes changes over in batches, repairs what others
//! broke, and reports how it went. Without a table it only observes and changes nothing.

mod kernel;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use portguard_api::view;
use portguard_core::{Change, Demand, Fact, Health, Note, PortPolicy, Process, Subject, UnitDoor};
use portguard_linux::nft::{
    ApplyError, FrameSpec, ListSet, NotApplied, Table, UnitError, Verdict, probe_features,
};
use tokio::sync::{oneshot, watch};

use crate::{clock, exit::with_causes};

use super::inbox::Inbox;

/// How many pieces of work may wait: a full transaction. When full, changes wait in the guard,
/// which always has the newest.
pub(crate) const QUEUE_DEPTH: usize = 8_192;

/// How many questions may wait. They have a queue of their own, so that the kernel can be asked
/// while much is being taken over; when it is full, whoever asks is told.
const QUESTIONS_DEPTH: usize = 64;

/// Changes taken over in one go.
const BATCH: usize = 8_192;

/// How often the frame is verified without any sign of change, in case a sign was lost.
const VERIFY_EVERY: Duration = Duration::from_secs(30);

/// Name of the kernel table among the sources.
pub(crate) const NAME: &str = "kernel";

/// Something for the enforcer.
pub(crate) enum Work {
    /// A change with its generation.
    Change(u64, Change),
    /// The control groups that open their ports, with their generation.
    Units(u64, Arc<BTreeSet<UnitDoor>>),
    /// The rules for ports, with their generation.
    Ports(u64, Arc<PortPolicy>),
    /// A new frame.
    Frame(Box<FrameSpec>),
    /// Somebody else may have changed the table.
    Verify(Process),
    /// Tell what the kernel holds.
    Holdings(Sender<Fact>),
    /// Look a subject up; bans of these ports too.
    Check(Subject, Vec<portguard_core::Port>, oneshot::Sender<Result<view::Check, String>>),
    /// Count.
    State(oneshot::Sender<KernelState>),
    /// End, and remove the table if so told.
    Stop { remove: bool },
}

impl Work {
    /// Returns the work that a demand of the guard is.
    pub(crate) fn of(generation: u64, demand: Demand) -> Self {
        match demand {
            Demand::Element(change) => Self::Change(generation, change),
            Demand::Units(units) => Self::Units(generation, units),
            Demand::Ports(ports) => Self::Ports(generation, ports),
        }
    }
}

/// How far the kernel has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    /// All changes up to this generation are in, or failed.
    pub(crate) generation: u64,
    /// Why the last batch failed, if it did.
    pub(crate) failure: Option<Arc<str>>,
}

/// What the kernel counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KernelState {
    /// Elements in our sets, if the kernel tells.
    pub(crate) installed: Option<u64>,
    /// What was dropped.
    pub(crate) turned_away: view::TurnedAway,
    /// Decisions that were counted but not told of, being too many.
    pub(crate) over_limit: u64,
}

/// Sends questions to the enforcer.
#[derive(Clone)]
pub(crate) struct Requests(Sender<Work>);

impl Requests {
    /// Asks the kernel about a subject, bans of these ports included.
    pub(crate) async fn check(
        &self,
        subject: Subject,
        ports: Vec<portguard_core::Port>,
    ) -> Result<view::Check, String> {
        let gone = || "the enforcer is too busy or gone".to_owned();
        let (sender, receiver) = oneshot::channel();
        self.0.try_send(Work::Check(subject, ports, sender)).map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }

    /// Asks the kernel for its counts; none if the enforcer has no time.
    pub(crate) async fn state(&self) -> KernelState {
        let (sender, receiver) = oneshot::channel();
        match self.0.try_send(Work::State(sender)) {
            Ok(()) => receiver.await.unwrap_or_default(),
            Err(_) => KernelState::default(),
        }
    }
}

/// The receiving ends of the enforcer's queues.
pub(crate) struct Queues {
    work: Receiver<Work>,
    questions: Receiver<Work>,
}

/// Returns the enforcer's queues: one end for work, one for questions, and the ends to receive.
pub(crate) fn queues() -> (Sender<Work>, Requests, Queues) {
    let (to_work, work) = bounded(QUEUE_DEPTH);
    let (to_questions, questions) = bounded(QUESTIONS_DEPTH);
    (to_work, Requests(to_questions), Queues { work, questions })
}

/// The table and what it should look like.
pub(crate) struct Enforcer {
    /// `None`: only observe.
    table: Option<Table>,
    frame: FrameSpec,
    /// The control groups that open their ports.
    units: Arc<BTreeSet<UnitDoor>>,
    /// Prefix lengths that need a set of their own, gathered from the changes.
    networks: BTreeSet<ListSet>,
    inbox: Inbox,
    reached: watch::Sender<Reached>,
    generation: u64,
    broken: bool,
}

impl Enforcer {
    pub(crate) fn new(table: Option<Table>, frame: FrameSpec, inbox: Inbox) -> Self {
        let (reached, _) = watch::channel(Reached::default());
        let (units, networks) = (Arc::default(), BTreeSet::new());
        Self { table, frame, units, networks, inbox, reached, generation: 0, broken: false }
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Reached> {
        self.reached.subscribe()
    }

    /// Puts the first frame in. Elements of an earlier life stay in their sets.
    ///
    /// A kernel that does not take it is asked what it lacks; then the frame does without, and the
    /// shortcomings are told.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let Err(why) = self.apply_frame() else { return Ok(()) };
        let features = probe_features();
        if features == self.frame.features {
            return Err(why);
        }
        self.frame.features = features;
        self.apply_frame()?;
        Ok(())
    }

    /// Works until told to stop, or until nobody is left to give work.
    pub(crate) fn run(mut self, Queues { work, questions }: &Queues) {
        loop {
            let mut batch = Vec::new();
            let mut next = select! {
                recv(questions) -> question => question.ok(),
                recv(work) -> first => match first {
                    Ok(first) => Some(first),
                    Err(_) => return,
                },
                default(VERIFY_EVERY) => Some(Work::Verify(Process::default())),
            };
            while let Some(Work::Change(generation, change)) = next {
                self.generation = generation;
                batch.push(change);
                next = if batch.len() < BATCH { work.try_recv().ok() } else { None };
            }
            if !batch.is_empty() {
                self.take_over(&batch);
            }
            match next {
                Some(Work::Stop { remove }) => return self.stop(remove),
                Some(other) => self.handle(other),
                None => {}
            }
        }
    }

    fn handle(&mut self, work: Work) {
        match work {
            Work::Frame(frame) => {
                let FrameSpec { ports, features, unit_levels, .. } = self.frame.clone();
                self.frame = FrameSpec { ports, features, unit_levels, ..*frame };
                if let Err(why) = self.apply_frame() {
                    self.report(Some(why));
                }
            }
            Work::Ports(generation, ports) => {
                self.generation = generation;
                let is_new = self.frame.ports != ports;
                self.frame.ports = ports;
                let failure = if is_new { self.apply_frame().err() } else { None };
                self.report(failure);
            }
            Work::Units(generation, units) => {
                self.generation = generation;
                self.units = units;
                let failure = self.set_units().err();
                self.report(failure);
            }
            Work::Verify(by) => self.verify(by),
            Work::Holdings(reply) => {
                let held = self
                    .table
                    .as_mut()
                    .map(|table| kernel::everything(table, &self.frame.sets(), clock::now()));
                // As below.
                held.and_then(|held| reply.send(held).ok());
            }
            // Whoever asked may have hung up.
            Work::Check(subject, ports, reply) => {
                let _ = reply.send(kernel::check(self.table.as_mut(), subject, &ports));
            }
            Work::State(reply) => {
                let _ = reply.send(kernel::state(self.table.as_mut(), &self.frame.sets()));
            }
            Work::Change(..) | Work::Stop { .. } => {}
        }
    }

    /// Takes changes over; a prefix length without a set gets one first.
    fn take_over(&mut self, changes: &[Change]) {
        let Some(table) = &mut self.table else { return self.report(None) };
        match table.apply(changes, clock::now()) {
            Ok(outcome) => {
                let first = outcome.not_applied.first().map(NotApplied::to_string);
                self.report(first);
            }
            Err(ApplyError::MissingSet(_)) => {
                let sets = self.frame.sets();
                let wanted = changes.iter().map(|change| ListSet::of(&change.element()));
                self.networks.extend(wanted.filter(|set| !sets.contains(set)));
                match self.apply_frame() {
                    Ok(()) => self.take_over(changes),
                    Err(why) => self.report(Some(why)),
                }
            }
            Err(error) => {
                self.report(Some(with_causes(&error)));
                self.verify(Process::default());
            }
        }
    }

    /// Makes the control groups of units open their ports; a depth without a set gets one first.
    fn set_units(&mut self) -> Result<(), String> {
        let Some(table) = &mut self.table else { return Ok(()) };
        if !self.frame.features.cgroup {
            return Ok(());
        }
        match table.set_units(&self.units) {
            Ok(()) => Ok(()),
            Err(UnitError::MissingSet(..)) => {
                let levels = self.units.iter().map(|door| (door.approval, door.level));
                self.frame.unit_levels = levels.collect();
                self.apply_frame()?;
                let Some(table) = &mut self.table else { return Ok(()) };
                table.set_units(&self.units).map_err(|error| with_causes(&error))
            }
            Err(error) => Err(with_causes(&error)),
        }
    }

    fn apply_frame(&mut self) -> Result<(), String> {
        let known = self.frame.sets();
        self.frame.networks.extend(self.networks.difference(&known));
        let Some(table) = &mut self.table else { return Ok(()) };
        match table.apply_frame(&self.frame) {
            Ok(_) => {
                let lacking = self.frame.features.shortcomings();
                self.tell_health(if lacking.is_empty() {
                    Health::Good
                } else {
                    Health::Degraded(format!("this kernel has {}", lacking.join("; ")))
                });
                Ok(())
            }
            Err(error) => {
                let why = with_causes(&error);
                self.tell_health(Health::Broken(why.clone()));
                Err(why)
            }
        }
    }

    /// Compares the kernel with what was applied and repairs what differs.
    fn verify(&mut self, by: Process) {
        let Some(table) = &mut self.table else { return };
        let what = match table.verify() {
            Ok(Verdict::Intact) => {
                if std::mem::take(&mut self.broken) {
                    self.lost("changes that failed".to_owned(), by);
                }
                return;
            }
            Ok(Verdict::TableMissing) => "the table was deleted".to_owned(),
            Ok(Verdict::FrameChanged) => "the frame was changed".to_owned(),
            Ok(Verdict::UnitsFlushed) => "flush of control groups".to_owned(),
            Ok(Verdict::Flushed { sets }) => {
                let names: Vec<String> = sets.iter().map(ToString::to_string).collect();
                format!("flush of set {}", names.join(", "))
            }
            Err(error) => return self.report(Some(with_causes(&error))),
        };
        match self.apply_frame() {
            Ok(()) => self.lost(what, by),
            Err(why) => self.report(Some(why)),
        }
    }

    fn lost(&self, what: String, by: Process) {
        self.inbox.deliver(Fact::KernelLost { what, by });
    }

    fn report(&mut self, failure: Option<String>) {
        self.broken |= failure.is_some();
        let generation = self.generation;
        let failure: Option<Arc<str>> = failure.map(Arc::from);
        let news = failure != self.reached.borrow().failure;
        self.reached.send_replace(Reached { generation, failure: failure.clone() });
        if news {
            self.inbox.deliver(Fact::Outcome { generation, failure });
        } else {
            // Only moves the mark on; the next one says the same and more.
            self.inbox.report(Fact::Outcome { generation, failure });
        }
    }

    fn tell_health(&self, health: Health) {
        self.inbox.report(Fact::Health { source: NAME.into(), health });
    }

    fn stop(&mut self, remove: bool) {
        if let Some(table) = self.table.as_mut().filter(|_| remove)
            && let Err(error) = table.remove()
        {
            self.inbox.report(Fact::Noted(Note::NotEnforced { why: error.to_string().into() }));
        }
    }
}
