//! What happened over time, and what stands out.

mod samples;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Query, State},
};
use portguard_api::{
    Problem,
    history::{History, Ranked, Step, Top},
};
use portguard_core::Timestamp;
use portguard_read::ranking;
use portguard_store::reader::Counted;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{clock, daemon::enforcer::KernelState};

use super::{Desk, answer::Failure, ask::with_ledger, role::MayRead};

use samples::{Sample, Samples};

/// The span of a question that names none.
const USUAL_SPAN: u64 = 3_600;

/// How many rows of each ranking a question gets that does not say, and at most.
const USUAL_ROWS: usize = 10;
const MOST_ROWS: usize = 100;

/// Lengths of a step in seconds. Each is at most three times the one before, so that every span from
/// a minute to a year has 60 to 200 steps of one of them.
const STEPS: [u64; 18] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400,
    172_800,
];

/// Most steps of an answer, and fewest.
const MOST_STEPS: u64 = 200;
const FEWEST_STEPS: u64 = 60;

/// How often the kernel's counters are looked at when nobody listens.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);

/// How long an answer serves everybody who asks the same.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// How many answers are kept; when full, the oldest goes.
const MOST_KEPT: usize = 8;

/// What is remembered for charts.
#[derive(Default)]
pub(crate) struct Chart {
    samples: Mutex<Samples>,
    histories: Kept<u64, History>,
    tops: Kept<(u64, usize), Top>,
}

/// Answers of the last seconds. Whoever asks meanwhile waits for the one who asked before.
type Kept<Q, A> = tokio::sync::Mutex<Vec<(Q, Instant, A)>>;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// How many seconds back, from a minute to 400 days; absent: an hour.
    span: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TopQuery {
    /// How many seconds back; absent: an hour.
    span: Option<u64>,
    /// How many rows of each ranking, at most 100; absent: 10.
    limit: Option<usize>,
}

/// What happened over time, in 60 to 200 steps.
#[utoipa::path(get, path = "/v1/history", params(HistoryQuery), responses((status = 200, body = History), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn history(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Failure> {
    let least = FEWEST_STEPS * STEPS[0];
    let span = query.span.unwrap_or(USUAL_SPAN).clamp(least, MOST_STEPS * STEPS[STEPS.len() - 1]);
    let answer = kept(&desk.chart.histories, span, || made(&desk, span));
    Ok(Json(answer.await?))
}

/// Who and what stands out among the decisions about packets in the record.
#[utoipa::path(get, path = "/v1/top", params(TopQuery), responses((status = 200, body = Top), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn top(
    _: MayRead,
    State(desk): State<Desk>,
    Query(query): Query<TopQuery>,
) -> Result<Json<Top>, Failure> {
    let limit = query.limit.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS);
    let span = query.span.unwrap_or(USUAL_SPAN);
    let answer = kept(&desk.chart.tops, (span, limit), || ranked(&desk, span, limit));
    Ok(Json(answer.await?))
}

/// Looks at the kernel's counters once a minute, for ever.
pub(super) async fn sample(desk: Desk) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let kernel = desk.kernel.state().await;
        desk.chart.add(&kernel, false);
    }
}

impl Chart {
    /// Takes the kernel's counters in. Those that are taken while somebody listens are many, and kept
    /// for a short time only.
    pub(super) fn add(&self, kernel: &KernelState, is_fine: bool) {
        let counts = kernel.turned_away;
        let says_nothing = kernel.installed.is_none()
            && (counts.blocked_packets, counts.allowed_connections) == (0, 0);
        if says_nothing {
            return;
        }
        let sample = Sample {
            at: clock::now().as_millis(),
            blocked: counts.blocked_packets,
            allowed: counts.allowed_connections,
        };
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).add(sample, is_fine);
    }
}

async fn kept<Q: PartialEq, A: Clone>(
    kept: &Kept<Q, A>,
    question: Q,
    answer: impl AsyncFnOnce() -> Result<A, Failure>,
) -> Result<A, Failure> {
    let mut kept = kept.lock().await;
    kept.retain(|(_, at, _)| at.elapsed() < FRESH_FOR);
    if let Some((.., answer)) = kept.iter().find(|(known, ..)| *known == question) {
        return Ok(answer.clone());
    }
    let answer = answer().await?;
    if kept.len() >= MOST_KEPT {
        kept.remove(0);
    }
    kept.push((question, Instant::now(), answer.clone()));
    Ok(answer)
}

