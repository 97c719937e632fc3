//! Copies of the guard's tables: made slice by slice, shared by all who ask, and freed soon.

use std::{
    sync::{Arc, Mutex as BlockingMutex, PoisonError},
    time::{Duration, Instant},
};

use portguard_core::{List, Timestamp};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::{
    super::{Desk, answer::Failure, ask::with_guard},
    ViewKey, arranged,
    row::{HoldRow, OffenderRow, Row},
};

/// How long a copy serves. Whoever pages sees one state for that long, and the guard thread is not
/// asked again by the next five hundred. Afterwards it is freed.
const FRESH_FOR: Duration = Duration::from_secs(3);

/// Rows of one question to the guard thread, which holds it for about a millisecond.
const SLICE: usize = 4_096;

/// How many orders of rows a copy remembers; four bytes a row each. When full, the oldest goes.
const MOST_VIEWS: usize = 8;

/// The copies that exist, one for each table at most.
///
/// A copy has at most as many rows as the guard's caps allow (a million bans, 88 bytes each).
pub(crate) struct Tables {
    holds: [Slot<HoldRow>; 5],
    pub(super) offenders: Slot<OffenderRow>,
    turn: Arc<Semaphore>,
}

/// The lists that can be asked for.
const LISTS: [List; 5] =
    [List::Ban, List::Allow, List::ThrottleSoft, List::ThrottleHard, List::Protect];

impl Default for Tables {
    fn default() -> Self {
        let slots = LISTS.map(|_| Slot::default());
        Self { holds: slots, offenders: Slot::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Tables {
    /// Returns the place of a list's copy; of a list that nobody can ask for, that of the last.
    pub(super) fn holds(&self, list: List) -> &Slot<HoldRow> {
        let place = LISTS.iter().position(|known| *known == list);
        &self.holds[place.unwrap_or(LISTS.len() - 1)]
    }

    /// Waits until it is this question's turn to be worked on.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let turn = self.turn.clone().acquire_owned().await;
        turn.map_err(|error| Failure::unavailable(&error))
    }

    /// Forgets all copies: an operator changed something and wants to see it.
    pub(crate) async fn forget(&self) {
        for slot in &self.holds {
            slot.copy.lock().await.take();
        }
        self.offenders.copy.lock().await.take();
    }
}

/// The place of one table's copy. Whoever finds it empty fills it while the others wait.
#[derive(Clone)]
pub(super) struct Slot<R: Row> {
    copy: Arc<Mutex<Option<Arc<Copied<R>>>>>,
}

impl<R: Row> Default for Slot<R> {
    fn default() -> Self {
        Self { copy: Arc::default() }
    }
}

/// A table as it was at one moment, in its own order.
pub(super) struct Copied<R: Row> {
    pub(super) rows: Vec<R>,
    pub(super) at: Timestamp,
    since: Instant,
    views: BlockingMutex<Vec<View<R::Column>>>,
}

/// An order of rows that was asked for, and the rows' indices in it.
type View<C> = (ViewKey<C>, Arc<[u32]>);

impl<R: Row> Copied<R> {
    pub(super) fn new(rows: Vec<R>, at: Timestamp) -> Self {
        Self { rows, at, since: Instant::now(), views: BlockingMutex::default() }
    }

    /// Returns the indices of the rows of a view, in its order.
    pub(super) fn order(&self, view: &ViewKey<R::Column>) -> Arc<[u32]> {
        let views = || self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = views().iter().find(|(known, _)| known == view) {
            return order.clone();
        }
        let order: Arc<[u32]> = arranged(&self.rows, view).into();
        let mut views = views();
        if views.len() >= MOST_VIEWS {
            views.remove(0);
        }
        views.push((view.clone(), order.clone()));
        order
    }
}

impl<R: Row> Slot<R> {
    /// Returns the copy, made anew if it is too old.
    pub(super) async fn copied(
        &self,
        desk: &Desk,
        from: R::From,
    ) -> Result<Arc<Copied<R>>, Failure> {
        let mut copy = self.copy.lock().await;
        if let Some(copied) = copy.as_ref().filter(|copied| copied.since.elapsed() < FRESH_FOR) {
            return Ok(copied.clone());
        }
        // The old one goes first, so that there are never two.
        *copy = None;
        let copied = Arc::new(taken(desk, from).await?);
        *copy = Some(copied.clone());
        self.free_later(&copied);
        Ok(copied)
    }

    /// Frees a copy when it is too old, unless that has happened.
    fn free_later(&self, copied: &Arc<Copied<R>>) {
        let (place, copied) = (self.copy.clone(), Arc::downgrade(copied));
        tokio::spawn(async move {
            tokio::time::sleep(FRESH_FOR).await;
            let mut copy = place.lock().await;
            let is_it = |kept: &Arc<Copied<R>>| std::ptr::eq(Arc::as_ptr(kept), copied.as_ptr());
            if copy.as_ref().is_some_and(is_it) {
                *copy = None;
            }
        });
    }
}

/// Copies a table from the guard thread, slice by slice: what changes meanwhile is in it or not.
async fn taken<R: Row>(desk: &Desk, from: R::From) -> Result<Copied<R>, Failure> {
    let (mut rows, mut after, mut at) = (Vec::new(), None, Timestamp::default());
    loop {
        let (slice, now) =
            with_guard(desk, move |guard, now| (R::slice(guard, from, after, SLICE), now)).await?;
        at = at.max(now);
        after = slice.last().map(Row::subject);
        let is_last = slice.len() < SLICE;
        rows.extend(slice);
        if is_last {
            break;
        }
    }
    R::order_own(&mut rows);
    Ok(Copied::new(rows, at))
}
