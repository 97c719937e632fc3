//! Connections and interfaces.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    traffic::{Connection, Connections, Counts, Interface, Tracking},
};
use portguard_linux::traffic;

use crate::{
    clock::{self, rfc3339},
    config::protocol_name,
    daemon::source::connections::{Asker, Listed, Row, Seen},
};

use super::{Desk, answer::Failure, role::MayRead};

/// The connections with other hosts, and those through this one.
#[utoipa::path(get, path = "/v1/connections", responses((status = 200, body = Connections), (status = 403, body = Problem)))]
pub(super) async fn connections(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Connections>, Failure> {
    let connections = desk.connections.clone();
    let listed = tokio::task::spawn_blocking(move || connections.list_anew()).await;
    let listed = listed.map_err(|error| Failure::unavailable(&error))?;
    let Listed { rows, more, settings, trouble } =
        listed.map_err(|error| Failure::unavailable(&error))?;
    let tracking = Tracking {
        trouble,
        counts_bytes: settings.counts_bytes,
        keeps_times: settings.keeps_times,
        tracked: settings.tracked,
        most: settings.most,
    };
    Ok(Json(Connections { items: rows.into_iter().map(connection).collect(), more, tracking }))
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

fn connection(row: Row) -> Connection {
    let Row { seen, since, owner, user } = row;
    let Seen { ends, direction, asker, outside, real_peer, state, bytes } = seen;
    let text = |one: &Arc<str>| one.to_string();
    let number = user.map(|user| user.to_string()).unwrap_or_default();
    let (received, sent) = bytes.unzip();
    let owner = owner.as_ref();
    Connection {
        direction: direction.word().to_owned(),
        asked_by: asker_word(asker).to_owned(),
        protocol: protocol_name(ends.protocol),
        local: end_point(ends.local),
        peer: end_point(ends.peer),
        outside: outside.map(end_point),
        real_peer: real_peer.map(end_point),
        state: state.to_owned(),
        pid: owner.and_then(|owner| owner.pid),
        process: owner.map(|owner| text(&owner.name)).unwrap_or_default(),
        exe: owner.and_then(|owner| owner.exe.as_ref()).map(text),
        unit: owner.and_then(|owner| owner.unit.as_ref()).map(text),
        container: owner.and_then(|owner| owner.container.as_ref()).map(text),
        user: owner.map_or(number, |owner| text(&owner.user)),
        received,
        sent,
        since: rfc3339(since),
        seconds: clock::now().since(since).as_secs(),
    }
}

fn asker_word(asker: Asker) -> &'static str {
    match asker {
        Asker::Local => "local",
        Asker::Peer => "peer",
    }
}

/// Returns an end as text; one of a protocol without ports is an address alone.
fn end_point(end: SocketAddr) -> String {
    if end.port() == 0 { end.ip().to_string() } else { end.to_string() }
}
