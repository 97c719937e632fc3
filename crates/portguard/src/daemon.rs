//! The daemon: builds the guard, its sources and its pipes, and waits for signals.
//!
//! The main thread takes signals, re-reads the configuration, and tries taken trap ports again; the
//! guard thread decides; the enforcer thread talks to the kernel; the ledger thread to the disk; the
//! control socket has a runtime of its own; each source has a thread, and so has each shared port
//! while it is shared.

mod api;
mod driver;
mod enforcer;
mod inbox;
mod journal;
mod last_good;
mod ledger;
pub(crate) mod load;
mod restore;
mod shares;
mod source;
mod system;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::Sender;
use portguard_core::{Caps, Fact, Guard, Level, Note, Timestamp};
use portguard_linux::{
    credentials,
    nft::{FrameSpec, Table},
};

use crate::{
    clock,
    config::{self, Config, Loaded, OnExit},
    exit::{Failed, Turn, with_causes},
};

use self::{
    api::{Desk, Roles},
    driver::Driver,
    enforcer::{Enforcer, Work},
    inbox::Inbox,
    ledger::{LedgerThread, Memory},
    shares::Shares,
    source::{
        connections::Connections,
        listeners::{Heard, Urgency},
        packets::SharedPlans,
        record::PacketRecord,
        reports::Reports,
        traps::Traps,
        watches::Watches,
    },
    system::Signal,
};

pub(crate) use source::reports::ReportPlan;
pub(crate) use system::surroundings;

/// How often a trap whose port was taken is tried again.
const RETRY_TRAPS_EVERY: Duration = Duration::from_secs(30);

/// How long the daemon may take to stop before it is said to hang.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What does not change while the daemon runs, and what is shown of it.
pub(crate) struct About {
    pub(crate) version: String,
    pub(crate) since: Timestamp,
    pub(crate) observe: bool,
    /// The configuration in effect, as TOML.
    pub(crate) configuration: Mutex<String>,
    restored: AtomicBool,
}

impl About {
    /// Returns whether everything that the ledger remembers has been handed to the guard.
    pub(crate) fn is_restored(&self) -> bool {
        self.restored.load(Ordering::Acquire)
    }
}

/// What can be changed by reading the configuration again.
struct Shared {
    plans: SharedPlans,
    protect: source::host::SharedProtect,
    hosts: source::hosts::SharedHosts,
    record: Arc<PacketRecord>,
    urgency: Urgency,
    heard: Heard,
    connections: Arc<Connections>,
    shares: Arc<Shares>,
}

impl Shared {
    fn new(config: &Config, traps: &Traps, inbox: &Inbox) -> Self {
        Self {
            plans: Arc::new(RwLock::new(traps.plans())),
            protect: Arc::new(RwLock::new(config.protection())),
            hosts: Arc::new(RwLock::new(config.hosts())),
            record: Arc::new(PacketRecord::new(config.record())),
            urgency: Urgency::default(),
            heard: Heard::default(),
            connections: Connections::new(config.fanout_plan()),
            shares: Arc::new(Shares::new(config.share_plan(), inbox.clone())),
        }
    }
}

/// The running daemon, as the main thread sees it.
struct Daemon {
    config: Config,
    path: PathBuf,
    about: Arc<About>,
    inbox: Inbox,
    work: Sender<Work>,
    traps: Traps,
    watches: Watches,
    reports: Reports,
    roles: Arc<Roles>,
    shared: Shared,
    threads: Threads,
}

/// The threads whose end the daemon waits for.
struct Threads {
    guard: JoinHandle<Guard>,
    enforcer: JoinHandle<()>,
    ledger: JoinHandle<()>,
}

/// Runs the daemon until a signal ends it.
pub(crate) fn run(path: &Path, socket: Option<&Path>, observe: bool) -> Result<(), Failed> {
    let around = system::surroundings();
    let Loaded { mut config, warnings } =
        config::load(path, &around).map_err(|mistakes| config::failed(&mistakes))?;
    config.guard.observe |= observe;
    for warning in &warnings {
        journal::say(Level::Warning, warning);
    }
    let (faces, signals) =
        system::signals().map_err(|error| Failed::environment(error.to_string()))?;
    let listener = api::listen(socket.unwrap_or(&config.socket()))
        .map_err(|error| Failed::environment(with_causes(&error)))?;
    let mut daemon = Daemon::start(config, path, listener, faces)?;
    for warning in daemon.hear() {
        journal::say(Level::Warning, &warning);
    }
    daemon.keep_if_good();
    system::notify_ready();
    daemon.wait(&signals)
}

