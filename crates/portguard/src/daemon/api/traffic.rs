//! Connections and interfaces.

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    traffic::{Connection, Connections, Counts, Interface},
};
use portguard_linux::traffic::{self, Conversation};

use crate::{
    clock::{self, rfc3339},
    daemon::source::connections::Known,
};

use super::{Desk, answer::Failure, role::MayRead};

/// The TCP connections with other hosts.
#[utoipa::path(get, path = "/v1/connections", responses((status = 200, body = Connections), (status = 403, body = Problem)))]
pub(super) async fn connections(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Connections>, Failure> {
    let connections = desk.connections.clone();
    let listed = tokio::task::spawn_blocking(move || connections.list_anew()).await;
    let listed = listed.map_err(|error| Failure::unavailable(&error))?;
    let (known, more) = listed.map_err(|error| Failure::unavailable(&error))?;
    Ok(Json(Connections { items: known.into_iter().map(connection).collect(), more }))
}

/// What came and went through each interface.
#[utoipa::path(get, path = "/v1/interfaces", responses((status = 200, body = Vec<Interface>), (status = 403, body = Problem)))]
pub(super) async fn interfaces(_: MayRead) -> Result<Json<Vec<Interface>>, Failure> {
    let interfaces = traffic::interfaces().map_err(|error| Failure::unavailable(&error))?;
    let counts = |one: traffic::Counts| Counts {
        bytes: one.bytes,
        packets: one.packets,
        errors: one.errors,
        dropped: one.dropped,
    };
    let shown = |one: traffic::Interface| Interface {
        name: one.name,
        received: counts(one.received),
        sent: counts(one.sent),
    };
    Ok(Json(interfaces.into_iter().map(shown).collect()))
}

fn connection(known: Known) -> Connection {
    let Known { conversation, since, owner } = known;
    let Conversation { local, peer, state, is_outbound, received, sent, user, .. } = conversation;
    let text = |one: &std::sync::Arc<str>| one.to_string();
    let owner = owner.as_ref();
    Connection {
        direction: if is_outbound { "out" } else { "in" }.to_owned(),
        local: local.to_string(),
        peer: peer.to_string(),
        state: state.to_owned(),
        pid: owner.and_then(|owner| owner.pid),
        process: owner.map(|owner| text(&owner.name)).unwrap_or_default(),
        exe: owner.and_then(|owner| owner.exe.as_ref()).map(text),
        unit: owner.and_then(|owner| owner.unit.as_ref()).map(text),
        user: owner.map_or_else(|| user.to_string(), |owner| text(&owner.user)),
        received,
        sent,
        since: rfc3339(since),
        seconds: clock::now().since(since).as_secs(),
    }
}
