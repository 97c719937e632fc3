//! Orders. Each is answered when the kernel and the ledger have it, or says which has not.

use std::sync::Arc;

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    order::{
        HoldOrder, ImportOrder, LiftOrder, LiftedName, ManyOrder, MeasureName, OrderDone,
        PauseOrder, RefusedOrder,
    },
};
use portguard_core::{
    Author, Command, Guard, Lifted, Measure, Offender, Port, Span, Strength, Subject, Timestamp,
    service::PortRange,
};

use super::{
    Desk, ORDER_PATIENCE,
    answer::{self, Failure},
    ports::give,
    role::MayOrder,
};
use crate::daemon::inbox::Marks;

/// Most orders taken at once; one request of this size is a few megabytes.
const MOST_AT_ONCE: usize = 100_000;

/// Puts a subject on a list.
#[utoipa::path(post, path = "/v1/hold", request_body = HoldOrder,
    responses((status = 200, body = OrderDone), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn hold(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<HoldOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let command = hold_command(&order, author)?;
    let (done, marks) =
        carry_out(&desk, move |guard, now| guard.handle_command(command, now)).await?;
    let done = done.map_err(|refusal| Failure::refused(&refusal))?;
    arrived(&desk, marks, done.subjects, Vec::new()).await
}

/// Puts many subjects on lists in one go. Those that are refused are named; the others stand.
#[utoipa::path(post, path = "/v1/hold-many", request_body = ManyOrder,
    responses((status = 200, body = OrderDone), (status = 400, body = Problem)))]
pub(super) async fn hold_many(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<ManyOrder>,
) -> Result<Json<OrderDone>, Failure> {
    if order.holds.len() > MOST_AT_ONCE {
        return Err(Failure::usage(&format!("at most {MOST_AT_ONCE} orders at once")));
    }
    let commands = order.holds.iter().map(|order| hold_command(order, author));
    let commands = commands.collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = order.holds.into_iter().map(|order| order.subject).collect();
    let (results, marks) = carry_out(&desk, move |guard, now| {
        let orders = commands.into_iter();
        orders.map(|command| guard.handle_command(command, now)).collect::<Vec<_>>()
    })
    .await?;
    let subjects = results.iter().flatten().map(|done| done.subjects).sum();
    let refused = names.into_iter().zip(results).filter_map(|(subject, result)| {
        result.err().map(|refusal| RefusedOrder { subject, why: refusal.why })
    });
    arrived(&desk, marks, subjects, refused.collect()).await
}

