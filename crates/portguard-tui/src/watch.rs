//! The threads that speak with the daemon: one asks, once a second and whenever there is a new
//! question; one gives orders, so that a slow order leaves the rest up to date.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

use portguard_api::order::OrderDone;

use crate::{
    ask::{Ask, Unanswered},
    order::Order,
    run::Input,
    state::Update,
};

/// How often everything is asked anew.
const EVERY: Duration = Duration::from_secs(1);

/// The way to the daemon. Each thread has one of its own.
pub trait Daemon: Send + 'static {
    /// Asks for a path of the control socket and returns the body of the answer.
    ///
    /// # Errors
    /// When nobody answers in time, or the daemon refuses.
    fn ask(&mut self, path: &str) -> Result<Vec<u8>, Unanswered>;

    /// Gives an order to a path of the control socket and returns the body of the answer.
    ///
    /// # Errors
    /// When nobody answers in time, or the daemon refuses.
    fn order(&mut self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Unanswered>;
}

/// What is to be asked: the newest questions win.
#[derive(Clone, Debug, Default)]
pub(crate) struct Questions {
    shared: Arc<(Mutex<Wanted>, Condvar)>,
}

#[derive(Debug, Default)]
struct Wanted {
    asks: Vec<Ask>,
    /// Everything is asked at once, since something was changed.
    is_urgent: bool,
}

impl Questions {
    /// Says what is to be asked from now on.
    pub(crate) fn want(&self, asks: Vec<Ask>) {
        let (wanted, changed) = &*self.shared;
        wanted.lock().unwrap_or_else(PoisonError::into_inner).asks = asks;
        changed.notify_one();
    }

    /// Has everything asked now.
    pub(crate) fn hurry(&self) {
        let (wanted, changed) = &*self.shared;
        wanted.lock().unwrap_or_else(PoisonError::into_inner).is_urgent = true;
        changed.notify_one();
    }

    fn has(&self, ask: &Ask) -> bool {
        let (wanted, _) = &*self.shared;
        let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.asks.iter().any(|known| known.is_like(ask))
    }

    /// Waits until everything is due, or until there is a question that was not asked before;
    /// returns what is to be asked, and whether that is everything.
    fn next(&self, due: Instant, asked: &[Asked]) -> (Vec<Ask>, Round) {
        let (wanted, changed) = &*self.shared;
        let is_new = |ask: &Ask| !asked.iter().any(|known| known.ask.is_like(ask));
        let nothing_new =
            |wanted: &mut Wanted| !wanted.is_urgent && !wanted.asks.iter().any(is_new);
        let guard = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let left = due.saturating_duration_since(Instant::now());
        let woken = changed.wait_timeout_while(guard, left, nothing_new);
        let (mut wanted, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut wanted.is_urgent) {
            return (wanted.asks.clone(), Round::Whole);
        }
        if timeout.timed_out() {
            let now = Instant::now();
            let rests = |ask: &Ask| asked.iter().any(|known| known.rests(ask, now));
            let asks = wanted.asks.iter().filter(|ask| !rests(ask)).cloned().collect();
            return (asks, Round::Whole);
        }
        (wanted.asks.iter().filter(|ask| is_new(ask)).cloned().collect(), Round::New)
    }
}

/// A question that was asked.
struct Asked {
    ask: Ask,
    at: Instant,
}

impl Asked {
    /// Returns whether this question is the same, and not due again.
    fn rests(&self, ask: &Ask, now: Instant) -> bool {
        // A round comes a little sooner or later than the one before.
        self.ask.is_like(ask) && now.duration_since(self.at) + EVERY / 2 < ask.every()
    }
}

/// Which questions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Whole,
    New,
}

/// Asks until nobody listens any more.
pub(crate) fn ask(daemon: &mut impl Daemon, questions: &Questions, news: &SyncSender<Input>) {
    let start = Instant::now();
    let mut due = start;
    let mut asked: Vec<Asked> = Vec::new();
    loop {
        let (asks, round) = questions.next(due, &asked);
        let now = Instant::now();
        if round == Round::Whole {
            due = now + EVERY;
            // What is asked no more is a new question when it comes again.
            asked.retain(|known| questions.has(&known.ask));
        }
        asked.retain(|known| !asks.iter().any(|ask| ask.is_like(&known.ask)));
        asked.extend(asks.iter().map(|ask| Asked { ask: ask.clone(), at: now }));
        for ask in asks {
            let answer = daemon.ask(&ask.path()).and_then(|answer| ask.read(&answer));
            let is_away = matches!(answer, Err(Unanswered::Away(..)));
            let update = match answer {
                Ok(told) => {
                    let at = start.elapsed().as_millis();
                    Update::Told(u64::try_from(at).unwrap_or(u64::MAX), told)
                }
                Err(why) => Update::Untold(ask, why),
            };
            if news.send(Input::Update(Box::new(update))).is_err() {
                return;
            }
            if is_away {
                // Each further question would wait as long for nothing.
                break;
            }
        }
    }
}

/// Gives orders until none can come any more.
pub(crate) fn give(
    daemon: &mut impl Daemon,
    orders: &Receiver<Order>,
    answers: &SyncSender<Input>,
) {
    for order in orders {
        let answer = daemon.order(order.path(), order.body()).and_then(|answer| {
            serde_json::from_slice::<OrderDone>(&answer).map_err(|error| {
                Unanswered::Away(format!("the daemon's answer can not be read: {error}"), None)
            })
        });
        if answers.send(Input::Update(Box::new(Update::Answered(answer)))).is_err() {
            return;
        }
    }
}
