//! Ports, listeners and the posture: questions and orders.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
};
use portguard_api::{
    Problem,
    order::OrderDone,
    port::{
        CloseOrder, Door, Lockdown, OpenOrder, Pending, PortRow, PostureName, PostureOrder,
        Reloaded, Ruling, RulingName, RulingOrder,
    },
};
use portguard_core::{
    Author, Command, DoorAct, Exposure, Guard, Port, PortOrder, PortPolicy, Posture, Span, Subject,
    Timestamp, Until, service::PortRange,
};
use serde::Deserialize;
use tokio::sync::oneshot;
use utoipa::IntoParams;

use crate::{
    clock::{end, rfc3339, seconds_left},
    daemon::system::Signal,
};

use super::{
    Desk,
    answer::Failure,
    ask::with_guard,
    order::{arrived, carry_out},
    outside,
    role::{MayOrder, MayRead},
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PortQuery {
    /// What only this host itself reaches too, and process ids.
    all: Option<bool>,
}

/// What can be reached from outside, and through which rule.
#[utoipa::path(get, path = "/v1/ports", params(PortQuery), responses((status = 200, body = Vec<PortRow>), (status = 403, body = Problem)))]
pub(super) async fn list(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<PortQuery>,
) -> Result<Json<Vec<PortRow>>, Failure> {
    let all = query.all == Some(true);
    let found = with_guard(&desk, |guard, _| (guard.exposures(), guard.rules())).await?;
    let (exposures, rules) = found;
    let mut rows: Vec<PortRow> = exposures
        .iter()
        .filter(|exposure| all || exposure.reach != portguard_core::Reach::Local)
        .map(|exposure| row(exposure, &rules, all))
        .collect();
    rows.dedup();
    rows.extend(outside::forwarded().await?);
    Ok(Json(rows))
}

/// The ports that somebody opened or shut.
#[utoipa::path(get, path = "/v1/doors", responses((status = 200, body = Vec<Door>), (status = 403, body = Problem)))]
pub(super) async fn doors(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Vec<Door>>, Failure> {
    let doors = with_guard(&desk, |guard, now| {
        let doors = guard.doors().map(|(door, hold)| Door {
            act: match door.act {
                DoorAct::Open => "open",
                DoorAct::Shut => "shut",
            }
            .to_owned(),
            port: door.port.to_string(),
            from: door.from.map(|subject| subject.to_string()),
            service: some(&hold.service),
            since: rfc3339(hold.since),
            until: end(hold.until),
            seconds_left: seconds_left(hold.until, now),
            author: hold.author.to_string(),
            enforced: guard.is_enforced(hold.generation),
        });
        doors.collect()
    });
    Ok(Json(doors.await?))
}

/// What operators said of listening sockets.
#[utoipa::path(get, path = "/v1/rulings", responses((status = 200, body = Vec<Ruling>), (status = 403, body = Problem)))]
pub(super) async fn rulings(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Vec<Ruling>>, Failure> {
    let rulings = with_guard(&desk, |guard, _| {
        let rulings = guard.rulings().map(|ruling| Ruling {
            what: ruling.of.to_string(),
            approved: ruling.approved,
            since: rfc3339(ruling.since),
            author: ruling.author.to_string(),
        });
        rulings.collect()
    });
    Ok(Json(rulings.await?))
}

/// Opens ports.
#[utoipa::path(post, path = "/v1/open", request_body = OpenOrder,
    responses((status = 200, body = OrderDone), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn open(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<OpenOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let span = order.span.as_deref().map_or(Ok(Span::Forever), str::parse);
    let span = span.map_err(|error| Failure::usage(&error))?;
    let order = port_order(&desk, &order.what, order.from.as_deref(), author).await?;
    give(&desk, Command::Open { order, span }).await
}

/// Closes ports.
#[utoipa::path(post, path = "/v1/close", request_body = CloseOrder,
    responses((status = 200, body = OrderDone), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn close(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<CloseOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let order = port_order(&desk, &order.what, order.from.as_deref(), author).await?;
    give(&desk, Command::Close(order)).await
}

/// Says whether sockets may open their ports by listening.
#[utoipa::path(post, path = "/v1/rulings", request_body = RulingOrder,
    responses((status = 200, body = OrderDone), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn rule(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<RulingOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let of = order.what.as_deref().map(str::parse).transpose();
    let of = of.map_err(|error| Failure::usage(&error))?;
    let command = match (order.verdict, of) {
        (RulingName::Forget, Some(of)) => Command::ForgetRuling(of),
        (RulingName::Forget, None) => return Err(Failure::usage(&"name what is to be forgotten")),
        (verdict, of) => Command::Rule { of, approved: verdict == RulingName::Approve, author },
    };
    give(&desk, command).await
}

/// Changes the posture, or settles a change that waits for confirmation.
#[utoipa::path(post, path = "/v1/posture", request_body = PostureOrder,
    responses((status = 200, body = OrderDone), (status = 409, body = Problem)))]
pub(super) async fn posture(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<PostureOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let command = match order.order {
        PostureName::Lockdown => Command::Lockdown(author),
        PostureName::Relax => Command::Relax(author),
        PostureName::Confirm => Command::Confirm(author),
        PostureName::Rollback => Command::Rollback(author),
    };
    let done = give(&desk, command).await?;
    // The daemon goes down if nobody takes it.
    let _ = desk.signals.try_send(Signal::Settled);
    Ok(done)
}

/// What waits for confirmation.
#[utoipa::path(get, path = "/v1/pending", responses((status = 200, body = Option<Pending>), (status = 403, body = Problem)))]
pub(super) async fn waiting(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Option<Pending>>, Failure> {
    let found = with_guard(&desk, |guard, now| guard.pending().map(|one| pending(one, now)));
    Ok(Json(found.await?))
}

/// What a lockdown would take away, and which live connections it keeps.
#[utoipa::path(get, path = "/v1/lockdown", responses((status = 200, body = Lockdown), (status = 403, body = Problem)))]
pub(super) async fn lockdown(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Lockdown>, Failure> {
    let (lost, rules, closed, confirm) = with_guard(&desk, |guard, _| {
        let closed = guard.posture() == Posture::Closed;
        (guard.lost_by_lockdown(), guard.rules(), closed, guard.confirm_within())
    })
    .await?;
    let (kept, kept_more) = outside::sessions().await?;
    Ok(Json(Lockdown {
        closed,
        unreachable: lost.iter().map(|exposure| row(exposure, &rules, false)).collect(),
        kept,
        kept_more,
        confirm_within: match confirm {
            Span::For(length) => Some(length.as_secs()),
            Span::Forever => None,
        },
    }))
}

/// Reads the configuration again.
#[utoipa::path(post, path = "/v1/reload", responses((status = 200, body = Reloaded), (status = 403, body = Problem)))]
pub(super) async fn reload(
    _: MayOrder,
    State(desk): State<Desk>,
) -> Result<Json<Reloaded>, Failure> {
    let reload = |asker| Signal::Reload(Some(asker));
    let (mistakes, warnings) = take_over(&desk, reload).await?;
    let waits = with_guard(&desk, |guard, now| guard.pending().map(|one| pending(one, now)));
    Ok(Json(Reloaded { mistakes, warnings, pending: waits.await? }))
}

/// Gives the main thread something to do, and returns what came of it.
pub(super) async fn take_over<T>(
    desk: &Desk,
    signal: impl FnOnce(oneshot::Sender<T>) -> Signal,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    let busy = || Failure::unavailable(&"the daemon is too busy or on its way down");
    desk.signals.try_send(signal(sender)).map_err(|_| busy())?;
    receiver.await.map_err(|_| busy())
}

/// Returns a change that waits, as views show it.
pub(super) fn pending(pending: &portguard_core::Pending, now: Timestamp) -> Pending {
    let until = Until::at(pending.deadline);
    Pending {
        what: pending.what.to_string(),
        until: end(until),
        seconds_left: seconds_left(until, now),
        author: pending.author.to_string(),
    }
}

pub(super) async fn give(desk: &Desk, command: Command) -> Result<Json<OrderDone>, Failure> {
    let (done, marks) =
        carry_out(desk, move |guard, now| guard.handle_command(command, now)).await?;
    let done = done.map_err(|refusal| Failure::refused(&refusal))?;
    arrived(desk, marks, done.subjects, Vec::new()).await
}

async fn port_order(
    desk: &Desk,
    what: &str,
    from: Option<&str>,
    author: Author,
) -> Result<PortOrder, Failure> {
    let from: Option<Subject> =
        from.map(str::parse).transpose().map_err(|error| Failure::usage(&error))?;
    let rules = with_guard(desk, |guard: &Guard, _| guard.rules()).await?;
    let (ports, service) = named_ports(what, &rules).map_err(|why| Failure::usage(&why))?;
    Ok(PortOrder { ports, service, from, author })
}

/// Returns the ports of a service or a written range, and the service's name.
fn named_ports(what: &str, rules: &PortPolicy) -> Result<(Vec<Port>, Arc<str>), String> {
    if let Some((name, service)) = rules.services.get_key_value(what) {
        let mut ports: Vec<Port> = service.ports.iter().flat_map(|range| range.ports()).collect();
        ports.sort_unstable();
        ports.dedup();
        return Ok((ports, name.clone()));
    }
    if what.contains('/') {
        let range: PortRange = what.parse().map_err(|error| format!("{error}"))?;
        return Ok((range.ports().collect(), Arc::default()));
    }
    let known: Vec<&str> = rules.services.keys().map(|name| &**name).collect();
    Err(format!(
        "`{what}` is no service; known are {}, or write a port like `tcp/8080`",
        known.join(", ")
    ))
}

/// Returns an exposure as views show it.
fn row(exposure: &Exposure, rules: &PortPolicy, with_pid: bool) -> PortRow {
    let owner = exposure.owner.as_ref();
    let port = Port { protocol: exposure.ports.protocol, number: exposure.ports.first };
    let service = rules
        .services
        .iter()
        .find(|(_, service)| service.ports.iter().any(|range| range.contains(port)));
    let mut open_for: BTreeMap<Subject, String> = BTreeMap::new();
    for (subject, until) in &exposure.grants {
        let text = end(*until).map_or(format!("{subject}"), |end| format!("{subject} until {end}"));
        open_for.insert(*subject, text);
    }
    PortRow {
        port: exposure.ports.to_string(),
        address: exposure.address.map(|address| address.to_string()),
        reach: exposure.reach.to_string(),
        rule: exposure.rule.to_owned(),
        why: exposure.why.clone(),
        open_for: open_for.into_values().collect(),
        service: service.map(|(name, _)| name.to_string()),
        rate: service.and_then(|(_, service)| service.rate).map(|rate| rate.to_string()),
        process: owner.and_then(|owner| some(&owner.name)),
        pid: owner.and_then(|owner| owner.pid).filter(|_| with_pid),
        exe: owner.and_then(|owner| owner.exe.as_deref()).map(str::to_owned),
        unit: owner.and_then(|owner| owner.unit.as_deref()).map(str::to_owned),
        user: owner.and_then(|owner| some(&owner.user)),
        container: owner.and_then(|owner| owner.container.as_deref()).map(str::to_owned),
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
