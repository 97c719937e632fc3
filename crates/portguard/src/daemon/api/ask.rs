//! Questions.

use std::sync::PoisonError;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use portguard_api::{Page, Problem, view};
use portguard_core::{Guard, List, Snapshot, Subject, Timestamp};
use portguard_store::{EntryQuery, Order, Reader};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::clock;

use super::{
    Desk,
    answer::{self, Failure},
    ports,
    role::MayRead,
};

/// Most rows of one page; more would hold the guard thread for more than a few milliseconds.
const MOST_ROWS: usize = 10_000;

/// Rows of a page when the question does not say.
const ROWS: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// The last subject of the page before.
    after: Option<String>,
    /// How many rows, at most 10,000.
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OffenderQuery {
    /// `count`: most bans first; else the newest offence first.
    sort: Option<String>,
    /// How many rows, at most 10,000.
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    /// An address or network.
    subject: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    /// Only lines of the last so many seconds.
    since: Option<u64>,
    /// Only lines about this subject, what contains it and what it contains.
    subject: Option<String>,
    /// Only lines behind the one with this number.
    after: Option<i64>,
    /// At most so many, the newest of them; at most 10,000.
    limit: Option<usize>,
}

/// The state of the guard.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = view::Status), (status = 403, body = Problem)))]
pub(super) async fn status(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<view::Status>, Failure> {
    Ok(Json(current_status(&desk).await?))
}

/// Returns the state of the guard.
pub(super) async fn current_status(desk: &Desk) -> Result<view::Status, Failure> {
    let kernel = desk.kernel.state().await;
    let snapshot = with_guard(desk, Guard::snapshot).await?;
    Ok(compose_status(desk, &snapshot, &kernel))
}

fn compose_status(
    desk: &Desk,
    snapshot: &Snapshot,
    kernel: &super::super::enforcer::KernelState,
) -> view::Status {
    let ledger = super::super::ledger::NAME;
    let sources = snapshot.sources.iter();
    let (ledgers, others): (Vec<_>, Vec<_>) = sources
        .map(|(name, state)| answer::source(name, state))
        .partition(|row| row.name == ledger);
    let missing = snapshot.traps.values().filter(|trap| trap.missing.is_some()).count();
    let pending = snapshot.generation.saturating_sub(snapshot.enforced_generation);
    view::Status {
        ready: desk.about.is_restored() && pending == 0,
        version: desk.about.version.clone(),
        pid: std::process::id(),
        since: clock::rfc3339(desk.about.since),
        posture: snapshot.posture.to_string(),
        pending: snapshot.pending.as_ref().map(|pending| ports::pending(pending, snapshot.at)),
        listeners: snapshot.listeners,
        listeners_pending: snapshot.listeners_pending,
        doors: snapshot.doors,
        observe: desk.about.observe,
        paused_until: snapshot.paused.map(clock::rfc3339),
        enforcement: view::Enforcement {
            wanted: snapshot.wanted,
            // The kernel counts elements that have ended until it collects them.
            installed: kernel
                .installed
                .map_or(snapshot.wanted.saturating_sub(pending), |counted| {
                    counted.min(snapshot.wanted)
                }),
            pending,
            failure: snapshot.failure.as_ref().map(ToString::to_string),
        },
        held: answer::held(snapshot),
        offenders: snapshot.offenders,
        turned_away: kernel.turned_away,
        record: super::log::state(desk.record.tally(), kernel),
        remote: super::remote::summary(desk),
        taps: desk.taps.list().iter().map(super::log::tap).collect(),
        knock: desk.knocks.state().as_ref().map(super::knocks::state),
        ledger: ledgers.into_iter().next().unwrap_or(view::Source {
            name: ledger.to_owned(),
            health: "good".to_owned(),
            detail: None,
            since: None,
        }),
        sources: others,
        traps_set: snapshot.traps.len() - missing,
        traps_missing: missing,
        unwritten_offences: snapshot.unwritten_offences,
        dropped_events: desk.inbox.dropped(),
    }
}

/// One page of a list, in the order of the subjects.
#[utoipa::path(get, path = "/v1/lists/{list}", params(("list" = String, Path, description = "`bans`, `allowed`, `throttled-soft`, `throttled-hard` or `protected`"), Paging),
    responses((status = 200, body = Page<view::Hold>), (status = 400, body = Problem)))]
