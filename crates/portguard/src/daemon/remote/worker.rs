//! The thread of the control file: fetches it, judges it, gives its orders one by one, and waits.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, TryRecvError, select};
use portguard_core::{Author, Fact, Health};
use portguard_reach::control::{
    Act, FetchError, Fetched, Judged, Order, Received, Rejection, Validators, fetch, judge,
};

use crate::{
    clock,
    config::RemotePlan,
    daemon::{
        inbox::{Busy, Inbox},
        source::{
            host::{SharedProtect, people},
            tell,
        },
    },
    exit::with_causes,
};

use super::{
    NAME, Never, Wish,
    board::{Board, Effect, LeftOut, Trouble},
    last_file::{LastFile, LastFileError},
    line::give,
    page::Pages,
    told::{Told, grade},
};

/// Before the first further attempt: a signature that was not there yet is there in a moment.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// How often the services are looked at for the status page.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The thread.
pub(super) struct Worker {
    plan: Arc<RemotePlan>,
    board: Arc<Board>,
    inbox: Inbox,
    protect: SharedProtect,
    stopped: Receiver<Never>,
    wished: Receiver<Wish>,
    turn: Arc<Mutex<()>>,
    /// What to ask with so that nothing comes if nothing changed and nothing is left to do.
    validators: Validators,
    told: Told,
    pages: Option<Pages>,
    /// Attempts since the last one that went well.
    failures: u32,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("the control file does not come")]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    LastFile(#[from] LastFileError),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("the control file can not be taken: a mistake of this program; please report it")]
    Mistake,
}

/// Nobody wants the control file any more.
struct Over;

impl Worker {
    pub(super) fn new(
        plan: Arc<RemotePlan>,
        board: Arc<Board>,
        inbox: Inbox,
        protect: SharedProtect,
        (stopped, wished, turn): (Receiver<Never>, Receiver<Wish>, Arc<Mutex<()>>),
    ) -> Self {
        let pages = plan.page.clone().map(Pages::new);
        let (validators, told) = (Validators::default(), Told::default());
        let failures = 0;
        Self {
            plan,
            board,
            inbox,
            protect,
            stopped,
            wished,
            turn,
            validators,
            told,
            pages,
            failures,
        }
    }

    /// Works until nobody wants it any more.
    pub(super) fn run(mut self) {
        // Whoever ended it knows.
        let _ = self.work();
    }

    fn work(&mut self) -> Result<(), Over> {
        let mut wishes: Vec<Wish> = Vec::new();
        loop {
            let result = self.guarded_round();
            self.go_on_if_wanted()?;
            self.failures = if result.is_ok() { 0 } else { self.failures.saturating_add(1) };
            let wait = back_off(self.failures, self.plan.every);
            self.report(result, wait);
            self.show();
            for wish in wishes {
                // Whoever has gone needs no word.
                let _ = wish.send(());
            }
            wishes = self.wait(wait)?;
        }
    }

    /// Makes a round; a mistake of ours in reading what strangers wrote costs that round alone.
    fn guarded_round(&mut self) -> Result<(), RoundError> {
        catch_unwind(AssertUnwindSafe(|| self.round())).unwrap_or(Err(RoundError::Mistake))
    }

    /// Fetches the file once, and does what it says.
    fn round(&mut self) -> Result<(), RoundError> {
        let fetched = fetch(&self.plan.place, &self.validators, &self.plan.kinds())?;
        let Fetched::New { received, validators } = fetched else { return Ok(()) };
        self.validators = Validators::default();
        let turn = self.turn.clone();
        let _alone = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.go_on_if_wanted().is_err() {
            return Ok(());
        }
        if self.take(&received)? {
            self.validators = validators;
        }
        Ok(())
    }

    /// Judges a file and gives its orders; returns whether none of them is left to do.
    fn take(&mut self, received: &Received) -> Result<bool, RoundError> {
        let known = LastFile::read(&self.plan.last_file)?;
        let mark = known.as_ref().map(LastFile::mark);
        let judged = judge(received, &self.plan.rules, mark.as_ref(), clock::now());
        let judged = judged.inspect_err(|rejection| {
            self.told.rejected(rejection, &received.file, &self.inbox);
        })?;
        self.told.forget_rejection();
        let mut last = match known {
            Some(last) if judged.is_known => last,
            known => {
                let last = remembered(&judged, known.as_ref());
                last.keep(&self.plan.last_file)?;
                self.told.accepted(&judged, &self.unknown(&judged), &self.inbox);
                last
            }
        };
        let left_out = self.carry_out(&judged, &mut last)?;
        let is_done = last.waiting.is_empty();
        let faults = judged.reading.faults.iter().map(|fault| LeftOut {
            line: fault.line,
            order: None,
            why: with_causes(&fault.why),
        });
        self.board.accepted(Effect {
            serial: judged.stamp.map(|stamp| stamp.serial.get()),
            signer: judged.signer.as_ref().map(ToString::to_string),
            signed_at: last.signed_at,
            left_out: faults.chain(left_out).collect(),
            more_left_out: judged.reading.more_faults,
        });
        Ok(is_done)
    }