/// Starts the guard thread, which returns the guard as it is in the end.
fn start_guard(driver: Driver) -> std::io::Result<JoinHandle<Guard>> {
    std::thread::Builder::new().name("guard".to_owned()).spawn(move || driver.run())
}

/// Serves the control socket for as long as it works.
fn serve(listener: std::os::unix::net::UnixListener, desk: Desk) {
    if let Err(error) = api::serve(listener, desk) {
        journal::say(Level::Error, &format!("the control socket failed: {error}"));
    }
}

impl Daemon {
    fn start(
        config: Config,
        path: &Path,
        listener: std::os::unix::net::UnixListener,
        signals: Sender<Signal>,
    ) -> Result<Self, Failed> {
        let environment = |error: std::io::Error| Failed::environment(error.to_string());
        let about = about(&config, clock::now());
        let (inbox, inputs) = inbox::inbox();
        let (work, kernel, queues) = enforcer::queues();
        let ledger = open_ledger(&config, &inbox);
        let now = clock::now();
        let guard = prepared_guard(&config, ledger.standing(now), now);
        inbox.deliver(Fact::Noted(Note::Started { version: about.version.as_str().into() }));

        // Traps before the frame: a port that is taken must have no rule that bans its users.
        let traps = Traps::set(config.trap_plans(), &inbox);
        let table = open_table(&config)?;
        let ownership = table.as_ref().map(Table::ownership);
        let frame = FrameSpec { ports: guard.rules(), ..config.frame(traps.rules()) };
        let mut enforcer = Enforcer::new(table, frame, inbox.clone());
        enforcer.start().map_err(|why| Failed::new(Turn::NotEnforced, why))?;

        let (records, kept) = crossbeam_channel::bounded(ledger::QUEUE_DEPTH);
        let shared = Shared::new(&config, &traps, &inbox);
        let roles = Arc::new(roles(&config));
        let desk = Desk {
            record: shared.record.clone(),
            connections: shared.connections.clone(),
            shares: shared.shares.clone(),
            about: about.clone(),
            inbox: inbox.clone(),
            reached: enforcer.progress(),
            written: ledger.progress(),
            kernel,
            ledger: ledger.reader(),
            roles: roles.clone(),
            signals,
        };
        let restorer = restore::Restorer {
            reader: ledger.reader(),
            inbox: inbox.clone(),
            work: work.clone(),
            reached: enforcer.progress(),
            about: about.clone(),
            table: ownership.map(|ownership| (config.firewall.table.clone(), ownership)),
        };
        let driver = Driver {
            units: source::units::start(inbox.clone()).map_err(environment)?,
            urgency: shared.urgency.clone(),
            guard,
            inputs,
            changes: work.clone(),
            records,
            renew_ledger: ledger.renewal(),
            watchdog: system::watchdog(),
            is_ledger_stuck: false,
        };
        let enforcer =
            source::start("enforcer", move || enforcer.run(&queues)).map_err(environment)?;
        let ledger = source::start("ledger", move || ledger.run(&kept)).map_err(environment)?;
        let guard = start_guard(driver).map_err(environment)?;

        start_sources(&config, &shared, &inbox).map_err(environment)?;
        source::start("restore", move || restorer.run()).map_err(environment)?;
        source::start("api", move || serve(listener, desk)).map_err(environment)?;
        let (path, threads) = (path.to_owned(), Threads { guard, enforcer, ledger });
        Ok(Self {
            config,
            path,
            about,
            inbox,
            work,
            traps,
            watches: Watches::default(),
            reports: Reports::default(),
            roles,
            shared,
            threads,
        })
    }

    /// Reads logs and takes reports as the configuration says; returns what does not work.
    fn hear(&mut self) -> Vec<String> {
        let watches = self.watches.set(self.config.watch_plans(), &self.inbox);
        let reports = self.reports.set(self.config.report_plan(), &self.roles, &self.inbox);
        let unheard = [("some watches do not run", watches), ("nobody can report", reports)];
        let told = |(what, result): (_, std::io::Result<()>)| {
            result.err().map(|error| format!("{what}: {error}"))
        };
        unheard.into_iter().filter_map(told).collect()
    }

