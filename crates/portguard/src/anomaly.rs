//! What follows from suspicions about packets: anomalies for the guard.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::Arc,
};

use portguard_core::{
    Anomalies, Anomaly, Fact, Grade, Note, Offence, Packet, Suspicion, Timestamp, anomaly::Outcome,
};
use portguard_read::headers::read_headers;

use crate::config::AnomalyPlan;

/// The detectors with what they look for, where packets tell all that is known: in captures and on
/// interfaces.
pub(crate) struct PacketEye {
    plan: Arc<AnomalyPlan>,
    anomalies: Anomalies,
    /// The interface that the packets are of, if it is one that is there.
    interface: Option<Arc<str>>,
}

impl PacketEye {
    /// Makes ready to look; the seed is for the detectors.
    pub(crate) fn new(plan: Arc<AnomalyPlan>, seed: u64) -> Self {
        Self { anomalies: Anomalies::new(plan.limits.clone(), seed), plan, interface: None }
    }

    /// The same for the packets of an interface, which stands in the evidence.
    pub(crate) fn on(interface: Arc<str>, plan: Arc<AnomalyPlan>, seed: u64) -> Self {
        Self { interface: Some(interface), ..Self::new(plan, seed) }
    }

    /// Looks for other things; what was seen so far counts by them.
    pub(crate) fn set(&mut self, plan: &Arc<AnomalyPlan>) {
        if self.plan != *plan {
            self.plan = plan.clone();
            self.anomalies.set_limits(plan.limits.clone());
        }
    }

    /// Takes a packet, and returns what is found by then, and when.
    pub(crate) fn see(&mut self, packet: &Packet) -> impl Iterator<Item = (Timestamp, Fact)> {
        let Self { plan, anomalies, interface } = self;
        anomalies.see(packet).map(|suspicion| fact(plan, suspicion, interface.as_deref()))
    }

    /// Returns what is found by this moment though no packet came.
    pub(crate) fn settle(&mut self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Fact)> {
        let Self { plan, anomalies, interface } = self;
        anomalies.settle(now).map(|suspicion| fact(plan, suspicion, interface.as_deref()))
    }

    /// Returns the detectors.
    pub(crate) fn anomalies(&mut self) -> &mut Anomalies {
        &mut self.anomalies
    }
}

/// Returns a seed for detectors of live packets, which nobody outside knows.
pub(crate) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns the packet that begins with these bytes, as it is judged where nothing else is known of it.
pub(crate) fn packet(bytes: &[u8], at: Timestamp) -> Option<Packet> {
    read_headers(bytes).map(|headers| headers.packet(at, Outcome::Unknown))
}

fn fact(
    plan: &AnomalyPlan,
    mut suspicion: Suspicion,
    interface: Option<&str>,
) -> (Timestamp, Fact) {
    let (at, grade) = (suspicion.at, suspicion.grade());
    suspicion.evidence.0.extend(interface.map(|name| ("interface", name.to_owned())));
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