async fn made(desk: &Desk, span: u64) -> Result<History, Failure> {
    let (begin, step, steps) = cut(span, clock::now());
    let since = Timestamp::from_secs(begin);
    let length = Duration::from_secs(step);
    let counted = with_ledger(desk, move |reader| reader.counted(since, length, steps)).await?;
    let samples = desk.chart.samples.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(History { step, steps: joined(begin, step, &counted, &samples) })
}

/// Returns when the first step of a span begins, how long a step is, and how many there are. Steps
/// begin at multiples of their length, so that a chart does not tremble; the last one is under way.
fn cut(span: u64, now: Timestamp) -> (u64, u64, usize) {
    let fits = |step: &&u64| span.div_ceil(**step) <= MOST_STEPS;
    let step = *STEPS.iter().find(fits).unwrap_or(&STEPS[STEPS.len() - 1]);
    let steps = span.div_ceil(step).clamp(FEWEST_STEPS, MOST_STEPS);
    let end = (now.as_millis() / 1_000 / step + 1) * step;
    (end.saturating_sub(steps * step), step, usize::try_from(steps).unwrap_or_default())
}

fn joined(begin: u64, step: u64, counted: &[Counted], samples: &Samples) -> Vec<Step> {
    let totals = samples.in_order();
    let begins = (0..).map(|index| begin + index * step);
    let steps = begins.zip(counted).map(|(at, counted)| {
        let packets = samples::between(&totals, at * 1_000, (at + step) * 1_000);
        Step {
            at,
            offences: counted.offences,
            bans: counted.bans,
            let_in: packets.map(|(allowed, _)| allowed),
            turned_away: packets.map(|(_, blocked)| blocked),
        }
    });
    steps.collect()
}

async fn ranked(desk: &Desk, span: u64, limit: usize) -> Result<Top, Failure> {
    let since = clock::now().as_millis().saturating_sub(span.saturating_mul(1_000));
    let record = desk.record.clone();
    let ranked = tokio::task::spawn_blocking(move || record.ranked(since, limit)).await;
    let ranking::Ranked { sources, ports_blocked, ports_allowed } =
        ranked.map_err(|error| Failure::unavailable(&error))?;
    let row = |(name, count): (String, u64)| Ranked { name, count };
    let ports = |rows: Vec<((u8, u16), u64)>| {
        let named = rows.into_iter().map(|(port, count)| (port_name(port), count));
        named.map(row).collect()
    };
    Ok(Top {
        sources: sources.into_iter().map(|(one, count)| row((one.to_string(), count))).collect(),
        ports_blocked: ports(ports_blocked),
        ports_allowed: ports(ports_allowed),
    })
}

fn port_name((protocol, port): (u8, u16)) -> String {
    format!("{}/{port}", if protocol == 17 { "udp" } else { "tcp" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_has_sixty_to_two_hundred_steps() {
        let now = Timestamp::from_secs(1_800_000_007);
        for span in (60..5_000).chain([86_400, 604_800, 2_592_000, 31_536_000, 34_560_000]) {
            let (begin, step, steps) = cut(span, now);
            assert!((60..=200).contains(&steps), "{span} s: {steps}");
            let length = step * steps as u64;
            assert!(length + step > span, "{span} s: {length}");
            assert_eq!(begin % step, 0, "{span} s");
            assert!(begin + length > 1_800_000_007 && begin + length <= 1_800_000_007 + step);
        }
    }

    #[test]
    fn steps_join_what_the_journal_and_the_kernel_count() {
        let mut samples = Samples::default();
        for (second, blocked) in [(100, 5), (160, 65), (220, 65)] {
            samples.add(Sample { at: second * 1_000, blocked, allowed: 0 }, false);
        }
        let counted = [Counted { offences: 1, bans: 0 }, Counted { offences: 0, bans: 2 }];
        let steps = joined(100, 60, &counted, &samples);
        let expect = [
            Step { at: 100, offences: 1, bans: 0, let_in: Some(0), turned_away: Some(60) },
            Step { at: 160, offences: 0, bans: 2, let_in: Some(0), turned_away: Some(0) },
        ];
        assert_eq!(steps, expect);
        assert_eq!(joined(40, 60, &counted[..1], &samples)[0].let_in, None);
    }
}
