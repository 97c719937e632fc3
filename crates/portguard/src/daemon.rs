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
mod reload;
mod remote;
mod restore;
mod shares;
mod source;
mod system;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use portguard_core::{Caps, Fact, Guard, Level, Note, Timestamp};
use portguard_linux::{
    credentials,
    nft::{FrameSpec, Ownership, Table},
};

use crate::{
    clock,
    config::{self, Config, Loaded, OnExit},
    exit::{Failed, Turn, with_causes},
};

use self::{
    api::{Desk, Roles, Sockets},
    driver::Driver,
    enforcer::{Enforcer, Queues, Work},
    inbox::Inbox,
    ledger::{LedgerThread, Memory},
    reload::Undo,
    remote::Remote,
    shares::Shares,
    source::{
        connections::Connections,
        knocks::Knocks,
        listeners::{Heard, Urgency},
        packets::SharedPlans,
        record::PacketRecord,
        reports::Reports,
        taps::{TapStates, Taps},
        traps::Traps,
        watches::Watches,
    },
    system::Signal,
};

pub(crate) use api::WEB_USER;
pub(crate) use api::described as described_api;
pub(crate) use remote::LastFile;
pub(crate) use source::{connections::Direction, knocks::host_secret, reports::ReportPlan};
pub(crate) use system::{notify_ready, surroundings};

/// How often a trap whose port was taken is tried again.
const RETRY_TRAPS_EVERY: Duration = Duration::from_secs(30);

/// How long the daemon may take to stop before it is said to hang.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What does not change while the daemon runs, and what is shown of it.
pub(crate) struct About {
    pub(crate) version: String,
    pub(crate) since: Timestamp,
    pub(crate) observe: bool,
    /// The configuration file.
    pub(crate) path: PathBuf,
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
    remote: Arc<Remote>,
    taps: Arc<TapStates>,
}

