//! The ledger thread: writes what the guard hands over into the system log and, in batches, into
//! the ledger. It may wait for either; the guard does not.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use portguard_core::{Fact, Health, ListedDoor, Proposal, Record, Ruling, Standing, Timestamp};
use portguard_store::{EntryQuery, Keeper, Opening, Order, Pruned, Reader, Retention};
use tokio::sync::watch;

use crate::{clock, exit::with_causes};

use super::{inbox::Inbox, journal};

/// How many records may wait for the ledger thread.
///
/// A batch of this size is written in about a tenth of a second, so the queue only fills while
/// the disk stalls; then the guard thread waits a little and says what it had to give up.
pub(crate) const QUEUE_DEPTH: usize = 8_192;

/// How many records one batch takes.
const BATCH: usize = 8_192;

/// How often old rows are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// Name of the ledger among the sources.
pub(crate) const NAME: &str = "ledger";

/// A record with its number.
pub(crate) struct Keep {
    pub(crate) number: u64,
    /// The queue has its room from the start: a place in it is small.
    pub(crate) record: Box<Record>,
}

/// How far the ledger has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// The number of the last record that is in the ledger, or in its backlog.
    pub(crate) number: u64,
    /// Why records wait in memory, if they do.
    pub(crate) unwritten: Option<Arc<str>>,
}

/// What operators decided about ports, and what waits for their decision.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) standing: Standing,
    pub(crate) rulings: Vec<Ruling>,
    pub(crate) doors: Vec<ListedDoor>,
    pub(crate) proposals: Vec<Proposal>,
}

/// A reader of the ledger for the views; it follows the ledger when that begins anew elsewhere.
pub(crate) type SharedReader = Arc<Mutex<Reader>>;

/// The ledger and its pipes.
pub(crate) struct LedgerThread {
    keeper: Keeper,
    reader: SharedReader,
    written: watch::Sender<Written>,
    inbox: Inbox,
    /// Whether the whole state is to be written anew.
    renew: Arc<AtomicBool>,
}

impl LedgerThread {
    /// Opens the ledger and tells the guard how that went.
    pub(crate) fn open(path: &Path, retention: Retention, inbox: Inbox) -> Self {
        let (keeper, opening) = Keeper::open(path, retention, clock::now());
        if let Some(note) = told(&opening) {
            journal::say(portguard_core::Level::Warning, &note);
        }
        let reader = Arc::new(Mutex::new(keeper.reader()));
        let (written, _) = watch::channel(Written::default());
        let renew = Arc::new(AtomicBool::new(false));
        let this = Self { keeper, reader, written, inbox, renew };
        this.report_health();
        this
    }

    /// Returns what makes the whole state be written anew.
    pub(crate) fn renewal(&self) -> Arc<AtomicBool> {
        self.renew.clone()
    }

    /// Returns the moment of the newest journal line, if there is one.
    pub(crate) fn newest_moment(&self) -> Option<Timestamp> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let query = EntryQuery {
            since: None,
            subject: None,
            kinds: Vec::new(),
            after_id: None,
            limit: 1,
            order: Order::NewestFirst,
        };
        reader.entries(&query).ok()?.first().map(|entry| entry.at)
    }

    /// Returns what has to be known before the first packet is judged anew. A ledger that can not
    /// be read has nothing to say, and its health tells why.
    pub(crate) fn standing(&self, now: Timestamp) -> Memory {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        remembered(&mut reader, now)
    }

    pub(crate) fn reader(&self) -> SharedReader {
        self.reader.clone()
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Written> {
        self.written.subscribe()
    }

    /// Writes until the guard thread is gone.
    pub(crate) fn run(mut self, records: &Receiver<Keep>) {
        let mut prune_at = clock::now().plus(PRUNE_EVERY);
        loop {
            let now = clock::now();
            let retry = self.keeper.poll_timeout().map_or(PRUNE_EVERY, |due| due.since(now));
            let wait = retry.min(prune_at.since(now)).max(Duration::from_millis(1));
            match records.recv_timeout(wait) {
                Ok(first) => {
                    let mut number = first.number;
                    let rest = records.try_iter().take(BATCH).map(|keep| {
                        number = keep.number;
                        *keep.record
                    });
                    let batch: Vec<Record> = std::iter::once(*first.record).chain(rest).collect();
                    for record in &batch {
                        if let Record::Entry(entry) = record {
                            journal::write(entry);
                        }
                    }
                    self.keeper.record(batch, clock::now());
                    self.tell(number);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.keeper.handle_timeout(clock::now());
                    let number = self.written.borrow().number;
                    self.tell(number);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.keeper.needs_full_state() || self.renew.swap(false, AcqRel) {
                self.ask_for_full_state();
            }
            if prune_at <= clock::now() {
                let more = matches!(self.keeper.prune(clock::now()), Pruned::MoreIsDue);
                let pause = if more { Duration::from_millis(50) } else { PRUNE_EVERY };
                prune_at = clock::now().plus(pause);
            }
        }
    }

    fn tell(&self, number: u64) {
        let unwritten = match self.keeper.health() {
            Health::Good => None,
            Health::Degraded(why) | Health::Broken(why) => Some(Arc::from(why)),
        };
        let changed = self.written.borrow().unwritten != unwritten;
        self.written.send_replace(Written { number, unwritten });
        if changed {
            self.report_health();
        }
    }

    fn report_health(&self) {
        self.inbox.report(Fact::Health { source: NAME.into(), health: self.keeper.health() });
    }

    /// Asks the guard for all that is in force, for a ledger that lost its memory.
    fn ask_for_full_state(&mut self) {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let asked = self.inbox.ask(Box::new(move |guard, _| {
            // The ledger thread waits for it, or is gone.
            let _ = sender.send(guard.full_state());
            Box::new(|_| {})
        }));
        if asked.is_ok()
            && let Ok(state) = receiver.recv_timeout(FULL_STATE_PATIENCE)
        {
            self.keeper.record_full_state(&state, clock::now());
            self.report_health();
        }
    }
}

/// How long the ledger thread waits for the guard's whole state; it asks again after that.
const FULL_STATE_PATIENCE: Duration = Duration::from_secs(5);

/// Returns what a ledger remembers of operators' decisions about ports, and of what waits for one.
pub(crate) fn remembered(reader: &mut Reader, now: Timestamp) -> Memory {
    let mut read = || {
        Ok::<_, portguard_store::ReadError>(Memory {
            standing: reader.standing()?,
            rulings: reader.rulings()?,
            doors: reader.doors(now)?,
            proposals: reader.proposals(now)?,
        })
    };
    read().unwrap_or_else(|error| {
        let why = format!("open and shut ports can not be read: {}", with_causes(&error));
        journal::say(portguard_core::Level::Error, &why);
        Memory::default()
    })
}

fn told(opening: &Opening) -> Option<String> {
    match opening {
        Opening::Fresh | Opening::Existing => None,
        Opening::Recovered { moved_to, why, .. } => Some(format!(
            "the ledger was damaged ({why}); it is kept as {} and a new one has begun",
            moved_to.display()
        )),
        Opening::InMemory { why, .. } => {
            Some(format!("the ledger is in memory only, and lost at the end: {why}"))
        }
    }
}
