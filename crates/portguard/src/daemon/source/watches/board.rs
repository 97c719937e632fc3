//! What the watches have seen, for the views. The threads of the watches write it once for each block
//! of lines; nobody waits for anybody for longer than a copy takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{config::WatchPlan, eye::Seen, rule::Folders};

/// The watches as they were last seen, in the order of the configuration.
#[derive(Default)]
pub(crate) struct Board {
    watches: Mutex<Vec<Watched>>,
    folders: Mutex<Option<Arc<Folders>>>,
}

/// A watch and what it has seen.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) plan: Arc<WatchPlan>,
    pub(crate) seen: Seen,
}

impl Board {
    /// Returns all watches.
    pub(crate) fn watches(&self) -> Vec<Watched> {
        self.lock().clone()
    }

    /// Returns where rules are looked for.
    pub(crate) fn folders(&self) -> Option<Arc<Folders>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over where rules are looked for.
    pub(crate) fn set_folders(&self, folders: Folders) {
        let folders = Some(Arc::new(folders));
        *self.folders.lock().unwrap_or_else(PoisonError::into_inner) = folders;
    }

    /// Puts up other watches; one of the same name goes on counting.
    pub(super) fn set(&self, plans: &[WatchPlan]) {
        let mut watches = self.lock();
        let before = std::mem::take(&mut *watches);
        let seen = |name: &str| {
            let same = before.iter().find(|watched| watched.plan.name == name);
            same.map(|watched| watched.seen.clone()).unwrap_or_default()
        };
        let watched =
            |plan: &WatchPlan| Watched { plan: Arc::new(plan.clone()), seen: seen(&plan.name) };
        *watches = plans.iter().map(watched).collect();
    }

    /// Returns what the watch at this place has seen.
    pub(super) fn seen(&self, place: usize) -> Seen {
        self.lock().get(place).map(|watched| watched.seen.clone()).unwrap_or_default()
    }

    /// Writes down what the watch at this place has seen.
    pub(super) fn write(&self, place: usize, seen: &Seen) {
        if let Some(watched) = self.lock().get_mut(place) {
            watched.seen.clone_from(seen);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
