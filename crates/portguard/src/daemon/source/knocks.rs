//! Knocks: datagrams that the firewall tells of and drops. Nothing listens, and nothing answers.
//!
//! One thread while knocks are taken, none otherwise. It reads untrusted bytes and holds the host's
//! secret; all that it can do to the guard is to hand it a knock that a key of the configuration signed.

mod board;
mod judge;
mod ration;
mod seen;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use portguard_core::{Fact, Health, KnockNews, Note};
use portguard_linux::nflog::VolumeReader;
use portguard_reach::knock::{Gate, HostKeyError, HostSecret, LENGTH};

use crate::{
    clock,
    config::{Config, KNOCK_GROUP, KnockPlan},
    daemon::inbox::Inbox,
    exit::with_causes,
};

use self::{
    board::Counts,
    judge::{Judge, Judgement, Now, Refused},
    seen::Seen,
};

use super::tell;

pub(crate) use board::{KnockBoard, KnockState, Shown};

const NAME: &str = "knocks";

/// How long one wait takes; whether it is the end is looked at after each.
const WAIT: Duration = Duration::from_millis(500);

/// Bytes of each packet that are copied: a knock with all headers before it, as the rule has it.
const COPIED: u32 = 384;
const _: () = assert!(COPIED as usize == LENGTH + 128);

/// How far the thread stands behind the others when processors are short (`nice(2)`, which is for one
/// thread on Linux): whoever floods the host with packets keeps no ban waiting.
const BEHIND_BANS: i32 = 10;

/// Where the host's secret is, and the memory of knocks.
const SECRET_FILE: &str = "knock_key";
const SEEN_FILE: &str = "knock_seen";

/// Taking knocks, or not.
#[derive(Default)]
pub(crate) struct Knocks {
    board: Arc<KnockBoard>,
    running: Option<Running>,
}

struct Running {
    stop: Arc<AtomicBool>,
    next: Arc<Next>,
    thread: JoinHandle<()>,
}

/// A configuration that the thread has not taken over yet. It does before it judges another packet, so
/// that a key that was taken away counts no more.
#[derive(Default)]
struct Next {
    is_there: AtomicBool,
    next: Mutex<Option<(Gate, Arc<KnockPlan>)>>,
}

