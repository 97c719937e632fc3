//! What follows from suspicions about packets: anomalies for the guard.

use std::sync::Arc;

use portguard_core::{Anomaly, Grade, Offence, Suspicion};

use crate::config::AnomalyPlan;

/// Returns what the guard is told of a suspicion whose evidence can be trusted so far.
pub(crate) fn anomaly(plan: &AnomalyPlan, suspicion: Suspicion, grade: Grade) -> Anomaly {
    let Suspicion { source, detector, severity, confidence, ports, evidence, .. } = suspicion;
    let offence = Offence {
        peer: source,
        origin: format!("anomaly {detector}").into(),
        grade,
        ladder: plan.ladder(detector, severity),
        evidence,
        trap: None,
        ports: (!ports.is_empty()).then(|| Arc::new(ports)),
    };
    Anomaly { offence, severity, confidence, respond: plan.respond }
}
