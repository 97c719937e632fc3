//! Rules that anomalies lead to: which wait, and what is said of them.

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    order::OrderDone,
    proposal::{Proposal, ProposalOrder, ProposalVerdict},
};
use portguard_core::{Command, Span};

use crate::clock::rfc3339;

use super::{
    Desk,
    answer::Failure,
    ask::with_guard,
    ports::give,
    role::{MayOrder, MayRead},
};

/// The rules that are proposed, the newest first.
#[utoipa::path(get, path = "/v1/proposals", responses((status = 200, body = Vec<Proposal>), (status = 403, body = Problem)))]
pub(super) async fn proposals(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Vec<Proposal>>, Failure> {
    let proposals = with_guard(&desk, |guard, _| guard.proposals()).await?;
    Ok(Json(proposals.into_iter().map(shown).collect()))
}

/// Puts a proposed rule in force, or takes it from the list.
#[utoipa::path(post, path = "/v1/proposals", request_body = ProposalOrder,
    responses((status = 200, body = OrderDone), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn decide(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(ProposalOrder { id, verdict }): Json<ProposalOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let command = match verdict {
        ProposalVerdict::Accept => Command::Accept { id, author },
        ProposalVerdict::Dismiss => Command::Dismiss { id, author },
    };
    give(&desk, command).await
}

fn shown(one: portguard_core::Proposal) -> Proposal {
    Proposal {
        id: one.id,
        subject: one.subject.to_string(),
        measure: one.measure.to_string(),
        ports: one.ports.iter().map(ToString::to_string).collect(),
        seconds: match one.span {
            Span::For(length) => Some(length.as_secs()),
            Span::Forever => None,
        },
        rule: one.origin.to_string(),
        severity: one.severity.to_string(),
        confidence: one.confidence,
        evidence: one.evidence.into_iter().collect(),
        since: rfc3339(one.since),
        until: rfc3339(one.until),
        times: one.times,
    }
}
