//! Connections and interfaces as text.

use clap::Args;
use portguard_api::traffic::{Connection, Connections, Counts, Interface};
use portguard_core::Subject;
use portguard_tui::{address_of, size, translated};

use crate::{daemon::Direction, exit::Failed};

use super::{Global, client::Client, show};

/// Which connections are shown.
#[derive(Debug, Args)]
pub(crate) struct ConnectionsArgs {
    /// Only those that go this way.
    #[arg(long, value_enum, value_name = "D")]
    pub(crate) direction: Option<Direction>,
    /// Only those of this protocol (`tcp`, `udp`, `icmp`, `sctp`, ..., or a number).
    #[arg(long, value_name = "P")]
    pub(crate) protocol: Option<String>,
    /// Only those with an end at this address or in this network.
    #[arg(long, value_name = "ADDR")]
    pub(crate) subject: Option<Subject>,
}

impl ConnectionsArgs {
    fn wants(&self, one: &Connection) -> bool {
        let is_of = |subject: &Subject| {
            let ends = [&one.local, &one.peer].into_iter();
            let mut ends = ends.chain(&one.outside).chain(&one.real_peer);
            ends.any(|end| {
                address_of(end).is_some_and(|address| subject.covers(&Subject::address(address)))
            })
        };
        self.direction.is_none_or(|direction| one.direction == direction.word())
            && self
                .protocol
                .as_ref()
                .is_none_or(|protocol| one.protocol.eq_ignore_ascii_case(protocol))
            && self.subject.as_ref().is_none_or(is_of)
    }
}

/// Shows the connections with other hosts, and those through this one.
pub(crate) fn connections(
    client: &Client,
    global: &Global,
    args: &ConnectionsArgs,
) -> Result<(), Failed> {
    let mut all: Connections = client.get("/v1/connections")?;
    all.items.retain(|one| args.wants(one));
    if global.json {
        return show::json(&all);
    }
    let rows = all.items.iter().map(row).collect();
    let heads = [
        "DIR", "PROTO", "LOCAL", "PEER", "STATE", "PROCESS", "UNIT", "USER", "RECEIVED", "SENT",
        "AGE",
    ];
    show::print(&show::table(&heads, rows))?;
    if all.more > 0 {
        eprintln!("and {} more", all.more);
    }
    if let Some(trouble) = &all.tracking.trouble {
        eprintln!("only TCP connections of this host itself are known: {trouble}");
    }
    Ok(())
}

fn row(one: &Connection) -> Vec<String> {
    let dash = || "-".to_owned();
    let process = one.pid.map(|pid| format!("{} ({pid})", one.process));
    vec![
        one.direction.clone(),
        one.protocol.clone(),
        translated(&one.local, one.outside.as_deref()),
        translated(&one.peer, one.real_peer.as_deref()),
        one.state.clone(),
        process.unwrap_or_else(dash),
        one.unit.clone().or(one.container.clone()).unwrap_or_else(dash),
        if one.user.is_empty() { dash() } else { one.user.clone() },
        one.received.map_or_else(dash, size),
        one.sent.map_or_else(dash, size),
        show::left(Some(one.seconds)),
    ]
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