impl Next {
    fn put(&self, gate: Gate, plan: Arc<KnockPlan>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((gate, plan));
        self.is_there.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<(Gate, Arc<KnockPlan>)> {
        if !self.is_there.load(Ordering::Acquire) {
            return None;
        }
        self.is_there.store(false, Ordering::Relaxed);
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Returns the host's secret, which is made if there is none.
///
/// # Errors
/// When it can be neither read nor made.
pub(crate) fn host_secret(state_dir: &std::path::Path) -> Result<HostSecret, HostKeyError> {
    HostSecret::open_or_make(&state_dir.join(SECRET_FILE))
}

impl Knocks {
    /// Returns where it stands how the knocks do.
    pub(crate) fn board(&self) -> Arc<KnockBoard> {
        self.board.clone()
    }

    /// Takes knocks as a configuration says in place of the one before; none while the guard only
    /// observes, which has no table in the kernel that could tell of them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn set(&mut self, config: &Config, inbox: &Inbox) -> io::Result<()> {
        let Some(plan) = config.knock_plan().map(Arc::new) else {
            self.stop();
            inbox.report(Fact::SourceGone { source: NAME.into() });
            return Ok(());
        };
        if config.guard.observe {
            let why = "the guard only observes, so nobody can knock".to_owned();
            tell(inbox, NAME, Health::Broken(why));
            return Ok(());
        }
        let gate = match host_secret(&plan.state_dir) {
            Ok(secret) => Gate::new(secret, plan.knockers.iter().cloned()),
            Err(error) => {
                self.stop();
                self.board.set(Some((plan, None)));
                tell(inbox, NAME, Health::Broken(with_causes(&error)));
                return Ok(());
            }
        };
        self.board.set(Some((plan.clone(), Some(gate.public()))));
        let alive = self.running.as_ref().filter(|running| !running.thread.is_finished());
        if let Some(running) = alive {
            running.next.put(gate, plan);
            return Ok(());
        }
        self.running = self.start(gate, plan, inbox)?;
        Ok(())
    }

    fn start(
        &self,
        gate: Gate,
        plan: Arc<KnockPlan>,
        inbox: &Inbox,
    ) -> io::Result<Option<Running>> {
        let reader = match VolumeReader::open_copying(&[KNOCK_GROUP], COPIED) {
            Ok(reader) => reader,
            Err(error) => {
                let why = format!("log group {KNOCK_GROUP}: {error}; nobody can knock");
                tell(inbox, NAME, Health::Broken(why));
                return Ok(None);
            }
        };
        let seen = Seen::open(plan.state_dir.join(SEEN_FILE), clock::now());
        let (stop, next) = (Arc::<AtomicBool>::default(), Arc::<Next>::default());
        let counts = self.board.state().map(|state| state.counts).unwrap_or_default();
        let reading = Reading {
            reader,
            hearing: Hearing {
                judge: Judge::new(gate, plan, seen),
                before: counts.lost,
                counts,
                next: next.clone(),
                board: self.board.clone(),
                inbox: inbox.clone(),
            },
            stop: stop.clone(),
            told: None,
            is_unsettled: false,
        };
        let thread = super::start(NAME, move || reading.run())?;
        Ok(Some(Running { stop, next, thread }))
    }

    /// Takes none any more.
    pub(crate) fn stop(&mut self) {
        if let Some(Running { stop, thread, .. }) = self.running.take() {
            stop.store(true, Ordering::Relaxed);
            // A thread that panicked has nothing left to do.
            let _ = thread.join();
        }
        self.board.set(None);
    }
}

/// What the thread has.
struct Reading {
    reader: VolumeReader,
    hearing: Hearing,
    stop: Arc<AtomicBool>,
    told: Option<Health>,
    /// Whether a good knock is not yet on its way to the disk.
    is_unsettled: bool,
}

/// What a packet meets.
struct Hearing {
    judge: Judge,
    counts: Counts,
    /// Packets that were lost before this thread began.
    before: u64,
    next: Arc<Next>,
    board: Arc<KnockBoard>,
    inbox: Inbox,
}

impl Reading {
    fn run(mut self) {
        // Where that is refused, knocks are taken all the same.
        let _ = rustix::process::nice(BEHIND_BANS);
        while !self.stop.load(Ordering::Relaxed) {
            self.tell_health();
            if let Err(error) = self.take() {
                return tell(&self.hearing.inbox, NAME, Health::Broken(error.to_string()));
            }
        }
    }

    /// Takes what came, and waits for it.
    fn take(&mut self) -> io::Result<()> {
        let Self { reader, hearing, is_unsettled, .. } = self;
        let count = reader.receive(WAIT, |logged| *is_unsettled |= hearing.hear(logged.payload))?;
        if count > 0 {
            hearing.counts.lost = hearing.before + reader.lost();
            hearing.board.count(&hearing.counts);
        }
        *is_unsettled = *is_unsettled && !hearing.judge.seen().settle();
        Ok(())
    }

    fn tell_health(&mut self) {
        let health = match self.hearing.judge.seen().trouble() {
            None => Health::Good,
            Some(why) => Health::Degraded(why.to_owned()),
        };
        if self.told.as_ref() != Some(&health) {
            tell(&self.hearing.inbox, NAME, health.clone());
            self.told = Some(health);
        }
    }
}

impl Hearing {
    /// Judges a packet and tells what follows; returns whether something does.
    fn hear(&mut self, packet: &[u8]) -> bool {
        if let Some((gate, plan)) = self.next.take() {
            self.judge.set(gate, plan);
        }
        let is_good = self.follow(packet);
        self.judge.seen().write(clock::now);
        is_good
    }

    fn follow(&mut self, packet: &[u8]) -> bool {
        let both = || Now { wall: clock::now(), since_boot: clock::uptime() };
        match self.judge.judge(packet, both) {
            Judgement::Good(knock) => {
                *self.counts.taken.entry(knock.key.to_string()).or_default() += 1;
                let news = KnockNews {
                    key: knock.key,
                    sender: knock.sender,
                    address: knock.address,
                    service: knock.service.clone(),
                    refused: None,
                };
                self.inbox.deliver(Fact::Knock(knock));
                self.board.show(clock::now(), news);
                true
            }
            Judgement::Refused(Refused { kind, news }) => {
                *self.counts.refused.entry(kind).or_default() += 1;
                if let Some(news) = news {
                    self.board.show(clock::now(), news.clone());
                    self.inbox.report(Fact::Noted(Note::Knock(news)));
                }
                false
            }
        }
    }
}
