//! The control file: how it stands, and the services that it may drive.

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    remote::{Remote, RemoteSummary},
};

use crate::daemon::remote::{FetchRefusal, services};

use super::{
    Desk,
    answer::Failure,
    ask::with_guard,
    role::{MayOrder, MayRead},
};

/// The control file, and the services that it may drive.
#[utoipa::path(get, path = "/v1/remote", responses((status = 200, body = Remote), (status = 403, body = Problem)))]
pub(super) async fn remote(_: MayRead, State(desk): State<Desk>) -> Result<Json<Remote>, Failure> {
    shown(&desk).await
}

/// Fetches the control file now, and shows how it stands then.
#[utoipa::path(post, path = "/v1/remote/fetch",
    responses((status = 200, body = Remote), (status = 403, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn fetch(_: MayOrder, State(desk): State<Desk>) -> Result<Json<Remote>, Failure> {
    let over = desk.remote.fetch().map_err(|refusal| match refusal {
        FetchRefusal::Off => Failure::refused_with(&refusal, "set it in the configuration"),
        FetchRefusal::Busy => Failure::unavailable(&refusal),
    })?;
    over.await.map_err(|_| Failure::unavailable(&"the configuration has changed meanwhile"))?;
    shown(&desk).await
}

async fn shown(desk: &Desk) -> Result<Json<Remote>, Failure> {
    let Some((plan, board)) = desk.remote.shown() else { return Ok(Json(none())) };
    let asked = plan.clone();
    let services = with_guard(desk, move |guard, _| services(guard, &asked)).await?;
    Ok(Json(board.shown(&plan, services)))
}

/// Returns how the control file stands, if there is one.
pub(super) fn summary(desk: &Desk) -> Option<RemoteSummary> {
    desk.remote.shown().map(|(plan, board)| board.summary(&plan))
}

fn none() -> Remote {
    Remote {
        url: None,
        summary: RemoteSummary {
            state: "off".to_owned(),
            last_error: None,
            unsigned: false,
            serial: None,
            signer: None,
            left_out: 0,
        },
        every: 0,
        last_fetch: None,
        last_good: None,
        next_fetch: None,
        signed_at: None,
        services: Vec::new(),
        left_out: Vec::new(),
        more_left_out: 0,
        page_error: None,
    }
}
