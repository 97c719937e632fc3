//! The guard thread: owns the guard, feeds it one input after the other, and hands on what follows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use portguard_core::{Demand, Guard};

use crate::{clock, daemon::journal};

use super::{
    enforcer::Work,
    inbox::{Answer, Input, Marks},
    ledger::Keep,
    source::{listeners::Urgency, units::Wanted},
};

/// Longest sleep, so that the watchdog hears of the thread in time.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Shortest sleep while changes wait for the enforcer to make room.
const BACK_PRESSURE_WAIT: Duration = Duration::from_millis(1);

/// How many inputs are taken in a row before what followed is handed on.
const INPUTS_IN_A_ROW: usize = 256;

/// The guard and the pipes out of its thread.
pub(crate) struct Driver {
    pub(crate) guard: Guard,
    pub(crate) inputs: Receiver<Input>,
    /// Changes for the kernel; when full they wait in the guard.
    pub(crate) changes: Sender<Work>,
    /// Which units' control groups to look for.
    pub(crate) units: Wanted,
    /// Whether listeners have to be seen at once.
    pub(crate) urgency: Urgency,
    /// Records for the ledger, numbered; when full they wait in `unsent`.
    pub(crate) records: Sender<Keep>,
    /// Makes the ledger take the whole state anew.
    pub(crate) renew_ledger: Arc<AtomicBool>,
    /// Called at least every [`LONGEST_WAIT`].
    pub(crate) watchdog: Box<dyn FnMut() + Send>,
    /// Whether the ledger thread took no record for too long; it is not waited for again until it
    /// takes one.
    pub(crate) is_ledger_stuck: bool,
}

impl Driver {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) -> Guard {
        let mut marks = Marks { generation: 0, record: 0 };
        let mut waiting: Option<Work> = None;
        loop {
            (self.watchdog)();
            self.urgency.store(self.guard.needs_listeners_at_once(), Ordering::Relaxed);
            self.follow_clock();
            let mut answers: Vec<Answer> = Vec::new();
            let mut stopping = false;
            match self.inputs.recv_timeout(self.time_to_wait(waiting.is_some())) {
                Ok(input) => {
                    stopping |= self.take(input, &mut answers);
                    for input in self.inputs.try_iter().take(INPUTS_IN_A_ROW).collect::<Vec<_>>() {
                        stopping |= self.take(input, &mut answers);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.guard.handle_timeout(clock::now()),
                Err(RecvTimeoutError::Disconnected) => stopping = true,
            }
            self.hand_on_records(&mut marks);
            self.hand_on_changes(&mut waiting, &mut marks);
            marks.generation = self.guard.desired().generation();
            for answer in answers {
                answer(marks);
            }
            if stopping {
                return self.guard;
            }
        }
    }

    /// Takes a jump of the wall clock over, which the ledger then has to write down.
    fn follow_clock(&mut self) {
        if let Some(jump) = clock::jumped() {
            clock::follow(jump);
            self.guard.step_clock(jump, clock::now());
            self.renew_ledger.store(true, Ordering::Release);
        }
    }

    fn time_to_wait(&self, is_pressed: bool) -> Duration {
        if is_pressed || self.guard.is_resyncing() {
            return BACK_PRESSURE_WAIT;
        }
        let now = clock::now();
        let due = self.guard.poll_timeout().map_or(LONGEST_WAIT, |due| due.since(now));
        // Ends are kept to the millisecond; a wait of zero would spin within it.
        due.clamp(BACK_PRESSURE_WAIT, LONGEST_WAIT)
    }

    /// Takes one input in and returns whether it is the last.
    fn take(&mut self, input: Input, answers: &mut Vec<Answer>) -> bool {
        let now = clock::now();
        match input {
            Input::Event(event) => self.guard.handle_event(*event, now),
            Input::Ask(ask) => answers.push(ask(&mut self.guard, now)),
            Input::Stop => return true,
        }
        false
    }

    /// Hands records to the ledger thread, which writes the system log as well: that may block, and
    /// nothing may block here. The ledger thread keeps a backlog of its
    /// own while the disk is in trouble, so its queue fills only when the disk hangs.
    fn hand_on_records(&mut self, marks: &mut Marks) {
        while let Some(record) = self.guard.poll_record() {
            marks.record += 1;
            let patience = if self.is_ledger_stuck { Duration::ZERO } else { LEDGER_PATIENCE };
            let keep = Keep { number: marks.record, record: Box::new(record) };
            let taken = self.records.send_deadline(keep, Instant::now() + patience).is_ok();
            if !taken && !self.is_ledger_stuck {
                journal::say_lost_record();
            }
            self.is_ledger_stuck = !taken;
        }
    }

    fn hand_on_changes(&mut self, waiting: &mut Option<Work>, marks: &mut Marks) {
        loop {
            let next = waiting.take().or_else(|| {
                let (generation, demand) = self.guard.poll_demand()?;
                marks.generation = generation;
                if let Demand::Ports(_) = demand {
                    // Full only if sixteen policies came within 50 ms; the newest names matter, and
                    // a look every ten seconds finds what is missing.
                    let _ = self.units.try_send(self.guard.units_wanted());
                }
                Some(Work::of(generation, demand))
            });
            let Some(work) = next else { return };
            match self.changes.try_send(work) {
                Ok(()) => {}
                Err(TrySendError::Full(work)) => {
                    *waiting = Some(work);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }
}

/// How long the guard thread waits, once, for a ledger thread whose queue is full (it holds
/// [`super::ledger::QUEUE_DEPTH`] records) before records are given up and that is said.
const LEDGER_PATIENCE: Duration = Duration::from_millis(200);
