//! Keeps the ledger whatever happens to the disk: full, read-only, locked, broken or swapped away.
//!
//! The ledger thread owns the one keeper and calls it with what the guard hands over. A call blocks
//! for as long as SQLite writes (about a second if another program holds the lock), never sleeps,
//! and never fails: what cannot be written waits in bounded memory.

mod backlog;

use std::{error::Error, path::Path, time::Duration};

use portguard_core::{Health, Record, Timestamp};

use crate::{
    Ledger, Opening, Pruned, Reader, RecordError, Retention, keeper::backlog::Backlog,
    ledger::Standing, place::PlaceSlot,
};

/// Owns a ledger and always takes what is to be recorded.
#[derive(Debug)]
pub struct Keeper {
    ledger: Ledger,
    slot: PlaceSlot,
    backlog: Backlog,
    trouble: Option<Trouble>,
    /// Why the ledger has to be told all that is in force again.
    gap: Option<String>,
    /// When the ledger last began anew.
    began_anew: Option<Timestamp>,
}

/// What keeps the ledger from the disk, and when it is tried again.
#[derive(Debug)]
struct Trouble {
    why: String,
    attempts: u32,
    retry_at: Timestamp,
}

/// How many records one transaction writes when many wait.
const BATCH: usize = 10_000;

/// How long after the first failure it is tried again; doubled with each further failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest time between two attempts.
const LAST_RETRY: Duration = Duration::from_secs(60);

impl Keeper {
    /// Opens the ledger at `path`, as [`Ledger::open`] does.
    pub fn open(path: &Path, retention: Retention, now: Timestamp) -> (Self, Opening) {
        let (ledger, opening) = Ledger::open(path, retention, now);
        let slot = PlaceSlot::new(ledger.place().clone());
        let mut keeper = Self {
            ledger,
            slot,
            backlog: Backlog::default(),
            trouble: None,
            gap: None,
            began_anew: None,
        };
        if let Opening::InMemory { why, .. } = &opening {
            keeper.stumble(why, now);
        }
        (keeper, opening)
    }

