//! Looks for anomalies in the packets that the firewall tells of.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

use portguard_core::{Anomalies, Grade, Packet, Suspicion, Timestamp, anomaly::Outcome};
use portguard_linux::connection;
use portguard_read::{Headers, Verdict};

use crate::{
    anomaly::{seed, told},
    config::AnomalyPlan,
    daemon::{
        inbox::Inbox,
        source::{habits::HabitFile, listeners::Heard},
    },
};

/// The detectors with what they look for.
pub(super) struct Lookout {
    looking: Option<Looking>,
    heard: Heard,
}

struct Looking {
    plan: Arc<AnomalyPlan>,
    anomalies: Anomalies,
    habit: HabitFile,
}

impl Lookout {
    pub(super) fn new(heard: Heard) -> Self {
        Self { looking: None, heard }
    }

    /// Looks for other things; for nothing if there is no plan.
    pub(super) fn set(&mut self, plan: Option<&Arc<AnomalyPlan>>, folder: &Path) {
        match (&mut self.looking, plan) {
            (looking, None) => *looking = None,
            (Some(looking), Some(plan)) => {
                if looking.plan != *plan {
                    looking.plan = plan.clone();
                    looking.anomalies.set_limits(plan.limits.clone());
                }
            }
            (looking, Some(plan)) => {
                let mut anomalies = Anomalies::new(plan.limits.clone(), seed());
                let habit = HabitFile::in_folder(folder);
                anomalies.restore(habit.read());
                *looking = Some(Looking { plan: plan.clone(), anomalies, habit });
            }
        }
    }

    /// Takes a packet, with what was decided about it and why.
    pub(super) fn see(
        &mut self,
        (verdict, reason): (Verdict, &str),
        headers: &Headers,
        at: Timestamp,
        inbox: &Inbox,
    ) {
        let Some(looking) = &mut self.looking else { return };
        let packet = headers.packet(at, Outcome::Unknown);
        let Some(outcome) = outcome(verdict, reason, || is_heard(&self.heard, &packet)) else {
            return;
        };
        let Looking { plan, anomalies, .. } = looking;
        let packet = Packet { outcome, ..packet };
        anomalies.see(&packet).for_each(|suspicion| report(plan, suspicion, inbox));
    }

    /// Tells of what is found by now though no packet came.
    pub(super) fn settle(&mut self, now: Timestamp, inbox: &Inbox) {
        if let Some(Looking { plan, anomalies, habit }) = &mut self.looking {
            anomalies.settle(now).for_each(|suspicion| report(plan, suspicion, inbox));
            // A full disk is told of by the ledger; the habit is tried again.
            let _ = habit.keep(|| anomalies.habits());
        }
    }
}

fn report(plan: &AnomalyPlan, suspicion: Suspicion, inbox: &Inbox) {
    // Suspicions are rare: each source is told of once in minutes.
    let is_connected =
        || suspicion.source.is_some_and(|source| connection::is_with(source).unwrap_or(false));
    let grade = match suspicion.grade() {
        Grade::Forgeable if is_connected() => Grade::Handshake,
        grade => grade,
    };
    inbox.report(told(plan, suspicion, grade));
}

/// Returns whether something listens that would get a packet.
fn is_heard(heard: &Heard, packet: &Packet) -> bool {
    let heard = heard.read().unwrap_or_else(PoisonError::into_inner);
    packet.port().is_some_and(|port| heard.contains(&port))
}

/// Returns how a packet fared, by the word of the rule that decided; `None` if that says enough of
/// its source already.
fn outcome(verdict: Verdict, reason: &str, is_heard: impl Fn() -> bool) -> Option<Outcome> {
    let word = reason.split(' ').next().unwrap_or_default();
    match (verdict, word) {
        // What is done about a source is done; what is allowed is nobody's affair.
        (_, "ban" | "allow" | "protect" | "session" | "dhcp" | "loopback") => None,
        (Verdict::Allowed, "open") if is_heard() => Some(Outcome::Served),
        // A trap is nothing that anybody has reason to ask for.
        (Verdict::Blocked, _) | (Verdict::Allowed, "open" | "odd" | "trap") => {
            Some(Outcome::Refused)
        }
        (Verdict::Allowed, _) => Some(Outcome::Served),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_says_how_a_packet_fared() {
        let (blocked, allowed) = (Verdict::Blocked, Verdict::Allowed);
        for (verdict, reason, heard, expected) in [
            (blocked, "closed", false, Some(Outcome::Refused)),
            (blocked, "throttle hard tcp", true, Some(Outcome::Refused)),
            (blocked, "ban ban4", false, None),
            (allowed, "follow", false, Some(Outcome::Served)),
            (allowed, "open", true, Some(Outcome::Served)),
            (allowed, "open", false, Some(Outcome::Refused)),
            (allowed, "trap", true, Some(Outcome::Refused)),
            (allowed, "odd", true, Some(Outcome::Refused)),
            (allowed, "allow allow4", false, None),
        ] {
            assert_eq!(outcome(verdict, reason, || heard), expected, "{reason}");
        }
    }
}