    /// Waits for signals until one ends the daemon.
    fn wait(mut self, signals: &crossbeam_channel::Receiver<Signal>) -> Result<(), Failed> {
        loop {
            match signals.recv_timeout(RETRY_TRAPS_EVERY) {
                Ok(Signal::Reload(asker)) => {
                    system::notify_reloading();
                    let told = self.reload();
                    system::notify_ready();
                    // Whoever asked may have hung up.
                    let _ = asker.map(|asker| asker.send(told));
                }
                Ok(Signal::Settled) => self.keep_if_good(),
                Ok(Signal::Stop) | Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                    if self.traps.retry(&self.inbox) {
                        self.send_frame();
                    }
                }
            }
            if self.threads.guard.is_finished() || self.threads.enforcer.is_finished() {
                return Err(Failed::bug("a thread of the daemon ended unasked"));
            }
        }
        system::notify_stopping();
        self.stop()
    }

    /// Reads the configuration again and returns its mistakes and warnings; a bad one changes
    /// nothing and is named in the journal.
    fn reload(&mut self) -> (Vec<String>, Vec<String>) {
        let Loaded { mut config, mut warnings } =
            match config::load(&self.path, &system::surroundings()) {
                Ok(loaded) => loaded,
                Err(mistakes) => {
                    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                    for mistake in &mistakes {
                        let line = format!("configuration not taken over: {mistake}");
                        journal::say(Level::Error, &line);
                    }
                    return (mistakes, Vec::new());
                }
            };
        for (what, old, new) in unchangeable(&self.config, &config) {
            if old != new {
                warnings.push(format!("{what} takes effect with the next start"));
            }
        }
        for warning in &warnings {
            journal::say(Level::Warning, warning);
        }
        config.guard.observe = self.config.guard.observe;
        config.firewall.table.clone_from(&self.config.firewall.table);
        self.shared.record.configure(config.record());
        self.shared.connections.configure(config.fanout_plan());
        let replace = PoisonError::into_inner;
        *self.shared.protect.write().unwrap_or_else(replace) = config.protection();
        *self.shared.hosts.write().unwrap_or_else(PoisonError::into_inner) = config.hosts();
        *self.about.configuration.lock().unwrap_or_else(PoisonError::into_inner) = config.to_toml();
        self.config = config;
        self.reset_guard();
        let policy = self.config.port_policy();
        self.shared.shares.configure(self.config.share_plan(), |port| policy.is_never(port));
        self.traps.stop();
        self.traps = Traps::set(self.config.trap_plans(), &self.inbox);
        *self.shared.plans.write().unwrap_or_else(PoisonError::into_inner) = self.traps.plans();
        self.send_frame();
        warnings.extend(self.hear());
        self.keep_if_good();
        journal::say(Level::Info, "configuration read again");
        (Vec::new(), warnings)
    }

    /// Hands the new policy to the guard before anything else of the new configuration counts.
    fn reset_guard(&self) {
        let policy = self.config.policy();
        let told = self.inbox.ask_patiently(Box::new(move |guard, now| {
            guard.configure(policy, now);
            guard.forget_traps();
            Box::new(|_| {})
        }));
        if told.is_err() {
            journal::say(Level::Error, "the guard is gone; the new configuration does not count");
        }
    }

    /// Keeps the configuration as the last good one, unless it waits for confirmation.
    fn keep_if_good(&self) {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let wanted = self.config.port_policy();
        let asked = self.inbox.ask_patiently(Box::new(move |guard, _| {
            // The main thread waits for it.
            let _ = sender.send(guard.is_good(&wanted));
            Box::new(|_| {})
        }));
        if asked.is_ok() && receiver.recv() == Ok(true) {
            last_good::keep(&self.config);
        }
    }

    fn send_frame(&self) {
        let frame = self.config.frame(self.traps.rules());
        // The enforcer is gone only when the daemon goes down.
        let _ = self.work.send(Work::Frame(Box::new(frame)));
    }

    /// Stops: traps first, then what is under way is finished and written.
    fn stop(mut self) -> Result<(), Failed> {
        let remove = self.config.guard.on_exit == OnExit::Remove;
        let table = if remove { "the kernel table is removed" } else { "the kernel table stays" };
        self.shared.shares.stop_all();
        self.traps.stop();
        self.watches.stop();
        self.reports.stop();
        self.inbox.deliver(Fact::Noted(Note::Stopped { table: table.into() }));
        self.inbox.stop();
        let deadline = std::time::Instant::now() + STOP_WITHIN;
        let clean = joined(self.threads.guard, deadline).is_some();
        // Without listeners the trap rules must go: whoever serves there next has honest users.
        // The enforcer may already be gone.
        let _ = self.work.send(Work::Frame(Box::new(self.config.frame(Vec::new()))));
        let _ = self.work.send(Work::Stop { remove });
        let clean = joined(self.threads.enforcer, deadline).is_some() && clean;
        let clean = joined(self.threads.ledger, deadline).is_some() && clean;
        // The socket may have been removed by hand.
        let _ = std::fs::remove_file(self.config.socket());
        if clean {
            Ok(())
        } else {
            Err(Failed::environment("a thread did not stop in time; the kernel table is as it was"))
        }
    }
}