/// Takes a subject off a list.
#[utoipa::path(post, path = "/v1/lift", request_body = LiftOrder,
    responses((status = 200, body = OrderDone), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn lift(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<LiftOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let command = match (order.measure, order.subject) {
        (LiftedName::Ban, None) => Command::LiftAllBans { author },
        (_, None) => return Err(Failure::usage(&"only bans can be lifted all at once")),
        (measure, Some(subject)) => {
            let measure = match measure {
                LiftedName::Allow => Lifted::Allow,
                LiftedName::Throttle => Lifted::Throttle,
                LiftedName::Ban => Lifted::Ban,
            };
            Command::Lift {
                measure,
                subject: subject.parse().map_err(|error| Failure::usage(&error))?,
                author,
            }
        }
    };
    let (done, marks) =
        carry_out(&desk, move |guard, now| guard.handle_command(command, now)).await?;
    let done = done.map_err(|refusal| Failure::refused(&refusal))?;
    arrived(&desk, marks, done.subjects, Vec::new()).await
}

/// Turns nobody away for a while, or ends that. Decisions are made all the same, and count once the
/// pause is over.
#[utoipa::path(post, path = "/v1/pause", request_body = PauseOrder,
    responses((status = 200, body = OrderDone), (status = 400, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn pause(
    MayOrder(author): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<PauseOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let command = match order.span {
        Some(span) => {
            let span = span.parse().map_err(|error| Failure::usage(&error))?;
            Command::Pause { span, author }
        }
        None => Command::Resume(author),
    };
    give(&desk, command).await
}

/// Takes over what another program remembers.
#[utoipa::path(post, path = "/v1/import", request_body = ImportOrder, responses((status = 200, body = OrderDone)))]
pub(super) async fn import(
    MayOrder(_): MayOrder,
    State(desk): State<Desk>,
    Json(order): Json<ImportOrder>,
) -> Result<Json<OrderDone>, Failure> {
    if order.holds.len().max(order.offenders.len()) > MOST_AT_ONCE {
        return Err(Failure::usage(&format!("at most {MOST_AT_ONCE} rows at once")));
    }
    let holds = order.holds.iter().map(answer::imported).collect::<Result<Vec<_>, _>>();
    let offenders = order.offenders.iter().map(|row| {
        let (first, last) = (Timestamp::from_secs(row.first), Timestamp::from_secs(row.last));
        let past = Offender { offences: row.offences, bans: row.bans, first, last };
        row.subject.parse::<Subject>().map(|subject| (subject, past))
    });
    let command = Command::Import {
        holds: holds.map_err(|error| Failure::usage(&error))?,
        offenders: offenders
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::usage(&error))?,
    };
    let (done, marks) =
        carry_out(&desk, move |guard, now| guard.handle_command(command, now)).await?;
    let done = done.map_err(|refusal| Failure::refused(&refusal))?;
    arrived(&desk, marks, done.subjects, Vec::new()).await
}

/// Returns the measure of a name.
pub(super) fn measure_of(name: MeasureName) -> Measure {
    match name {
        MeasureName::Allow => Measure::Allow,
        MeasureName::ThrottleSoft => Measure::Throttle(Strength::Soft),
        MeasureName::ThrottleHard => Measure::Throttle(Strength::Hard),
        MeasureName::Ban => Measure::Ban,
    }
}

fn hold_command(order: &HoldOrder, author: Author) -> Result<Command, Failure> {
    let span = order.span.as_deref().map_or(Ok(Span::Forever), str::parse);
    Ok(Command::Hold {
        measure: measure_of(order.measure),
        subject: order.subject.parse().map_err(|error| Failure::usage(&error))?,
        ports: read_ports(&order.ports)?,
        span: span.map_err(|error| Failure::usage(&error))?,
        reason: Arc::from(order.reason.as_str()),
        author,
    })
}

fn read_ports(texts: &[String]) -> Result<Vec<Port>, Failure> {
    let mut ports = Vec::new();
    for text in texts {
        let range: PortRange = text.parse().map_err(|error| Failure::usage(&error))?;
        ports.extend(range.ports());
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// Runs an order on the guard thread and returns what came of it, with the marks that tell when
/// it has arrived.
pub(super) async fn carry_out<T: Send + 'static>(
    desk: &Desk,
    order: impl FnOnce(&mut Guard, Timestamp) -> T + Send + 'static,
) -> Result<(T, Marks), Failure> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    desk.inbox.ask(Box::new(move |guard, now| {
        let result = order(guard, now);
        Box::new(move |marks| {
            // Whoever ordered may have hung up; the order stands.
            let _ = sender.send((result, marks));
        })
    }))?;
    receiver.await.map_err(|_| Failure::unavailable(&"the guard is on its way down"))
}

/// Waits until the kernel and the ledger have everything up to the marks.
pub(super) async fn arrived(
    desk: &Desk,
    marks: Marks,
    subjects: usize,
    refused: Vec<RefusedOrder>,
) -> Result<Json<OrderDone>, Failure> {
    let mut reached = desk.reached.clone();
    let mut written = desk.written.clone();
    let both = async {
        let failure = match reached.wait_for(|kernel| kernel.generation >= marks.generation).await {
            Ok(kernel) => kernel.failure.clone(),
            Err(_) => return Err(Failure::not_enforced(&"the enforcer is gone")),
        };
        let unwritten = match written.wait_for(|ledger| ledger.number >= marks.record).await {
            Ok(ledger) => ledger.unwritten.clone(),
            Err(_) => Some("the ledger is gone".into()),
        };
        Ok((failure, unwritten))
    };
    let waited = tokio::time::timeout(ORDER_PATIENCE, both).await;
    desk.tables.forget().await;
    let waited = waited.map_err(|_| {
        Failure::not_enforced(&format!("not in the kernel after {} s", ORDER_PATIENCE.as_secs()))
    })?;
    let (failure, unwritten) = waited?;
    if let Some(why) = failure {
        return Err(Failure::not_enforced(&why));
    }
    let unwritten = unwritten.map(|why| why.to_string());
    let observed_only = desk.about.observe;
    Ok(Json(OrderDone { subjects, refused, unwritten, observed_only }))
}
