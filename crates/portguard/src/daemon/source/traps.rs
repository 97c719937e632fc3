//! The traps: sets them, reports who touches them, tries again where a port was taken.

use std::{collections::BTreeSet, sync::Arc, thread::JoinHandle};

use portguard_core::{Evidence, Fact, Family, Grade, Health, Note, Offence, Port};
use portguard_linux::{
    nft::{TrapEvidence, TrapRule},
    trap::{self, BoundTrap, StopSignal, Touch, TrapSpec},
};

use crate::{config::TrapPlan, daemon::inbox::Inbox};

use super::tell;

const NAME: &str = "traps";

/// Running traps; those that could not be set are kept for the next try.
pub(crate) struct Traps {
    plans: Arc<[TrapPlan]>,
    standing: BTreeSet<usize>,
    running: Option<(StopSignal, JoinHandle<()>)>,
}

impl Traps {
    /// Sets the traps of a configuration.
    pub(crate) fn set(plans: Vec<TrapPlan>, inbox: &Inbox) -> Self {
        let mut traps = Self { plans: plans.into(), standing: BTreeSet::new(), running: None };
        traps.bind(inbox);
        traps
    }

    /// Tries again to set what could not be set; returns whether a trap came to stand.
    pub(crate) fn retry(&mut self, inbox: &Inbox) -> bool {
        if self.standing.len() == self.plans.len() {
            return false;
        }
        let before = self.standing.clone();
        let missing = (0..self.plans.len()).filter(|id| !before.contains(id));
        // Only where a port has become free are the listeners torn down and set anew.
        if missing.into_iter().all(|id| trap::bind(&spec(id, &self.plans[id])).is_err()) {
            return false;
        }
        self.stop();
        self.bind(inbox);
        self.standing != before
    }

    /// Returns the firewall rules of the traps that stand.
    pub(crate) fn rules(&self) -> Vec<TrapRule> {
        group(self.standing.iter().map(|id| &self.plans[*id]))
    }

    /// Returns the traps of the configuration, standing or not.
    pub(crate) fn plans(&self) -> Arc<[TrapPlan]> {
        self.plans.clone()
    }

    /// Closes all traps.
    pub(crate) fn stop(&mut self) {
        if let Some((signal, thread)) = self.running.take() {
            signal.stop();
            // A trap thread that panicked has nothing left to close.
            let _ = thread.join();
        }
        self.standing.clear();
    }

    fn bind(&mut self, inbox: &Inbox) {
        let mut bound: Vec<BoundTrap> = Vec::new();
        for (id, plan) in self.plans.iter().enumerate() {
            let spec = spec(id, plan);
            let (family, address, port) = (plan.family, spec.bound_address(), spec.port);
            inbox.deliver(Fact::Noted(match trap::bind(&spec) {
                Ok(trap) => {
                    bound.push(trap);
                    self.standing.insert(id);
                    Note::TrapSet { family, address, port }
                }
                Err(error) => Note::TrapMissing { family, address, port, why: error.to_string() },
            }));
        }
        let missing = self.plans.len() - self.standing.len();
        tell(
            inbox,
            NAME,
            match missing {
                0 => Health::Good,
                _ => Health::Degraded(format!("{missing} of {} can not be set", self.plans.len())),
            },
        );
        if !bound.is_empty() {
            self.watch(bound, inbox);
        }
    }

    fn watch(&mut self, bound: Vec<BoundTrap>, inbox: &Inbox) {
        let started = StopSignal::new().and_then(|signal| {
            let (inbox, plans, stop) = (inbox.clone(), self.plans.clone(), signal.clone());
            let thread = super::start(NAME, move || {
                let report = |touch: Touch| inbox.report(offence(&plans[touch.trap], &touch));
                if let Err(error) = trap::serve(&bound, &stop, report) {
                    tell(&inbox, NAME, Health::Broken(error.to_string()));
                }
            })?;
            Ok((signal, thread))
        });
        match started {
            Ok(running) => self.running = Some(running),
            Err(error) => tell(inbox, NAME, Health::Broken(error.to_string())),
        }
    }
}

fn spec(id: usize, plan: &TrapPlan) -> TrapSpec {
    let TrapPlan { family, address, port, tarpit, .. } = plan;
    TrapSpec { id, family: *family, address: *address, port: *port, tarpit: *tarpit }
}

fn offence(plan: &TrapPlan, touch: &Touch) -> Fact {
    let evidence = Evidence(vec![
        ("port", plan.port.to_string()),
        ("local", touch.local.to_string()),
        ("peer", touch.peer.to_string()),
    ]);
    Fact::Offence(Offence {
        peer: touch.peer.ip().to_canonical(),
        origin: plan.label.clone(),
        grade: Grade::Handshake,
        ladder: plan.ladder.clone(),
        evidence,
        trap: Some((plan.port, plan.bound_address())),
        ports: None,
    })
}

/// Returns one firewall rule for all traps that differ in nothing but the port.
fn group<'a>(plans: impl Iterator<Item = &'a TrapPlan>) -> Vec<TrapRule> {
    let mut rules: Vec<TrapRule> = Vec::new();
    for plan in plans {
        let alike = TrapRule {
            family: plan.family,
            protocol: plan.port.protocol,
            address: plan.address,
            ports: BTreeSet::new(),
            evidence: plan.evidence,
            hold: plan.ladder.base,
            prefix_len: plan.ladder.prefix_len(plan.family),
            tarpit: plan.tarpit,
        };
        let is_alike =
            |rule: &&mut TrapRule| TrapRule { ports: BTreeSet::new(), ..(**rule).clone() } == alike;
        if let Some(rule) = rules.iter_mut().find(is_alike) {
            rule.ports.insert(plan.port.number);
        } else {
            rules.push(TrapRule { ports: BTreeSet::from([plan.port.number]), ..alike });
        }
    }
    rules
}

/// Returns the plan of the trap that a packet to this port and address belongs to.
pub(crate) fn plan_of(
    plans: &[TrapPlan],
    port: Port,
    address: std::net::IpAddr,
) -> Option<&TrapPlan> {
    plans.iter().find(|plan| {
        let same_family = (plan.family == Family::V4) == address.is_ipv4();
        plan.port == port && same_family && plan.address.is_none_or(|bound| bound == address)
    })
}

/// Returns whether a first packet is evidence for this trap.
pub(crate) fn takes_probes(plan: &TrapPlan) -> bool {
    plan.evidence == TrapEvidence::Probe
}