fn about(config: &Config, now: Timestamp) -> Arc<About> {
    Arc::new(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        since: now,
        observe: config.guard.observe,
        configuration: Mutex::new(config.to_toml()),
        restored: AtomicBool::new(false),
    })
}

/// Returns a guard that knows who must not be touched, and what operators decided about ports,
/// before it hears of anybody.
fn prepared_guard(config: &Config, memory: Memory, now: Timestamp) -> Guard {
    let mut guard = Guard::new(Caps::default());
    let before = last_good::ports(&config.guard.state_dir);
    guard.restore_standing(memory.standing, before);
    guard.configure(config.policy(), now);
    guard.restore_rulings(memory.rulings);
    let doors = Fact::RestoredDoors(memory.doors);
    guard.handle_event(portguard_core::Event { at: now, fact: doors }, now);
    let proposals = Fact::RestoredProposals(memory.proposals);
    guard.handle_event(portguard_core::Event { at: now, fact: proposals }, now);
    let (protected, _) = source::host::protected(&config.protection());
    let fact = Fact::Protected(protected);
    guard.handle_event(portguard_core::Event { at: now, fact }, now);
    guard
}

/// Opens the ledger. A clock that is behind its journal is wrong: measures must not last until it is
/// right again.
fn open_ledger(config: &Config, inbox: &Inbox) -> LedgerThread {
    let path = config.ledger();
    let ledger = LedgerThread::open(&path, config.retention(), inbox.clone());
    if let Some(newest) = ledger.newest_moment() {
        clock::begin_not_before(newest);
    }
    ledger
}

/// Starts the sources that know nothing of each other.
fn start_sources(config: &Config, shared: &Shared, inbox: &Inbox) -> std::io::Result<()> {
    if !config.guard.observe {
        source::record::start(shared.record.clone(), shared.heard.clone(), inbox.clone())?;
        source::packets::start(config::LOG_GROUP, shared.plans.clone(), inbox.clone())?;
    }
    source::listeners::start(inbox.clone(), shared.urgency.clone(), shared.heard.clone())?;
    source::connections::start(shared.connections.clone(), inbox.clone())?;
    source::host::start(shared.protect.clone(), inbox.clone())?;
    source::hosts::start(shared.hosts.clone(), inbox.clone())
}

fn open_table(config: &Config) -> Result<Option<Table>, Failed> {
    if config.guard.observe {
        return Ok(None);
    }
    Table::open(&config.firewall.table).map(Some).map_err(|error| {
        Failed::new(Turn::NotEnforced, format!("cannot talk to the kernel's nf_tables: {error}"))
            .hint("run it as root, or with CAP_NET_ADMIN; --observe needs neither")
    })
}

fn roles(config: &Config) -> Roles {
    Roles {
        readers: credentials::group_id(&config.api.group),
        operators: credentials::group_id(&config.api.operators),
        own_uid: rustix::process::getuid().as_raw(),
    }
}

/// Returns the settings that a running daemon can not take over.
fn unchangeable<'a>(
    old: &'a Config,
    new: &'a Config,
) -> [(&'static str, std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>); 4] {
    [
        (
            "guard.state_dir",
            old.guard.state_dir.to_string_lossy(),
            new.guard.state_dir.to_string_lossy(),
        ),
        ("guard.run_dir", old.guard.run_dir.to_string_lossy(), new.guard.run_dir.to_string_lossy()),
        ("firewall.table", old.firewall.table.as_str().into(), new.firewall.table.as_str().into()),
        (
            "guard.observe",
            old.guard.observe.to_string().into(),
            new.guard.observe.to_string().into(),
        ),
    ]
}

/// Waits for a thread until the deadline and returns what it left.
fn joined<T>(thread: JoinHandle<T>, deadline: std::time::Instant) -> Option<T> {
    while !thread.is_finished() {
        if std::time::Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    thread.join().ok()
}
