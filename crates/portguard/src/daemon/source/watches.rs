//! What is written in logs: one thread for each watch reads its files through its rule and reports
//! who failed too often.

mod bookmarks;

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use jiff::tz::TimeZone;
use portguard_core::{Evidence, Fact, Grade, Health, Level, Offence, Timestamp, Window};
use portguard_linux::tail::Tail;
use portguard_read::fail2ban::{
    date::Clock,
    matcher::{Failure, Judgement, Matcher},
};

use crate::{
    clock,
    config::WatchPlan,
    daemon::{inbox::Inbox, journal},
    exit::with_causes,
    filter,
};

use self::bookmarks::Bookmarks;
use super::tell;

/// How long one wait for lines takes; a stop is noticed in between.
const WAIT: Duration = Duration::from_millis(500);

/// How much of a line goes into the evidence, in characters.
const SHOWN: usize = 200;

/// Running watches.
#[derive(Default)]
pub(crate) struct Watches {
    plans: Vec<WatchPlan>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watches {
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
        self.stop = Arc::new(AtomicBool::new(false));
        for plan in &plans {
            let (plan, inbox, stop) = (plan.clone(), inbox.clone(), self.stop.clone());
            self.threads.push(super::start("watch", move || run(&plan, &inbox, &stop))?);
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
}

fn run(plan: &WatchPlan, inbox: &Inbox, stop: &AtomicBool) {
    let name = format!("watch {}", plan.name);
    match Watch::new(plan, &name) {
        Ok(mut watch) => watch.run(inbox, stop),
        Err(why) => tell(inbox, &name, Health::Broken(why)),
    }
}

struct Watch<'a> {
    plan: &'a WatchPlan,
    name: &'a str,
    tail: Tail,
    matcher: Matcher,
    window: Window,
    zone: TimeZone,
    bookmarks: Bookmarks,
    /// Why the bookmarks can not be written, if so.
    unwritten: Option<String>,
    /// Matches whose source is no address.
    unaddressed: AtomicU64,
}

impl<'a> Watch<'a> {
    fn new(plan: &'a WatchPlan, name: &'a str) -> Result<Self, String> {
        let filter = filter::load(&plan.rule, &plan.filter_dirs)?;
        let bookmarks = Bookmarks::of(&plan.state_dir, &plan.name);
        let tail = Tail::open(&plan.files, &bookmarks.read()).map_err(|error| error.to_string())?;
        Ok(Self {
            plan,
            name,
            tail,
            matcher: Matcher::new(&filter).map_err(|error| with_causes(&error))?,
            window: Window::new(plan.howmany, plan.within),
            zone: TimeZone::system(),
            bookmarks,
            unwritten: None,
            unaddressed: AtomicU64::new(0),
        })
    }

    fn run(&mut self, inbox: &Inbox, stop: &AtomicBool) {
        let mut told = None;
        while !stop.load(Ordering::Relaxed) {
            let health = self.health();
            if told.as_ref() != Some(&health) {
                tell(inbox, self.name, health.clone());
                told = Some(health);
            }
            let Self { plan, name, tail, matcher, window, zone, bookmarks, unaddressed, .. } = self;
            let mut take = |_: &Path, line: &[u8]| {
                bookmarks.touch();
                let line = String::from_utf8_lossy(line);
                let now = clock::now();
                let seconds = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
                let at = Clock { now: seconds, zone: zone.clone() };
                let Judgement::Failure(failure) = matcher.take(&line, None, &at) else { return };
                let Ok(peer) = failure.id.parse::<IpAddr>() else {
                    unaddressed.fetch_add(1, Ordering::Relaxed);
                    return;
                };
                let peer = peer.to_canonical();
                if window.hit(peer, time_of(&failure, now)) {
                    inbox.deliver(Fact::Offence(offence(plan, name, peer, &failure, &line)));
                }
            };
            if let Err(error) = tail.wait(WAIT, &mut take) {
                return tell(inbox, self.name, Health::Broken(error.to_string()));
            }
            let written = self.bookmarks.write_soon(|| self.tail.positions());
            self.unwritten = written.err().map(|error| error.to_string());
        }
        if let Err(error) = self.bookmarks.write(self.tail.positions()) {
            journal::say(Level::Warning, &format!("{}: no bookmarks: {error}", self.name));
        }
    }

    fn health(&self) -> Health {
        let mut shortcomings: Vec<String> = self
            .tail
            .troubles()
            .iter()
            .map(|(path, why)| format!("{}: {why}", path.display()))
            .collect();
        if self.tail.followed() == 0 && shortcomings.is_empty() {
            shortcomings.push("there is no such file yet".to_owned());
        }
        if let Some(why) = &self.unwritten {
            shortcomings.push(format!("a restart would not know where to go on: {why}"));
        }
        for (count, what) in [
            (self.matcher.too_slow(), "lines took too many steps to match"),
            (self.tail.cut(), "lines were longer than 64 KiB"),
            (self.unaddressed.load(Ordering::Relaxed), "matches name no address"),
        ] {
            if count > 0 {
                shortcomings.push(format!("{count} {what}"));
            }
        }
        match shortcomings.as_slice() {
            [] => Health::Good,
            some => Health::Degraded(some.join("; ")),
        }
    }
}

/// Returns when a failure counts: at its own time, but never in the future.
fn time_of(failure: &Failure, now: Timestamp) -> Timestamp {
    let at = failure.at.and_then(|at| u64::try_from(at).ok());
    at.map_or(now, |at| Timestamp::from_secs(at).min(now))
}

fn offence(plan: &WatchPlan, name: &str, peer: IpAddr, failure: &Failure, line: &str) -> Offence {
    let user = failure.groups.get("user").map(|user| ("user", shown(user)));
    let evidence = [
        ("rule", plan.rule.clone()),
        ("hits", plan.howmany.to_string()),
        ("line", format!("\"{}\"", shown(line))),
    ];
    Offence {
        peer,
        origin: name.into(),
        // Whoever got so far in a service's own protocol receives what is sent to its address.
        grade: Grade::Handshake,
        ladder: plan.ladder.clone(),
        evidence: Evidence(user.into_iter().chain(evidence).collect()),
        trap: None,
    }
}

/// Returns a text of a stranger as it may be shown: on one line, and not too long.
fn shown(text: &str) -> String {
    let letters = text.trim().chars();
    letters.map(|letter| if letter.is_control() { '?' } else { letter }).take(SHOWN).collect()
}
