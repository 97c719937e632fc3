//! The guard's unit in systemd: how it is, and start, stop, restart, reload.
//!
//! By `systemctl` with fixed arguments: the reasons are in `docs/decisions/service-by-systemctl.md`.

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use axum::{Json as Answer, extract::State};
use portguard_api::{Problem, view::Status};
use serde::{Deserialize, Serialize};
use tokio::{process::Command, sync::Semaphore, time::timeout};
use utoipa::ToSchema;

use crate::{
    access::Role,
    body::Json,
    face::{Caller, Shared, only_operators},
    problem::Refusal,
    upstream::{Asker, Question, is_good},
};

/// Where systemd is if it runs (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

/// How long systemd may take to tell something.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

/// How long an order may take; `portguard.service` may take two minutes to start.
const ORDER_PATIENCE: Duration = Duration::from_secs(150);

/// What is asked of the unit.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,StateChangeTimestamp,UnitFileState";

/// The unit that the face looks after.
pub(crate) struct Service {
    unit: String,
    /// One order after the other, so that a restart and a stop do not cross.
    order: Semaphore,
    /// Two questions side by side: each is a process, and many pages may ask.
    ask: Semaphore,
}

/// The unit's state.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceState {
    /// Its name.
    unit: String,
    /// `active`, `inactive`, `failed`, ...; `unknown` without systemd.
    active: String,
    /// `running`, `dead`, `auto-restart`, ...
    sub: String,
    /// Since when it is in this state, as RFC 3339.
    since: Option<String>,
    /// Whether it starts at boot.
    enabled: bool,
    /// Until when nobody is turned away because an operator paused the guard.
    paused_until: Option<String>,
    /// Why there is nothing to tell.
    note: Option<String>,
}

impl ServiceState {
    /// Returns what is known of a unit that nobody was asked about.
    fn unknown(unit: String) -> Self {
        Self {
            unit,
            active: "unknown".to_owned(),
            sub: "unknown".to_owned(),
            since: None,
            enabled: false,
            paused_until: None,
            note: None,
        }
    }
}

/// An order about the unit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceOrder {
    /// What to do.
    action: Action,
}

/// What can be done with the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Start it.
    Start,
    /// Stop it; the kernel goes on guarding.
    Stop,
    /// Stop and start it.
    Restart,
    /// Read the configuration again.
    Reload,
}

impl Action {
    const fn verb(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

impl Service {
    pub(crate) fn new(unit: String) -> Self {
        Self { unit, order: Semaphore::new(1), ask: Semaphore::new(2) }
    }

    async fn state(&self) -> ServiceState {
        let mut state = ServiceState::unknown(self.unit.clone());
        match self.ask().await {
            Ok(text) => read(&text, &mut state),
            Err(refusal) => state.note = Some(refusal),
        }
        state
    }

    async fn ask(&self) -> Result<String, String> {
        let _turn = self.ask.acquire().await.map_err(|error| error.to_string())?;
        let words = ["show", "--timestamp=unix", "--property", PROPERTIES, "--", &self.unit];
        run(&words, ASK_PATIENCE).await
    }
}

/// Tells how the guard's service is.
#[utoipa::path(get, path = "/service", responses(
    (status = 200, body = ServiceState), (status = 401, body = Problem),
))]
pub(crate) async fn state(
    State(face): State<Shared>,
    caller: Caller,
) -> Result<Answer<ServiceState>, Refusal> {
    let mut state = face.service.state().await;
    let asker = Asker { role: caller.role, user: &caller.journal_name() };
    let question = Question {
        method: axum::http::Method::GET,
        path: "/v1/status",
        body: axum::body::Bytes::new(),
    };
    // A guard that is away is not paused.
    if let Ok(answer) = face.upstream.ask(asker, question).await
        && is_good(&answer)
        && let Ok(status) = serde_json::from_slice::<Status>(answer.body())
    {
        state.paused_until = status.paused_until;
    }
    Ok(Answer(state))
}

/// Starts, stops, restarts or reloads the guard's service.
#[utoipa::path(post, path = "/service", request_body = ServiceOrder, responses(
    (status = 200, body = ServiceState), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem),
    (status = 409, body = Problem, description = "systemd refuses, or does not run here"),
    (status = 413, body = Problem), (status = 415, body = Problem),
))]
pub(crate) async fn order(
    State(face): State<Shared>,
    caller: Caller,
    Json(ServiceOrder { action }): Json<ServiceOrder>,
) -> Result<Answer<ServiceState>, Refusal> {
    if caller.role != Role::Operator {
        return Err(only_operators());
    }
    let service = &face.service;
    let Ok(_turn) = service.order.try_acquire() else {
        return Err(Refusal::refused("another order about the service is under way"));
    };
    eprintln!("{} orders: {} {}", caller.journal_name(), action.verb(), service.unit);
    let words = ["--no-ask-password", action.verb(), "--", &service.unit];
    run(&words, ORDER_PATIENCE).await.map_err(|why| {
        let verb = action.verb();
        let refusal = Refusal::refused(format!("cannot {verb} {}: {why}", service.unit));
        refusal.hint(format!("on the host itself: systemctl {verb} {}", service.unit))
    })?;
    Ok(Answer(service.state().await))
}

/// Runs `systemctl` and returns what it prints.
async fn run(words: &[&str], patience: Duration) -> Result<String, String> {
    if !Path::new(BOOTED).is_dir() {
        return Err("systemd does not run on this host".to_owned());
    }
    let mut command = Command::new("systemctl");
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(patience, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("systemctl: {error}")),
        Err(_) => return Err(format!("systemd takes longer than {} s", patience.as_secs())),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find(|line| !line.trim().is_empty()).unwrap_or("systemctl failed");
    Err(line.trim().to_owned())
}

/// Reads what `systemctl show` prints.
fn read(text: &str, state: &mut ServiceState) {
    let pairs: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name| pairs.get(name).copied().filter(|value| !value.is_empty());
    if let Some(active) = value("ActiveState") {
        active.clone_into(&mut state.active);
    }
    if let Some(sub) = value("SubState") {
        sub.clone_into(&mut state.sub);
    }
    let seconds = value("StateChangeTimestamp").and_then(|at| at.strip_prefix('@')?.parse().ok());
    state.since = seconds
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    state.enabled = value("UnitFileState").is_some_and(|file| file.starts_with("enabled"));
    if value("LoadState") == Some("not-found") {
        state.note = Some(format!("systemd knows no {}", state.unit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> ServiceState {
        let mut state = ServiceState::unknown("portguard.service".to_owned());
        read(text, &mut state);
        state
    }

    #[test]
    fn what_systemctl_shows_is_read() {
        let running = state(
            "LoadState=loaded\nActiveState=active\nSubState=running\n\
             StateChangeTimestamp=@1763733600\nUnitFileState=enabled\n",
        );
        assert_eq!((running.active.as_str(), running.sub.as_str()), ("active", "running"));
        assert_eq!(running.since.as_deref(), Some("2025-11-21T14:00:00Z"));
        assert!(running.enabled && running.note.is_none());
    }

    #[test]
    fn a_unit_that_is_not_there_and_nonsense_are_told() {
        let missing = state("LoadState=not-found\nActiveState=inactive\nStateChangeTimestamp=\n");
        assert_eq!(missing.note.as_deref(), Some("systemd knows no portguard.service"));
        assert_eq!((missing.since, missing.enabled), (None, false));
        assert_eq!(state("nonsense").active, "unknown");
    }
}