pub(super) async fn list(
    _: MayRead,
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<view::Hold>>, Failure> {
    let list = list_named(&name)?;
    let after = paging.after.map(|after| after.parse::<Subject>()).transpose();
    let after = after.map_err(|error| Failure::usage(&error))?;
    let most = paging.limit.unwrap_or(ROWS).clamp(1, MOST_ROWS);
    let page = with_guard(&desk, move |guard, now| {
        let reached = guard.enforced_generation();
        let holds = guard.holds(list, after, most);
        let next = (holds.len() >= most).then(|| holds.last().map(|(last, _)| last.to_string()));
        let rows = holds.iter();
        let items = rows.map(|(key, hold)| answer::hold(list, *key, hold, reached, now)).collect();
        Page { items, next: next.flatten() }
    });
    Ok(Json(page.await?))
}

/// Returns the list of this name.
pub(super) fn list_named(name: &str) -> Result<List, Failure> {
    Ok(match name {
        "bans" => List::Ban,
        "allowed" => List::Allow,
        "throttled-soft" => List::ThrottleSoft,
        "throttled-hard" => List::ThrottleHard,
        "protected" => List::Protect,
        _ => return Err(Failure::usage(&format!("`{name}` is no list"))),
    })
}

/// Who misbehaved before.
#[utoipa::path(get, path = "/v1/offenders", params(OffenderQuery), responses((status = 200, body = Page<view::Offender>)))]
pub(super) async fn offenders(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<OffenderQuery>,
) -> Result<Json<Page<view::Offender>>, Failure> {
    let by_count = match query.sort.as_deref() {
        None => false,
        Some("count") => true,
        Some(other) => return Err(Failure::usage(&format!("can not sort by `{other}`"))),
    };
    let most = query.limit.unwrap_or(ROWS).clamp(1, MOST_ROWS);
    let items = with_guard(&desk, move |guard, _| {
        let found = if by_count { guard.worst_offenders(most) } else { guard.offenders(most) };
        let rows = found.iter();
        rows.map(|(key, past)| answer::offender(*key, past, guard.is_banned(*key))).collect()
    });
    Ok(Json(Page { items: items.await?, next: None }))
}

/// What the kernel says of an address.
#[utoipa::path(get, path = "/v1/check", params(About), responses((status = 200, body = view::Check)))]
pub(super) async fn check(
    _: MayRead,
    State(desk): State<Desk>,
    Query(about): Query<About>,
) -> Result<Json<view::Check>, Failure> {
    let subject: Subject = about.subject.parse().map_err(|error| Failure::usage(&error))?;
    Ok(Json(look_up(&desk, subject).await?))
}

/// Asks the kernel about a subject; the guard names the ports that bans of it are limited to.
async fn look_up(desk: &Desk, subject: Subject) -> Result<view::Check, Failure> {
    let ports = with_guard(desk, move |guard, _| {
        let holds = guard.holds_on(subject);
        holds.iter().flat_map(|(.., hold)| hold.port_list().to_vec()).collect()
    });
    desk.kernel.check(subject, ports.await?).await.map_err(|error| Failure::not_enforced(&error))
}

/// The whole story of a subject.
#[utoipa::path(get, path = "/v1/why", params(About), responses((status = 200, body = view::Why)))]
pub(super) async fn why(
    _: MayRead,
    State(desk): State<Desk>,
    Query(about): Query<About>,
) -> Result<Json<view::Why>, Failure> {
    let subject: Subject = about.subject.parse().map_err(|error| Failure::usage(&error))?;
    let check = look_up(&desk, subject).await?;
    let (holds, undo, offender) = with_guard(&desk, move |guard, now| {
        let reached = guard.enforced_generation();
        let found = guard.holds_on(subject);
        let undo = found.iter().filter_map(|(list, key, _)| undo(*list, *key));
        let undo = undo.chain(closing(guard, subject)).collect();
        let rows = found.iter();
        let holds = rows.map(|(list, key, hold)| answer::hold(*list, *key, hold, reached, now));
        (holds.collect(), undo, remembered(guard, subject))
    })
    .await?;
    let story = with_ledger(&desk, move |reader| reader.story(subject)).await?;
    let story = story.entries.iter().map(answer::entry).collect();
    let subject = subject.to_string();
    Ok(Json(view::Why { subject, check, holds, offender, story, undo }))
}

/// The traps and their catch.
#[utoipa::path(get, path = "/v1/traps", responses((status = 200, body = Vec<view::Trap>)))]
pub(super) async fn traps(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Vec<view::Trap>>, Failure> {
    let snapshot = with_guard(&desk, Guard::snapshot).await?;
    let rows = snapshot.traps.iter();
    Ok(Json(
        rows.map(|((port, address), trap)| view::Trap {
            port: port.to_string(),
            address: address.to_string(),
            set: trap.missing.is_none(),
            missing: trap.missing.clone(),
            touched: trap.touched,
            last_peer: trap.last.map(|(peer, _)| peer.to_string()),
            last_at: trap.last.map(|(_, at)| clock::rfc3339(at)),
        })
        .collect(),
    ))
}

/// Lines of the journal, oldest first.
#[utoipa::path(get, path = "/v1/events", params(EventQuery), responses((status = 200, body = Vec<view::Entry>)))]
pub(super) async fn events(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<EventQuery>,
) -> Result<Json<Vec<view::Entry>>, Failure> {
    let subject = query.subject.map(|subject| subject.parse::<Subject>()).transpose();
    let subject = subject.map_err(|error| Failure::usage(&error))?;
    let back = |seconds: u64| {
        Timestamp::from_millis(
            clock::now().as_millis().saturating_sub(seconds.saturating_mul(1000)),
        )
    };
    let following = query.after.is_some();
    let asked = EntryQuery {
        since: query.since.map(back),
        subject,
        kinds: Vec::new(),
        after_id: query.after,
        limit: query.limit.unwrap_or(ROWS).clamp(1, MOST_ROWS),
        order: if following { Order::OldestFirst } else { Order::NewestFirst },
    };
    let mut found = with_ledger(&desk, move |reader| reader.entries(&asked)).await?;
    if !following {
        found.reverse();
    }
    Ok(Json(found.iter().map(answer::entry).collect()))
}

/// Runs a question on the guard thread.
pub(super) async fn with_guard<T: Send + 'static>(
    desk: &Desk,
    question: impl FnOnce(&Guard, Timestamp) -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    desk.inbox.ask(Box::new(move |guard, now| {
        // Whoever asked may have hung up.
        let _ = sender.send(question(guard, now));
        Box::new(|_| {})
    }))?;
    receiver.await.map_err(|_| Failure::unavailable(&"the guard is on its way down"))
}

/// Runs a question to the ledger on a blocking thread.
pub(super) async fn with_ledger<T: Send + 'static>(
    desk: &Desk,
    question: impl FnOnce(&mut Reader) -> Result<T, portguard_store::ReadError> + Send + 'static,
) -> Result<T, Failure> {
    let ledger = desk.ledger.clone();
    let asked = tokio::task::spawn_blocking(move || {
        question(&mut ledger.lock().unwrap_or_else(PoisonError::into_inner))
    });
    Ok(asked.await.map_err(|error| Failure::unavailable(&error))??)
}

/// Returns the past of the subject, or of the narrowest network around it that has one.
fn remembered(guard: &Guard, subject: Subject) -> Option<view::Offender> {
    let shortest = if subject.family() == portguard_core::Family::V4 { 8 } else { 16 };
    (shortest..=subject.prefix_len()).rev().map(|length| subject.widened(length)).find_map(|key| {
        guard.offender(&key).map(|past| answer::offender(key, past, guard.is_banned(key)))
    })
}

/// Returns how to close what was opened for the subject or a network around it; the first ones.
fn closing(guard: &Guard, subject: Subject) -> Vec<String> {
    const MOST: usize = 16;
    let opened = guard.doors().filter_map(|(door, _)| {
        let from = door.from.filter(|from| from.covers(&subject))?;
        Some(format!("portguard close {} --from {from}", door.port))
    });
    opened.take(MOST).collect()
}

fn undo(list: List, subject: Subject) -> Option<String> {
    let verb = match list {
        List::Allow => "disallow",
        List::Ban => "unban",
        List::ThrottleHard | List::ThrottleSoft => "unthrottle",
        _ => return None,
    };
    Some(format!("portguard {verb} {subject}"))
}
