//! Answers: the domain's values as views, and failures with whose turn it is.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use portguard_api::{Problem, ProblemKind, view};
use portguard_core::{
    Health, Hold, List, ListedHold, Offender, Refusal, Snapshot, SourceState, Subject, Timestamp,
};
use portguard_store::{ReadError, StoredEntry};

use crate::clock::{end, rfc3339, seconds_left};

/// A request that can not be answered as asked.
#[derive(Debug)]
pub(crate) struct Failure(Problem);

impl Failure {
    pub(super) fn usage(error: &impl ToString) -> Self {
        Self::new(error, None, ProblemKind::Usage)
    }

    pub(super) fn usage_with(error: &impl ToString, hint: &str) -> Self {
        Self::new(error, Some(hint.to_owned()), ProblemKind::Usage)
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self::new(&refusal.why, refusal.hint.clone(), ProblemKind::Refused)
    }

    pub(super) fn refused_with(why: &impl ToString, hint: &str) -> Self {
        Self::new(why, Some(hint.to_owned()), ProblemKind::Refused)
    }

    pub(super) fn not_permitted(what: &str, group: &str) -> Self {
        let hint = format!("run it as root, or as a member of the group that `{group}` names");
        Self::new(&format!("you may not {what}"), Some(hint), ProblemKind::NotPermitted)
    }

    pub(super) fn not_enforced(why: &impl ToString) -> Self {
        let hint = "see `portguard status`".to_owned();
        Self::new(why, Some(hint), ProblemKind::NotEnforced)
    }

    pub(super) fn unavailable(why: &impl ToString) -> Self {
        Self::new(why, None, ProblemKind::Unavailable)
    }

    fn new(error: &impl ToString, hint: Option<String>, kind: ProblemKind) -> Self {
        Self(Problem { error: error.to_string(), hint, kind })
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<super::super::inbox::Busy> for Failure {
    fn from(busy: super::super::inbox::Busy) -> Self {
        Self::unavailable(&busy)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            ProblemKind::Usage => StatusCode::BAD_REQUEST,
            ProblemKind::Refused => StatusCode::CONFLICT,
            ProblemKind::NotPermitted => StatusCode::FORBIDDEN,
            ProblemKind::NotEnforced => StatusCode::BAD_GATEWAY,
            ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(self.0)).into_response()
    }
}

/// Returns a hold as views show it.
pub(super) fn hold(
    list: List,
    subject: Subject,
    hold: &Hold,
    enforced_generation: u64,
    now: Timestamp,
) -> view::Hold {
    let ports = hold.port_list();
    view::Hold {
        subject: subject.to_string(),
        measure: list.name().to_owned(),
        ports: ports.iter().map(ToString::to_string).collect(),
        since: rfc3339(hold.since),
        until: end(hold.until),
        seconds_left: seconds_left(hold.until, now),
        nth_ban: hold.nth_ban,
        author: hold.author.to_string(),
        reason: hold.reason.to_string(),
        enforced: hold.generation <= enforced_generation,
    }
}

/// Returns an offender as views show it.
pub(super) fn offender(subject: Subject, past: &Offender, banned: bool) -> view::Offender {
    view::Offender {
        subject: subject.to_string(),
        offences: past.offences,
        bans: past.bans,
        first: rfc3339(past.first),
        last: rfc3339(past.last),
        banned,
    }
}

/// Returns a source's state as views show it.
pub(super) fn source(name: &str, state: &SourceState) -> view::Source {
    let (health, detail) = match &state.health {
        Health::Good => ("good", None),
        Health::Degraded(why) => ("degraded", Some(why.clone())),
        Health::Broken(why) => ("broken", Some(why.clone())),
    };
    view::Source {
        name: name.to_owned(),
        health: health.to_owned(),
        detail,
        since: Some(rfc3339(state.since)),
    }
}

/// Returns how many subjects each list holds.
pub(super) fn held(snapshot: &Snapshot) -> view::Held {
    let count = |list| snapshot.held.get(&list).copied().unwrap_or_default();
    view::Held {
        banned: count(List::Ban),
        banned_for_ports: snapshot.port_bans,
        allowed: count(List::Allow),
        throttled_soft: count(List::ThrottleSoft),
        throttled_hard: count(List::ThrottleHard),
        protected: count(List::Protect),
    }
}

/// Returns a journal line as views show it.
pub(super) fn entry(stored: &StoredEntry) -> view::Entry {
    let named = |pairs: &[(String, String)]| pairs.to_vec();
    let mut evidence = named(&stored.details);
    evidence.extend(named(&stored.evidence));
    view::Entry {
        id: stored.id,
        at: rfc3339(stored.at),
        level: match stored.level {
            portguard_core::Level::Info => "info",
            portguard_core::Level::Warning => "warning",
            portguard_core::Level::Error => "error",
        }
        .to_owned(),
        kind: stored.kind.clone(),
        subject: stored.subject.map(|subject| subject.to_string()),
        measure: stored.measure.map(|measure| measure.to_string()),
        until: stored.until.and_then(end),
        nth_ban: (stored.nth_ban > 0).then_some(stored.nth_ban),
        author: stored.author.map(|author| author.to_string()),
        text: stored.text.clone(),
        evidence,
    }
}

/// Returns an imported hold, its end and begin in seconds since the Unix epoch.
pub(super) fn imported(
    order: &portguard_api::order::ImportedHold,
) -> Result<ListedHold, portguard_core::SubjectError> {
    use portguard_core::{Author, Until};
    Ok(ListedHold {
        list: super::order::measure_of(order.measure).list(),
        subject: order.subject.parse()?,
        ports: Vec::new(),
        since: Timestamp::from_secs(order.since),
        until: order.until.map_or(Until::FOREVER, |end| Until::at(Timestamp::from_secs(end))),
        nth_ban: order.nth_ban,
        author: Author::Import,
        reason: order.reason.as_str().into(),
    })
}
