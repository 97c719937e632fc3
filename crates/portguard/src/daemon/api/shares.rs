//! Ports that are shared: which, begin, stop.

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    order::OrderDone,
    share::{Share, ShareOrder, UnshareOrder},
};
use portguard_core::{Port, Protocol, Span};

use crate::{
    daemon::shares::{NotShared, Order},
    exit::with_causes,
};

use super::{
    Desk, ORDER_PATIENCE,
    answer::Failure,
    ask::with_guard,
    order::carry_out,
    role::{MayOrder, MayRead},
};

/// Longest name of a provider, in bytes: more than a user and a host can have.
const LONGEST_PROVIDER: usize = 600;

/// The ports that are shared.
#[utoipa::path(get, path = "/v1/shares", responses((status = 200, body = Vec<Share>), (status = 403, body = Problem)))]
pub(super) async fn list(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Vec<Share>>, Failure> {
    Ok(Json(desk.shares.list()))
}

/// Makes a port of this host reachable through a provider. It is answered before the tunnel stands;
/// the list says when it does.
#[utoipa::path(post, path = "/v1/shares", request_body = ShareOrder,
    responses((status = 200, body = Share), (status = 400, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn share(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<ShareOrder>,
) -> Result<Json<Share>, Failure> {
    if order.port == 0 {
        return Err(Failure::usage(&"0 is no port"));
    }
    if order.via.as_ref().is_some_and(|via| via.len() > LONGEST_PROVIDER) {
        let what = format!("a provider's name has at most {LONGEST_PROVIDER} bytes");
        return Err(Failure::usage(&what));
    }
    let plan = desk.shares.plan();
    let span = order.span.as_deref().map_or(Ok(plan.span()), str::parse);
    let span = span.map_err(|error| Failure::usage(&error))?;
    if matches!(span, Span::For(length) if length.is_zero()) {
        return Err(Failure::usage(&"a share lasts longer than no time at all"));
    }
    let route = plan.route(order.via.as_deref());
    let route = route.map_err(|error| Failure::usage(&with_causes(&error)))?;
    let port = Port { protocol: Protocol::Tcp, number: order.port };
    let allowed = with_guard(&desk, move |guard, _| guard.may_share(port)).await?;
    let order = Order { port, route, span, author, allowed };
    // Looking for the listener and its process takes longer than an answer should.
    let shares = desk.shares.clone();
    let begun = tokio::task::spawn_blocking(move || shares.start(order)).await;
    // Who looks into the journal next finds it there; one that can not be written says so itself.
    written(&desk).await?;
    match begun.map_err(|error| Failure::unavailable(&error))? {
        Ok(share) => Ok(Json(share)),
        Err(NotShared::Refused(refusal)) => Err(Failure::refused(&refusal)),
        Err(NotShared::Failed(error)) => Err(Failure::unavailable(&error)),
    }
}

/// Stops sharing a port; answered once the tunnel is down.
#[utoipa::path(post, path = "/v1/shares/stop", request_body = UnshareOrder,
    responses((status = 200, body = OrderDone), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn stop(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<UnshareOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let shares = desk.shares.clone();
    let stopped = tokio::task::spawn_blocking(move || shares.stop(order.port, author)).await;
    let stopped = stopped.map_err(|error| Failure::unavailable(&error))?;
    stopped.map_err(|refusal| Failure::refused(&refusal))?;
    let unwritten = written(&desk).await?;
    Ok(Json(OrderDone { subjects: 1, refused: Vec::new(), unwritten, observed_only: false }))
}

/// Waits until the ledger has all that was told so far; returns why it has not.
async fn written(desk: &Desk) -> Result<Option<String>, Failure> {
    let ((), marks) = carry_out(desk, |_, _| ()).await?;
    let mut written = desk.written.clone();
    let reached = written.wait_for(|ledger| ledger.number >= marks.record);
    Ok(match tokio::time::timeout(ORDER_PATIENCE, reached).await {
        Ok(Ok(ledger)) => ledger.unwritten.as_ref().map(ToString::to_string),
        Ok(Err(_)) => Some("the ledger is gone".to_owned()),
        Err(_) => Some("the ledger takes too long".to_owned()),
    })
}
