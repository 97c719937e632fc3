//! What became of the knocks, for whoever asks.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, PoisonError, RwLock},
};

use portguard_core::{KnockNews, Timestamp};
use portguard_reach::knock::HostKey;

use crate::config::KnockPlan;

/// Knocks that are shown: those of a busy day.
const MOST_SHOWN: usize = 32;

/// How the knocks do; nothing while none are taken.
#[derive(Default)]
pub(crate) struct KnockBoard(RwLock<Option<KnockState>>);

/// What is known of the knocks since they are taken.
#[derive(Clone, Debug)]
pub(crate) struct KnockState {
    pub(crate) plan: Arc<KnockPlan>,
    /// What clients need; `None` if there is none.
    pub(crate) host_key: Option<HostKey>,
    pub(crate) counts: Counts,
    /// The last ones that a key signed, newest first.
    pub(crate) last: VecDeque<Shown>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Knocks that opened something, by the name of their key.
    pub(crate) taken: BTreeMap<String, u64>,
    /// Packets that opened nothing, by the kind of their refusal.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Packets that nobody looked at: there were too many.
    pub(crate) lost: u64,
}

/// A knock that a key signed.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) at: Timestamp,
    pub(crate) news: KnockNews,
}

impl KnockBoard {
    /// Returns how the knocks do; `None` if none are taken.
    pub(crate) fn state(&self) -> Option<KnockState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows another configuration; what was counted stays.
    pub(super) fn set(&self, shown: Option<(Arc<KnockPlan>, Option<HostKey>)>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.take();
        *state = shown.map(|(plan, host_key)| {
            let (counts, last) =
                before.map(|before| (before.counts, before.last)).unwrap_or_default();
            KnockState { plan, host_key, counts, last }
        });
    }

    pub(super) fn count(&self, counts: &Counts) {
        self.change(|state| state.counts.clone_from(counts));
    }

    pub(super) fn show(&self, at: Timestamp, news: KnockNews) {
        self.change(|state| {
            state.last.truncate(MOST_SHOWN - 1);
            state.last.push_front(Shown { at, news });
        });
    }

    fn change(&self, change: impl FnOnce(&mut KnockState)) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).as_mut().map(change);
    }
}
