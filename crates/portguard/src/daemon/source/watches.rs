//! What is written in logs: threads read the files and the journal of each watch through its rule
//! and report who failed too often.

mod board;
mod bookmarks;

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use portguard_core::{Fact, Health, Level};
use portguard_linux::{journal::Journal, tail::Tail};
use portguard_read::journal_entry;

use crate::{
    clock,
    config::WatchPlan,
    daemon::{inbox::Inbox, journal},
    eye::{Drift, Eye, Names, so_many},
};

use self::bookmarks::{Bookmarks, Kept};
use super::tell;

pub(crate) use self::board::{Board, Watched};

/// How long one wait for lines takes; a stop is noticed in between.
const WAIT: Duration = Duration::from_millis(500);

/// How long after its end `journalctl` is started again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Running watches.
#[derive(Default)]
pub(crate) struct Watches {
    plans: Vec<WatchPlan>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    board: Arc<Board>,
}

impl Watches {
    /// Returns what the views see of the watches.
    pub(crate) fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Starts the watches of a configuration in place of those that run, unless they are the same.
    /// One that can not start is told as broken.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(crate) fn set(&mut self, plans: Vec<WatchPlan>, inbox: &Inbox) -> io::Result<()> {
        if plans == self.plans {
            return Ok(());
        }
        self.stop();
        self.forget_removed(&plans, inbox);
        self.stop = Arc::new(AtomicBool::new(false));
        self.board.set(&plans);
        for (place, plan) in plans.iter().enumerate() {
            let (plan, inbox, stop) = (plan.clone(), inbox.clone(), self.stop.clone());
            let place = Place { board: self.board.clone(), place };
            self.threads.push(super::start("watch", move || run(&plan, &place, &inbox, &stop))?);
        }
        self.plans = plans;
        Ok(())
    }

    /// Stops all of them.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A watch that panicked has nothing left to do.
            let _ = thread.join();
        }
    }

    /// What is not watched any more has no health.
    fn forget_removed(&self, plans: &[WatchPlan], inbox: &Inbox) {
        let names = |plans: &[WatchPlan]| -> Vec<String> {
            plans.iter().flat_map(|plan| [name(plan), journal_name(plan)]).collect()
        };
        let (before, now) = (names(&self.plans), names(plans));
        for gone in before.iter().filter(|name| !now.contains(name)) {
            inbox.report(Fact::SourceGone { source: gone.as_str().into() });
        }
    }
}

/// The place of a watch on the board.
#[derive(Clone)]
struct Place {
    board: Arc<Board>,
    place: usize,
}

fn run(plan: &WatchPlan, place: &Place, inbox: &Inbox, stop: &Arc<AtomicBool>) {
    let name = name(plan);
    let broken = |why: String| tell(inbox, &name, Health::Broken(why));
    // The logs are opened before the rule is: what is written meanwhile is not the past.
    let sources = match Sources::open(plan) {
        Ok(sources) => sources,
        Err(error) => return broken(error.to_string()),
    };
    let eye = match Eye::new(plan, &name, Some(Names::default())) {
        Ok(eye) => Arc::new(Mutex::new(eye)),
        Err(why) => return broken(why),
    };
    *locked(&eye).seen() = place.board.seen(place.place);
    let watch = |name: String| Watch {
        plan: plan.clone(),
        bookmarks: bookmarks_of(plan, &name),
        name,
        eye: eye.clone(),
        place: place.clone(),
        told_lines: 0,
        inbox: inbox.clone(),
        stop: stop.clone(),
        unwritten: None,
        told: None,
    };
    let (of_files, of_journal) = (watch(name.clone()), watch(journal_name(plan)));
    let Sources { tail, journal } = sources;
    thread::scope(|scope| {
        if plan.journal.is_some() {
            scope.spawn(|| of_journal.read_journal(journal));
        }
        if let Some((tail, kept)) = tail {
            of_files.read_files(tail, &kept);
        }
    });
}

/// The logs of a watch.
struct Sources {
    tail: Option<(Tail, Kept)>,
    /// The journal if there is one, and it could be followed.
    journal: Option<Followed>,
}

/// The journal, or why it can not be followed, and what was read of it before.
struct Followed {
    journal: io::Result<Journal>,
    kept: Kept,
}

impl Sources {
    fn open(plan: &WatchPlan) -> io::Result<Self> {
        let kept = |name: &str| bookmarks_of(plan, name).read();
        let tail = (!plan.files.is_empty()).then(|| {
            let kept = kept(&name(plan));
            Tail::open(&plan.files, &kept.positions()).map(|tail| (tail, kept))
        });
        let journal = plan.journal.as_ref().map(|wanted| {
            let kept = kept(&journal_name(plan));
            Followed { journal: Journal::follow(wanted, kept.cursor.as_deref()), kept }
        });
        Ok(Self { tail: tail.transpose()?, journal })
    }
}

fn bookmarks_of(plan: &WatchPlan, name: &str) -> Bookmarks {
    Bookmarks::of(&plan.state_dir, name.trim_start_matches("watch "))
}

/// Returns the name under which a watch tells how it does.
pub(crate) fn name(plan: &WatchPlan) -> String {
    format!("watch {}", plan.name)
}

/// Returns the name under which the journal's part of a watch tells how it does.
pub(crate) fn journal_name(plan: &WatchPlan) -> String {
    if plan.files.is_empty() { name(plan) } else { format!("watch {} (journal)", plan.name) }
}

/// What one thread of a watch has.
struct Watch {
    plan: WatchPlan,
    name: String,
    eye: Arc<Mutex<Eye>>,
    place: Place,
    /// How many lines the board knows of.
    told_lines: u64,
    inbox: Inbox,
    stop: Arc<AtomicBool>,
    bookmarks: Bookmarks,
    /// Why the bookmarks can not be written, if so.
    unwritten: Option<String>,
    told: Option<Health>,
}

