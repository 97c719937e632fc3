//! What follows from suspicions about packets: anomalies for the guard.

use std::sync::Arc;

use portguard_core::{
    Anomalies, Anomaly, Fact, Grade, Note, Offence, Packet, Suspicion, Timestamp, anomaly::Outcome,
};
use portguard_read::headers::read_headers;

use crate::config::AnomalyPlan;

/// The detectors with what they look for, where packets tell all that is known.
pub(crate) struct PacketEye {
    plan: Arc<AnomalyPlan>,
    anomalies: Anomalies,
}

impl PacketEye {
    /// Makes ready to look; the seed is for the detectors.
    pub(crate) fn new(plan: Arc<AnomalyPlan>, seed: u64) -> Self {
        Self { anomalies: Anomalies::new(plan.limits.clone(), seed), plan }
    }

    /// Takes a packet, and returns what is found by then, and when.
    pub(crate) fn see(&mut self, packet: &Packet) -> impl Iterator<Item = (Timestamp, Fact)> {
        let Self { plan, anomalies } = self;
        anomalies.see(packet).map(|suspicion| fact(plan, suspicion))
    }

    /// Returns what is found by this moment though no packet came.
    pub(crate) fn settle(&mut self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Fact)> {
        let Self { plan, anomalies } = self;
        anomalies.settle(now).map(|suspicion| fact(plan, suspicion))
    }
}

/// Returns the packet that begins with these bytes, as it is judged where nothing else is known of it.
pub(crate) fn packet(bytes: &[u8], at: Timestamp) -> Option<Packet> {
    read_headers(bytes).map(|headers| headers.packet(at, Outcome::Unknown))
}

fn fact(plan: &AnomalyPlan, suspicion: Suspicion) -> (Timestamp, Fact) {
    let (at, grade) = (suspicion.at, suspicion.grade());
    (at, told(plan, suspicion, grade))
}

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