    /// Takes records, and writes them at once unless the ledger is in trouble.
    pub fn record(&mut self, records: Vec<Record>, now: Timestamp) {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            self.backlog.extend(records.by_ref().take(BATCH));
            self.write(now);
        }
    }

    /// Tries again to write what waits, if it is time.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.write(now);
    }

    /// Returns when [`Keeper::handle_timeout`] should be called.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.trouble.as_ref().map(|trouble| trouble.retry_at)
    }

    /// Deletes a slice of what is too old or too much at `now`, as [`Ledger::prune`] does.
    pub fn prune(&mut self, now: Timestamp) -> Pruned {
        if self.trouble.is_some() && !self.ledger.is_in_memory() {
            return Pruned::Done;
        }
        match self.ledger.prune(now) {
            Ok(pruned) => pruned,
            Err(why) => {
                self.fail(&RecordError::from(why), now);
                Pruned::Done
            }
        }
    }

    /// Returns whether the ledger has to be told all that is in force and all offenders, with
    /// [`Keeper::record_full_state`]: it began anew, or more has changed than could wait.
    pub fn needs_full_state(&self) -> bool {
        self.gap.is_some() && (self.trouble.is_none() || self.ledger.is_in_memory())
    }

    /// Puts `state` (every hold and every offender that the guard has) in the place of all that the
    /// ledger has of them. If it cannot be written, it is asked for again.
    pub fn record_full_state(&mut self, state: &[Record], now: Timestamp) {
        self.backlog.forget_state();
        match self.ledger.replace_state(state) {
            Ok(()) => self.gap = None,
            Err(why) => {
                self.gap.get_or_insert_with(|| "what is in force could not be written".to_owned());
                self.fail(&why, now);
            }
        }
    }

    /// Returns how the ledger does. The text stays the same while nothing changes.
    pub fn health(&self) -> Health {
        let why = match (&self.trouble, &self.gap) {
            (Some(trouble), _) if self.ledger.is_in_memory() => {
                format!("the ledger is in memory only and ends with the daemon: {}", trouble.why)
            }
            (Some(trouble), _) if self.backlog.lost_entries() > 0 => {
                format!("the ledger waits in memory and its oldest lines are lost: {}", trouble.why)
            }
            (Some(trouble), _) => format!("the ledger waits in memory: {}", trouble.why),
            (None, Some(gap)) => format!("the ledger is being written anew: {gap}"),
            (None, None) => return Health::Good,
        };
        Health::Degraded(why)
    }

    /// Returns how many records wait to be written.
    pub fn waiting(&self) -> usize {
        self.backlog.len()
    }

    /// Returns how many journal lines were dropped because too many waited, since the start.
    pub fn lost_entries(&self) -> u64 {
        self.backlog.lost_entries()
    }

    /// Returns a reader for another thread, which follows the ledger wherever it goes. What waits
    /// to be written is not seen by it.
    pub fn reader(&self) -> Reader {
        Reader::following(self.slot.clone())
    }

    fn write(&mut self, now: Timestamp) {
        let is_due = self.trouble.as_ref().is_none_or(|trouble| trouble.is_due(now));
        if self.ledger.is_in_memory() {
            if is_due {
                self.return_to_disk(now);
            }
        } else if !is_due {
            return;
        }
        if !self.ledger.is_in_place() {
            self.start_over(Standing::Gone, "its file was removed or replaced".to_owned(), now);
        }
        while let Some(batch) = self.backlog.take(BATCH) {
            if let Err(why) = self.ledger.record(&batch) {
                self.backlog.put_back(batch);
                if !self.fail(&why, now) {
                    return;
                }
            }
        }
        if !self.ledger.is_in_memory() {
            self.trouble = None;
        }
        if self.backlog.take_overflow() {
            self.gap.get_or_insert_with(|| "more has changed than could wait".to_owned());
        }
    }

    /// Deals with a failure; returns whether writing may go on at once.
    fn fail(&mut self, why: &RecordError, now: Timestamp) -> bool {
        // Damage in a file that was only just begun is the disk's, and a third one is no better.
        let is_new = self.began_anew.is_some_and(|began| now.since(began) < LAST_RETRY);
        match why {
            RecordError::Damaged(_) if !is_new && !self.ledger.is_in_memory() => {
                self.start_over(Standing::Damaged, chain(why), now);
                true
            }
            _ => {
                self.stumble(why, now);
                false
            }
        }
    }

    fn start_over(&mut self, standing: Standing, why: String, now: Timestamp) {
        let opening = self.ledger.start_over(standing, now);
        self.slot.publish(self.ledger.place().clone());
        self.gap = Some(why);
        self.began_anew = Some(now);
        if let Opening::InMemory { why, .. } = opening {
            self.stumble(&why, now);
        }
    }

    fn return_to_disk(&mut self, now: Timestamp) {
        match self.ledger.return_to_disk(now) {
            Ok(()) => {
                self.slot.publish(self.ledger.place().clone());
                self.trouble = None;
            }
            Err(why) => self.stumble(&why, now),
        }
    }

    /// Notes a failure and when to try again.
    fn stumble(&mut self, why: &dyn Error, now: Timestamp) {
        let attempts = self.trouble.as_ref().map_or(0, |trouble| trouble.attempts);
        let wait = FIRST_RETRY.saturating_mul(1 << attempts.min(16)).min(LAST_RETRY);
        self.trouble =
            Some(Trouble { why: chain(why), attempts: attempts + 1, retry_at: now.plus(wait) });
    }
}

impl Trouble {
    /// Returns whether it is time to try again; a clock that was set back does not delay it.
    fn is_due(&self, now: Timestamp) -> bool {
        self.retry_at <= now || self.retry_at.since(now) > LAST_RETRY
    }
}

/// Returns an error's message with those of its causes.
fn chain(why: &dyn Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}