impl Shared {
    fn new(config: &Config, traps: &Traps, inbox: &Inbox) -> Self {
        let protect = Arc::new(RwLock::new(config.protection()));
        Self {
            plans: Arc::new(RwLock::new(traps.plans())),
            remote: Arc::new(Remote::new(inbox.clone(), protect.clone())),
            protect,
            hosts: Arc::new(RwLock::new(config.hosts())),
            record: Arc::new(PacketRecord::new(config.record())),
            urgency: Urgency::default(),
            heard: Heard::default(),
            connections: Connections::new(config.fanout_plan()),
            shares: Arc::new(Shares::new(config.share_plan(), inbox.clone())),
            taps: Arc::default(),
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
    senses: Senses,
    roles: Arc<Roles>,
    shared: Shared,
    threads: Threads,
    /// What undoes a change of the configuration file that waits for confirmation.
    undo: Option<Undo>,
}

/// The sources that a reload starts and stops.
#[derive(Default)]
struct Senses {
    watches: Watches,
    reports: Reports,
    taps: Taps,
    knocks: Knocks,
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
    let (Loaded { mut config, warnings }, undo) = reload::begin(path, &around)?;
    config.guard.observe |= observe;
    for warning in &warnings {
        journal::say(Level::Warning, warning);
    }
    let (faces, signals) =
        system::signals().map_err(|error| Failed::environment(error.to_string()))?;
    let open =
        |path: &Path| api::listen(path).map_err(|error| Failed::environment(with_causes(&error)));
    let control = open(socket.unwrap_or(&config.socket()))?;
    let sockets = Sockets { control, web: open(&config.web_socket())? };
    let mut daemon = Daemon::start(config, path, sockets, faces)?;
    for warning in daemon.hear() {
        journal::say(Level::Warning, &warning);
    }
    daemon.undo = undo;
    daemon.keep_if_good();
    daemon.settle_file();
    system::notify_ready();
    daemon.wait(&signals)
}

/// Starts the guard thread, which returns the guard as it is in the end.
fn start_guard(driver: Driver) -> std::io::Result<JoinHandle<Guard>> {
    std::thread::Builder::new().name("guard".to_owned()).spawn(move || driver.run())
}

fn start_enforcer(enforcer: Enforcer, queues: Queues) -> std::io::Result<JoinHandle<()>> {
    source::start("enforcer", move || enforcer.run(&queues))
}

/// Lets the ledger's memory be handed over, and faces ask meanwhile.
fn start_serving(restorer: restore::Restorer, sockets: Sockets, desk: Desk) -> std::io::Result<()> {
    source::start("restore", move || restorer.run())?;
    source::start("api", move || serve(sockets, desk)).map(drop)
}

/// Serves the control socket for as long as it works.
fn serve(sockets: Sockets, desk: Desk) {
    if let Err(error) = api::serve(sockets, desk) {
        journal::say(Level::Error, &format!("the control socket failed: {error}"));
    }
}

impl Daemon {
    fn start(
        config: Config,
        path: &Path,
        sockets: Sockets,
        signals: Sender<Signal>,
    ) -> Result<Self, Failed> {
        let environment = |error: std::io::Error| Failed::environment(error.to_string());
        let about = about(&config, path, clock::now());
        let (inbox, inputs) = inbox::inbox();
        let (work, kernel, queues) = enforcer::queues();
        let ledger = open_ledger(&config, &inbox);
        let guard = prepared_guard(&config, ledger.standing(clock::now()));
        inbox.deliver(Fact::Noted(Note::Started { version: about.version.as_str().into() }));

        // Traps before the frame: a port that is taken must have no rule that bans its users.
        let traps = Traps::set(config.trap_plans(), &inbox);
        let frame = FrameSpec { ports: guard.rules(), ..config.frame(traps.rules()) };
        let (enforcer, ownership) = begun_enforcer(&config, frame, &inbox)?;

        let (records, kept) = crossbeam_channel::bounded(ledger::QUEUE_DEPTH);
        let shared = Shared::new(&config, &traps, &inbox);
        let (senses, roles) = (Senses::default(), Arc::new(roles(&config)));
        let desk = Desk {
            record: shared.record.clone(),
            taps: shared.taps.clone(),
            connections: shared.connections.clone(),
            watches: senses.watches.board(),
            knocks: senses.knocks.board(),
            shares: shared.shares.clone(),
            remote: shared.remote.clone(),
            views: Arc::default(),
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
        let threads = Threads {
            enforcer: start_enforcer(enforcer, queues).map_err(environment)?,
            ledger: source::start("ledger", move || ledger.run(&kept)).map_err(environment)?,
            guard: start_guard(driver).map_err(environment)?,
        };

        start_sources(&config, &shared, &inbox).map_err(environment)?;
        start_serving(restorer, sockets, desk).map_err(environment)?;
        Ok(Self {
            config,
            path: path.to_owned(),
            about,
            inbox,
            work,
            traps,
            senses,
            roles,
            shared,
            threads,
            undo: None,
        })
    }

    /// Reads logs, takes reports and knocks, and looks at packets as the configuration says; returns
    /// what does not work.
    fn hear(&mut self) -> Vec<String> {
        let Self { senses, config, inbox, .. } = self;
        senses.watches.board().set_folders(config.rules.folders());
        let watches = senses.watches.set(config.watch_plans(), inbox);
        let reports = senses.reports.set(config.report_plan(), &self.roles, inbox);
        let taps = senses.taps.set(config.tap_plan(), &self.shared.taps, inbox);
        let remote = self.shared.remote.set(config.remote_plan());
        let knocks = senses.knocks.set(config, inbox);
        let unheard = [
            ("some watches do not run", watches),
            ("nobody can report", reports),
            ("some interfaces are not looked at", taps),
            ("the control file is not fetched", remote),
            ("nobody can knock", knocks),
        ];
        let told = |(what, result): (_, std::io::Result<()>)| {
            result.err().map(|error| format!("{what}: {error}"))
        };
        unheard.into_iter().filter_map(told).collect()
    }

    /// Waits for signals until one ends the daemon.
    fn wait(mut self, signals: &crossbeam_channel::Receiver<Signal>) -> Result<(), Failed> {
        let mut retry_traps_at = Instant::now() + RETRY_TRAPS_EVERY;
        loop {
            let wait = retry_traps_at.saturating_duration_since(Instant::now());
            match signals.recv_timeout(wait.min(self.patience())) {
                Ok(Signal::Reload(asker)) => {
                    system::notify_reloading();
                    let told = self.reload();
                    system::notify_ready();
                    // Whoever asked may have hung up.
                    let _ = asker.map(|asker| asker.send(told));
                }
                Ok(Signal::Settled) => self.keep_if_good(),
                Ok(Signal::File(order)) => {
                    system::notify_reloading();
                    let told = self.change_file(&order);
                    system::notify_ready();
                    // As above.
                    let _ = order.asker.send(told);
                }
                Ok(Signal::Stop) | Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            }
            if retry_traps_at <= Instant::now() {
                retry_traps_at = Instant::now() + RETRY_TRAPS_EVERY;
                if self.traps.retry(&self.inbox) {
                    self.send_frame();
                }
            }
            self.settle_file();
            if self.threads.guard.is_finished() || self.threads.enforcer.is_finished() {
                return Err(Failed::bug("a thread of the daemon ended unasked"));
            }
        }
        system::notify_stopping();
        self.stop()
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
        self.shared.remote.stop();
        self.shared.shares.stop_all();
        self.traps.stop();
        self.senses.watches.stop();
        self.senses.reports.stop();
        self.senses.taps.stop();
        self.senses.knocks.stop();
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
        for socket in [self.config.socket(), self.config.web_socket()] {
            // It may have been removed by hand.
            let _ = std::fs::remove_file(socket);
        }
        if clean {
            Ok(())
        } else {
            Err(Failed::environment("a thread did not stop in time; the kernel table is as it was"))
        }
    }
}

fn about(config: &Config, path: &Path, now: Timestamp) -> Arc<About> {
    Arc::new(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        since: now,
        observe: config.guard.observe,
        path: path.to_owned(),
        configuration: Mutex::new(config.to_toml()),
        restored: AtomicBool::new(false),
    })
}

/// Returns a guard that knows who must not be touched, and what operators decided about ports,
/// before it hears of anybody.
fn prepared_guard(config: &Config, memory: Memory) -> Guard {
    let now = clock::now();
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
    for fact in protected.facts() {
        guard.handle_event(portguard_core::Event { at: now, fact }, now);
    }
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
        let (heard, taps) = (shared.heard.clone(), shared.taps.clone());
        source::record::start(shared.record.clone(), heard, taps, inbox.clone())?;
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

/// Returns an enforcer whose first frame is in the kernel, and what tells our table from others.
fn begun_enforcer(
    config: &Config,
    frame: FrameSpec,
    inbox: &Inbox,
) -> Result<(Enforcer, Option<Arc<Ownership>>), Failed> {
    let table = open_table(config)?;
    let ownership = table.as_ref().map(Table::ownership);
    let mut enforcer = Enforcer::new(table, frame, inbox.clone());
    enforcer.start().map_err(|why| Failed::new(Turn::NotEnforced, why))?;
    Ok((enforcer, ownership))
}

fn roles(config: &Config) -> Roles {
    Roles {
        readers: credentials::group_id(&config.api.group),
        operators: credentials::group_id(&config.api.operators),
        own_uid: rustix::process::getuid().as_raw(),
        web_uid: credentials::user_id(api::WEB_USER),
    }
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
