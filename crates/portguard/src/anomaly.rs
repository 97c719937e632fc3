//! What follows from suspicions about packets: anomalies for the guard.

use std::sync::Arc;

use portguard_core::{Anomaly, Fact, Grade, Note, Offence, Suspicion};

use crate::config::AnomalyPlan;

/// Returns what the guard is told of a suspicion whose evidence can be trusted so far: an anomaly of
/// somebody, or if it is not known whose it is, a note for the journal.
pub(crate) fn told(plan: &AnomalyPlan, suspicion: Suspicion, grade: Grade) -> Fact {
    let Suspicion { source, detector, severity, confidence, ports, evidence, .. } = suspicion;
    let origin = format!("anomaly {detector}").into();
    let Some(source) = source else {
        return Fact::Noted(Note::Anomaly { origin, severity, evidence });
    };
    let offence = Offence {
        peer: source,
        origin,
        grade,
        ladder: plan.ladder(detector, severity),
        evidence,
        trap: None,
        ports: (!ports.is_empty()).then(|| Arc::new(ports)),
    };
    let respond = plan.respond;
    Fact::Anomaly(Box::new(Anomaly { offence, severity, confidence, respond }))
}
