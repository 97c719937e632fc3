//! Connections and interfaces as text.

use portguard_api::traffic::{Connections, Counts, Interface};
use portguard_tui::size;

use crate::exit::Failed;

use super::{Global, client::Client, show};

/// Shows the connections with other hosts.
pub(crate) fn connections(client: &Client, global: &Global) -> Result<(), Failed> {
    let all: Connections = client.get("/v1/connections")?;
    if global.json {
        return show::json(&all);
    }
    let rows = all.items.iter().map(|one| {
        let process = match one.pid {
            Some(pid) => format!("{} ({pid})", one.process),
            None => "-".to_owned(),
        };
        vec![
            one.direction.clone(),
            one.local.clone(),
            one.peer.clone(),
            one.state.clone(),
            process,
            one.unit.clone().unwrap_or_else(|| "-".to_owned()),
            one.user.clone(),
            size(one.received),
            size(one.sent),
            show::left(Some(one.seconds)),
        ]
    });
    let heads =
        ["DIR", "LOCAL", "PEER", "STATE", "PROCESS", "UNIT", "USER", "RECEIVED", "SENT", "AGE"];
    show::print(&show::table(&heads, rows.collect()))?;
    if all.more > 0 {
        eprintln!("and {} more", all.more);
    }
    Ok(())
}

/// Shows what came and went through each interface.
pub(crate) fn interfaces(client: &Client, global: &Global) -> Result<(), Failed> {
    let all: Vec<Interface> = client.get("/v1/interfaces")?;
    if global.json {
        return show::json(&all);
    }
    let counts = |one: &Counts| {
        [size(one.bytes), one.packets.to_string(), one.errors.to_string(), one.dropped.to_string()]
    };
    let rows = all
        .iter()
        .map(|one| [&[one.name.clone()][..], &counts(&one.received), &counts(&one.sent)].concat());
    let heads = [
        "NAME", "RECEIVED", "PACKETS", "ERRORS", "DROPPED", "SENT", "PACKETS", "ERRORS", "DROPPED",
    ];
    show::print(&show::table(&heads, rows.collect()))
}