impl Watch {
    fn read_files(mut self, mut tail: Tail, kept: &Kept) {
        self.with_eye(|eye| *eye.drift() = kept.drift);
        while !self.stop.load(Ordering::Relaxed) {
            self.tell_health(shortcomings(&tail));
            let Self { eye, inbox, bookmarks, .. } = &mut self;
            let mut take = |_: &Path, line: &[u8]| {
                bookmarks.touch();
                look(eye, line, None, inbox);
            };
            if let Err(error) = tail.wait(WAIT, &mut take) {
                return tell(&self.inbox, &self.name, Health::Broken(error.to_string()));
            }
            self.write_soon(|drift| Kept::of_files(tail.positions(), drift));
        }
        self.write(|drift| Kept::of_files(tail.positions(), drift));
    }

    fn read_journal(mut self, followed: Option<Followed>) {
        let Some(Followed { mut journal, kept }) = followed else { return };
        if self.plan.files.is_empty() {
            self.with_eye(|eye| *eye.drift() = kept.drift);
        }
        let mut cursor = kept.cursor;
        loop {
            let ended = journal.and_then(|journal| self.follow_journal(journal, &mut cursor));
            let Err(error) = ended else { break };
            self.tell_health(vec![format!("journalctl: {error}; it is started again soon")]);
            if self.is_stopped_within(AGAIN_AFTER) {
                break;
            }
            let Some(wanted) = &self.plan.journal else { break };
            journal = Journal::follow(wanted, cursor.as_deref());
        }
        self.write(|drift| Kept::of_journal(cursor.clone(), drift));
    }

    /// Follows the journal until the watch is stopped.
    fn follow_journal(
        &mut self,
        mut journal: Journal,
        cursor: &mut Option<String>,
    ) -> io::Result<()> {
        if cursor.is_none() {
            // A restart reads on from here, though nothing was read until then.
            *cursor = Some(journal.begin().to_owned());
            self.bookmarks.touch();
        }
        while !self.stop.load(Ordering::Relaxed) {
            let cut = journal.cut();
            let cut = (cut > 0).then(|| format!("{} entries were longer than 1 MiB", so_many(cut)));
            self.tell_health(cut.into_iter().collect());
            let Self { eye, inbox, bookmarks, .. } = &mut *self;
            journal.wait(WAIT, |text| {
                let Some(entry) = journal_entry::read(text) else { return };
                if cursor.as_ref() == Some(&entry.cursor) {
                    return;
                }
                bookmarks.touch();
                look(eye, &entry.line, Some(entry.at), inbox);
                *cursor = Some(entry.cursor);
            })?;
            self.write_soon(|drift| Kept::of_journal(cursor.clone(), drift));
        }
        Ok(())
    }

    /// Waits, and returns whether the watch is stopped meanwhile.
    fn is_stopped_within(&self, span: Duration) -> bool {
        let until = Instant::now() + span;
        while Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
            thread::sleep(WAIT / 5);
        }
        self.stop.load(Ordering::Relaxed)
    }

    fn with_eye<R>(&self, act: impl FnOnce(&mut Eye) -> R) -> R {
        act(&mut locked(&self.eye))
    }

    /// Writes on the board what was seen, if there were lines since the last time.
    fn show(&mut self) {
        let mut eye = locked(&self.eye);
        let seen = eye.seen();
        if seen.lines != self.told_lines {
            self.told_lines = seen.lines;
            self.place.board.write(self.place.place, seen);
        }
    }

    fn tell_health(&mut self, of_source: Vec<String>) {
        self.show();
        let mut shortcomings = of_source;
        shortcomings.extend(self.with_eye(|eye| eye.shortcomings()));
        if let Some(why) = &self.unwritten {
            shortcomings.push(format!("a restart would not know where to go on: {why}"));
        }
        let health = match shortcomings.as_slice() {
            [] => Health::Good,
            some => Health::Degraded(some.join("; ")),
        };
        if self.told.as_ref() != Some(&health) {
            tell(&self.inbox, &self.name, health.clone());
            self.told = Some(health);
        }
    }

    fn write_soon(&mut self, kept: impl FnOnce(Drift) -> Kept) {
        let drift = self.with_eye(|eye| *eye.drift());
        let written = self.bookmarks.write_soon(|| kept(drift));
        self.unwritten = written.err().map(|error| error.to_string());
    }

    fn write(&mut self, kept: impl FnOnce(Drift) -> Kept) {
        let drift = self.with_eye(|eye| *eye.drift());
        if let Err(error) = self.bookmarks.write(&kept(drift)) {
            journal::say(Level::Warning, &format!("{}: no bookmarks: {error}", self.name));
        }
    }
}

/// Has a line looked at, and reports what follows.
fn look(eye: &Mutex<Eye>, line: &[u8], given: Option<i64>, inbox: &Inbox) {
    let mut deliver = |_, offence| inbox.deliver(Fact::Offence(offence));
    locked(eye).take(line, given, clock::now(), &mut deliver);
}

/// Returns the eye, also if the other thread of its watch panicked: it judges line by line.
fn locked(eye: &Mutex<Eye>) -> std::sync::MutexGuard<'_, Eye> {
    eye.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what is not as it should be with files.
fn shortcomings(tail: &Tail) -> Vec<String> {
    let mut shortcomings: Vec<String> =
        tail.troubles().iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
    if tail.followed() == 0 && shortcomings.is_empty() {
        shortcomings.push("there is no such file yet".to_owned());
    }
    if tail.cut() > 0 {
        shortcomings.push(format!("{} lines were longer than 64 KiB", so_many(tail.cut())));
    }
    shortcomings
}
