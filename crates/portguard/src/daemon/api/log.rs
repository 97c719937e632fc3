//! The record of packet decisions, and what is counted beside it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use portguard_api::{
    Problem,
    packet::{Packet, PacketLog, RecordState, TapState},
};
use portguard_core::Timestamp;
use portguard_read::{PacketDecision, PacketKind, Transport, Verdict, log_line::flag_words};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    clock,
    daemon::{
        enforcer::KernelState,
        source::{record::Tally, taps::Tapped},
    },
};

use super::{Desk, answer::Failure, role::MayRead};

/// Most decisions of one answer.
const MOST: usize = 1_000_000;

/// Decisions of an answer when the question does not say.
const USUAL: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// `blocked`, `allowed`, or the word of a rule (`ban`, `closed`, `always`, ...).
    rule: Option<String>,
    /// `tcp`, `udp`, `icmp` or `any`.
    r#type: Option<String>,
    /// From this address or network.
    source: Option<String>,
    /// To this port.
    port: Option<u16>,
    /// Of the last so many seconds.
    since: Option<u64>,
    /// Behind the decision with this number.
    after: Option<u64>,
    /// At most so many, the newest of them; at most 100,000.
    limit: Option<usize>,
}

/// Decisions about packets, oldest first.
#[utoipa::path(get, path = "/v1/log", params(LogQuery), responses((status = 200, body = PacketLog), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn log(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<LogQuery>,
) -> Result<Json<PacketLog>, Failure> {
    let query = read(&query, clock::now())?;
    let kernel = desk.kernel.state().await;
    let record = desk.record.clone();
    // A million decisions take some milliseconds, during which others are answered.
    let asked = tokio::task::spawn_blocking(move || (record.query(&query), record.tally()));
    let (found, tally) = asked.await.map_err(|error| Failure::unavailable(&error))?;
    Ok(Json(PacketLog { items: found.iter().map(packet).collect(), record: state(tally, &kernel) }))
}

/// Returns what became of the packets, as views show it.
pub(super) fn state(tally: Tally, kernel: &KernelState) -> RecordState {
    RecordState {
        taken: tally.taken,
        kept: tally.kept,
        overwritten: tally.overwritten,
        lost: tally.lost,
        unreadable: tally.unreadable,
        over_limit: kernel.over_limit,
    }
}

/// Returns what became of the packets of an interface, as views show it.
pub(super) fn tap((name, tapped): &(Arc<str>, Tapped)) -> TapState {
    TapState {
        interface: name.to_string(),
        is_open: tapped.index.is_some(),
        taken: tapped.taken,
        passed_over: tapped.passed_over,
        lost: tapped.lost,
    }
}

fn read(query: &LogQuery, now: Timestamp) -> Result<portguard_read::Query, Failure> {
    let (verdict, rule) = match query.rule.as_deref() {
        Some("blocked") => (Some(Verdict::Blocked), None),
        Some("allowed") => (Some(Verdict::Allowed), None),
        rule => (None, rule.map(str::to_owned)),
    };
    let kind = match query.r#type.as_deref() {
        None | Some("any") => None,
        Some("tcp") => Some(PacketKind::Tcp),
        Some("udp") => Some(PacketKind::Udp),
        Some("icmp") => Some(PacketKind::Icmp),
        Some(other) => {
            let what = format!("`{other}` is no type of packet; known are tcp, udp, icmp, any");
            return Err(Failure::usage(&what));
        }
    };
    let source = query.source.as_deref().map(str::parse).transpose();
    let since =
        query.since.map(|seconds| now.as_millis().saturating_sub(seconds.saturating_mul(1000)));
    Ok(portguard_read::Query {
        verdict,
        rule,
        kind,
        source: source.map_err(|error| Failure::usage(&error))?,
        port: query.port,
        since,
        after: query.after,
        limit: query.limit.unwrap_or(USUAL).min(MOST),
    })
}

/// Returns a decision as views show it.
pub(super) fn packet(decision: &PacketDecision) -> Packet {
    let headers = &decision.headers;
    let (icmp, flags) = match headers.transport {
        Transport::Icmp { kind, code, .. } => (Some(format!("{kind}/{code}")), None),
        Transport::Tcp { flags, .. } => (None, Some(flag_words(flags).trim().to_owned())),
        Transport::Udp { .. } | Transport::Unknown => (None, None),
    };
    let interface = decision.interface.to_string();
    Packet {
        number: decision.number,
        at: clock::rfc3339(Timestamp::from_millis(decision.at)),
        verdict: decision.verdict.to_string(),
        rule: decision.rule().to_owned(),
        matched: decision.matched().map(str::to_owned),
        interface: (!interface.is_empty()).then_some(interface),
        protocol: protocol(headers.protocol),
        source: headers.source.to_string(),
        source_port: headers.ports().map(|(source, _)| source),
        destination: headers.destination.to_string(),
        destination_port: headers.ports().map(|(_, destination)| destination),
        icmp,
        flags,
        length: headers.length,
        ttl: headers.ttl,
    }
}

fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => other.to_string(),
    }
}