    /// Gives the orders that are still to be carried out, and returns those that are not.
    fn carry_out(
        &mut self,
        judged: &Judged,
        last: &mut LastFile,
    ) -> Result<Vec<LeftOut>, RoundError> {
        let author = Author::ControlFile(judged.stamp.map(|stamp| stamp.serial));
        let waiting = last.waiting.clone();
        let orders = judged.reading.orders.iter();
        let orders: Vec<&Order> = orders.filter(|order| waiting.contains(&order.line)).collect();
        if orders.iter().any(|order| order.act == Act::Close) {
            // Somebody may have come in a moment ago.
            let protect = self.protect.read().unwrap_or_else(PoisonError::into_inner).clone();
            self.inbox.deliver(Fact::People(people(&protect)));
        }
        let mut left_out = Vec::new();
        for order in orders {
            let why = if judged.is_stale {
                "the file is too old to try again".to_owned()
            } else if !self.may_drive(order) {
                not_driven(order)
            } else {
                match give(&self.inbox, order, author)? {
                    Ok(_) => {
                        last.waiting.remove(&order.line);
                        continue;
                    }
                    Err(refusal) => {
                        let by = (author, grade(judged));
                        self.told.refused(order, &refusal, by, &self.inbox);
                        refusal.why
                    }
                }
            };
            left_out.push(LeftOut { line: order.line, order: Some(order.to_string()), why });
        }
        if last.waiting != waiting {
            last.keep(&self.plan.last_file)?;
        }
        Ok(left_out)
    }

    fn may_drive(&self, order: &Order) -> bool {
        self.plan.services.iter().any(|service| **service == *order.service)
    }

    fn unknown(&self, judged: &Judged) -> Vec<(u32, String)> {
        let orders = judged.reading.orders.iter().filter(|order| !self.may_drive(order));
        orders.map(|order| (order.line, not_driven(order))).collect()
    }

    /// Tells the faces and the guard how it went.
    fn report(&self, result: Result<(), RoundError>, wait: Duration) {
        let health = match &result {
            // A file that is rejected came all the same.
            Ok(()) | Err(RoundError::Rejected(_)) => Health::Good,
            Err(error) => Health::Degraded(with_causes(error)),
        };
        let error = result.err().map(|error| match error {
            RoundError::Rejected(why) => (Trouble::Rejected, with_causes(&why)),
            error => (Trouble::Failing, with_causes(&error)),
        });
        self.board.fetched(clock::now(), error, wait);
        tell(&self.inbox, NAME, health);
    }

    fn go_on_if_wanted(&self) -> Result<(), Over> {
        match self.stopped.try_recv() {
            Err(TryRecvError::Disconnected) => Err(Over),
            Err(TryRecvError::Empty) => Ok(()),
        }
    }

    /// Waits for the next round, and keeps the status page up to date meanwhile; returns who wishes for
    /// it, if somebody does.
    fn wait(&mut self, wait: Duration) -> Result<Vec<Wish>, Over> {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let step = if self.pages.is_some() { left.min(LOOK_EVERY) } else { left };
            select! {
                recv(self.stopped) -> _ => return Err(Over),
                recv(self.wished) -> wish => {
                    let first = wish.map_err(|_| Over)?;
                    return Ok([first].into_iter().chain(self.wished.try_iter()).collect());
                }
                default(step) => {}
            }
            if Instant::now() >= end {
                return Ok(Vec::new());
            }
            self.show_if_changed();
        }
    }

    fn show(&mut self) {
        if let Some(pages) = &mut self.pages {
            let error = pages.write(&self.plan, &self.board, &self.inbox);
            self.board.page(error);
        }
    }

    fn show_if_changed(&mut self) {
        if let Some(pages) = &mut self.pages
            && pages.is_outdated(&self.plan, &self.inbox)
        {
            self.show();
        }
    }
}

/// Returns what is to be remembered of a file that counts from here on.
fn remembered(judged: &Judged, before: Option<&LastFile>) -> LastFile {
    let stamp = judged.stamp;
    let waiting: BTreeSet<u32> = judged.reading.orders.iter().map(|order| order.line).collect();
    LastFile {
        // A file that nobody signed says nothing about which signed one is the newest.
        serial: stamp.map(|stamp| stamp.serial).or(before.and_then(|before| before.serial)),
        digest: judged.digest.clone(),
        signer: judged.signer.as_ref().map(ToString::to_string),
        signed_at: stamp.map(|stamp| clock::rfc3339(stamp.time)),
        waiting,
    }
}

fn not_driven(order: &Order) -> String {
    format!("names `{}`, which is not in remote.services", order.service)
}

/// Returns how long to wait: after a failure a little, then twice as long each time, at most as long
/// as ever; a quarter of it by chance, so that not all hosts ask at once.
fn back_off(failures: u32, every: Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return every };
    let wait = FIRST_RETRY.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    let wait = wait.min(every);
    let chance = u32::try_from(RandomState::new().build_hasher().finish() % 256).unwrap_or(0);
    wait.saturating_sub(wait / 4 * chance / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_usual_one() {
        let every = Duration::from_secs(60);
        assert_eq!(back_off(0, every), every);
        for (failures, longest) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (40, 60)] {
            let longest = Duration::from_secs(longest);
            let wait = back_off(failures, every);
            assert!(wait <= longest && wait >= longest * 3 / 4, "{failures}: {wait:?}");
        }
        assert!(back_off(1, Duration::from_secs(1)) <= Duration::from_secs(1));
    }
}
