//! What the kernel says of ports and connections beside our own table.

use portguard_api::port::{PortRow, Session};
use portguard_linux::{
    connection::{self, Connection},
    forwarded::{self, Forwarded},
};

use super::answer::Failure;

/// Returns the ports that are forwarded past the host's own rules.
pub(super) async fn forwarded() -> Result<Vec<PortRow>, Failure> {
    let asked = tokio::task::spawn_blocking(forwarded::forwarded).await;
    let found = asked.map_err(|error| Failure::unavailable(&error))?;
    Ok(found.into_iter().map(row).collect())
}

/// Returns the live connections from outside, and how many more there are.
pub(super) async fn sessions() -> Result<(Vec<Session>, usize), Failure> {
    let asked = tokio::task::spawn_blocking(connection::from_outside).await;
    let found = asked.map_err(|error| Failure::unavailable(&error))?;
    let (connections, more) = found.map_err(|error| Failure::unavailable(&error))?;
    Ok((connections.into_iter().map(session).collect(), more))
}

fn row(forwarded: Forwarded) -> PortRow {
    let Forwarded { ports, address, to, by } = forwarded;
    PortRow {
        port: ports.to_string(),
        address: address.map(|address| address.to_string()),
        reach: "forwarded".to_owned(),
        rule: "forward".to_owned(),
        why: format!("forwarded to {to} by {by}"),
        open_for: Vec::new(),
        service: None,
        rate: None,
        process: None,
        pid: None,
        exe: None,
        unit: None,
        user: None,
        container: None,
    }
}

fn session(connection: Connection) -> Session {
    let Connection { local, peer, owner } = connection;
    let (process, user) = owner.map(|owner| (owner.name, owner.user)).unzip();
    Session {
        local: local.to_string(),
        peer: peer.to_string(),
        process: process.map(|name| name.to_string()),
        user: user.map(|name| name.to_string()),
    }
}
