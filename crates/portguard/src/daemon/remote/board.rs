//! What the faces are shown of the control file. Written by its thread, read by the API.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portguard_api::remote::{Remote, RemoteLine, RemoteService, RemoteSummary};
use portguard_core::{Guard, ServiceState, Timestamp};

use crate::{
    clock::{end, rfc3339},
    config::RemotePlan,
};

use super::last_file::LastFile;

/// What is known.
#[derive(Debug)]
pub(crate) struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_fetch: Option<Timestamp>,
    last_good: Option<Timestamp>,
    next_fetch: Option<Timestamp>,
    error: Option<(Trouble, String)>,
    effect: Effect,
    page_error: Option<String>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No file comes.
    Failing,
    /// The file that comes does not count.
    Rejected,
}

/// The file in effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Effect {
    pub(super) serial: Option<u32>,
    pub(super) signer: Option<String>,
    pub(super) signed_at: Option<String>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) more_left_out: usize,
}

/// A line that is not carried out.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) line: u32,
    pub(super) order: Option<String>,
    pub(super) why: String,
}

impl Board {
    /// Returns a board that shows what is remembered.
    pub(super) fn new(plan: &RemotePlan) -> Self {
        // That it can not be read shows with the first fetch.
        let last = LastFile::read(&plan.last_file).ok().flatten();
        let effect = last.map(|last| Effect {
            serial: last.signer.as_ref().and(last.serial).map(std::num::NonZeroU32::get),
            signer: last.signer,
            signed_at: last.signed_at,
            ..Effect::default()
        });
        let effect = effect.unwrap_or_default();
        Self(Mutex::new(State { effect, ..State::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the file in effect.
    pub(super) fn accepted(&self, effect: Effect) {
        self.lock().effect = effect;
    }

    /// Shows how a fetch went.
    pub(super) fn fetched(&self, now: Timestamp, error: Option<(Trouble, String)>, wait: Duration) {
        let mut state = self.lock();
        state.last_fetch = Some(now);
        state.next_fetch = Some(now.plus(wait));
        if error.is_none() {
            state.last_good = Some(now);
        }
        state.error = error;
    }

    /// Shows why the status page is not written.
    pub(super) fn page(&self, error: Option<String>) {
        self.lock().page_error = error;
    }

    /// Returns when the file was last asked for, and what is wrong.
    pub(super) fn last(&self) -> (Option<Timestamp>, Option<String>) {
        let state = self.lock();
        (state.last_fetch, state.error.as_ref().map(|(_, why)| why.clone()))
    }

    /// Returns how the file stands.
    pub(crate) fn summary(&self, plan: &RemotePlan) -> RemoteSummary {
        let state = self.lock();
        let word = match (&state.error, state.last_fetch) {
            (Some((Trouble::Failing, _)), _) => "failing",
            (Some((Trouble::Rejected, _)), _) => "rejected",
            (None, None) => "waiting",
            (None, Some(_)) => "good",
        };
        RemoteSummary {
            state: word.to_owned(),
            last_error: state.error.as_ref().map(|(_, why)| why.clone()),
            unsigned: plan.rules.unsigned,
            serial: state.effect.serial,
            signer: state.effect.signer.clone(),
            left_out: state.effect.left_out.len() + state.effect.more_left_out,
        }
    }

    /// Returns all that is known, with the state of the services.
    pub(crate) fn shown(&self, plan: &RemotePlan, services: Vec<RemoteService>) -> Remote {
        let summary = self.summary(plan);
        let state = self.lock();
        let line = |left_out: &LeftOut| RemoteLine {
            line: left_out.line,
            order: left_out.order.clone(),
            why: left_out.why.clone(),
        };
        Remote {
            url: Some(plan.place.to_string()),
            summary,
            every: plan.every.as_secs(),
            last_fetch: state.last_fetch.map(rfc3339),
            last_good: state.last_good.map(rfc3339),
            next_fetch: state.next_fetch.map(rfc3339),
            signed_at: state.effect.signed_at.clone(),
            services,
            left_out: state.effect.left_out.iter().map(line).collect(),
            more_left_out: state.effect.more_left_out,
            page_error: state.page_error.clone(),
        }
    }
}

/// Returns the state of the services that a file may drive.
pub(crate) fn services(guard: &Guard, plan: &RemotePlan) -> Vec<RemoteService> {
    plan.services.iter().map(|name| service(name, guard.service_state(name))).collect()
}

fn service(name: &str, state: Option<ServiceState>) -> RemoteService {
    let word = match &state {
        None => "unknown",
        Some(ServiceState { closed: 0, .. }) => "open",
        Some(ServiceState { open: 0, .. }) => "closed",
        Some(_) => "partly open",
    };
    let state = state.unwrap_or_default();
    RemoteService {
        name: name.to_owned(),
        state: word.to_owned(),
        until: state.until.and_then(end),
        author: state.author.map(|author| author.to_string()),
        open_for: state.grants.iter().map(|(subject, _)| subject.to_string()).collect(),
    }
}
