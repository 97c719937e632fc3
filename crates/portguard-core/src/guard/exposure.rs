//! What can be reached from outside, worked out from the rules in the order of the kernel's own.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    Author, DoorAct, Listener, Owner, Port, Posture, Protocol, Reach, Subject, Until,
    service::PortRange,
};

use super::{Guard, listening::Admission};

/// Whether and why a port can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The port, or a run of ports that nothing listens on.
    pub ports: PortRange,
    /// The address that is listened on, `None` if nothing listens.
    pub address: Option<IpAddr>,
    /// Who listens, `None` if nobody does.
    pub owner: Option<Owner>,
    /// Whether others reach it.
    pub reach: Reach,
    /// The rule that decides: `always`, `grant`, `follow`, `never`, `shut`, `posture`, `approval`,
    /// `denied`, `loopback` or `trap`.
    pub rule: &'static str,
    /// The rule in words.
    pub why: String,
    /// Sources that it is open for whatever the rule says, and until when.
    pub grants: Vec<(Subject, Until)>,
}

impl Exposure {
    pub(super) fn is_trap(&self) -> bool {
        self.rule == TRAP
    }
}

/// Whether a service can be reached by its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceState {
    /// How many of its ports are open for everybody, if something listens.
    pub open: usize,
    /// How many of its ports are not.
    pub closed: usize,
    /// When the first of what operators or files did to them ends; `None`: nothing does.
    pub until: Option<Until>,
    /// Who did it, if somebody did.
    pub author: Option<Author>,
    /// Sources that it is open for whatever else is so, and until when.
    pub grants: Vec<(Subject, Until)>,
}

/// A judgement without its port.
pub(super) struct Verdict {
    reach: Reach,
    rule: &'static str,
    why: String,
}

const TRAP: &str = "trap";

/// Most ports of a service that are looked at for its state.
const MOST_PORTS_OF_A_STATE: usize = 256;

/// Most ports of the service `ssh` that are taken for ways in before listeners are known.
const MOST_WAYS_IN: usize = 64;

impl Guard {
    /// Returns what can be reached from outside, and what listens but can not be: by protocol, port
    /// and address.
    pub fn exposures(&self) -> Vec<Exposure> {
        let mut all: Vec<Exposure> =
            self.listening.sockets().map(|listener| self.exposure_of(listener)).collect();
        all.extend(self.open_without_listener());
        all.sort_by_cached_key(order);
        all.dedup();
        all
    }

    /// Returns what is reached from outside now and would not be if the posture were closed.
    pub fn lost_by_lockdown(&self) -> Vec<Exposure> {
        let mut lost = self.exposures();
        lost.retain(|exposure| {
            exposure.address.is_some()
                && exposure.reach == Reach::Open
                && exposure.rule == "posture"
        });
        lost
    }

    /// Returns whether a service can be reached; `None` if there is none of that name.
    pub fn service_state(&self, name: &str) -> Option<ServiceState> {
        let service = self.policy.ports.services.get(name)?;
        let mut state = ServiceState::default();
        let ports = service.ports.iter().flat_map(|range| range.ports());
        for port in ports.take(MOST_PORTS_OF_A_STATE) {
            let is_open = self.is_open(port);
            *(if is_open { &mut state.open } else { &mut state.closed }) += 1;
            let mut acts = [DoorAct::Shut, DoorAct::Open].into_iter();
            let hold = acts.find_map(|act| self.doors.for_everybody(act, port));
            if let Some(hold) = hold.filter(|_| !self.rules.is_never(port)) {
                state.author = Some(hold.author);
                let earliest = state.until.map_or(hold.until, |until| until.min(hold.until));
                state.until = Some(earliest);
            }
            for (door, hold) in self.doors.for_some(port) {
                state.grants.extend(door.from.map(|from| (from, hold.until)));
            }
        }
        state.grants.sort_unstable();
        state.grants.dedup();
        Some(state)
    }

    /// Returns whether a socket can be reached, and why.
    pub(super) fn exposure_of(&self, listener: &Listener) -> Exposure {
        let port = listener.port;
        let Verdict { reach, rule, why } = self.verdict_on(listener);
        let grants = if matches!(rule, "loopback" | "never" | TRAP) {
            Vec::new()
        } else {
            self.doors
                .for_some(port)
                .filter_map(|(door, hold)| Some((door.from?, hold.until)))
                .collect()
        };
        Exposure {
            ports: PortRange { protocol: port.protocol, first: port.number, last: port.number },
            address: Some(listener.address),
            owner: Some(listener.owner.clone()),
            reach,
            rule,
            why,
            grants,
        }
    }

    fn verdict_on(&self, listener: &Listener) -> Verdict {
        let port = listener.port;
        let verdict = |reach, rule, why: String| Verdict { reach, rule, why };
        if listener.is_local() {
            return verdict(Reach::Local, "loopback", "bound to loopback".to_owned());
        }
        if self.is_trap_port(port) {
            return verdict(Reach::Open, TRAP, "a trap".to_owned());
        }
        if let Some(verdict) = self.verdict_on_port(port) {
            return verdict;
        }
        let admission = self.admission(listener);
        match (admission, self.posture()) {
            (Admission::Admitted(why), _) => verdict(Reach::Open, "follow", why),
            (_, Posture::Open) => verdict(Reach::Open, "posture", "posture open".to_owned()),
            (Admission::Denied(by), _) => {
                verdict(Reach::Closed, "denied", format!("denied by an operator: {by}"))
            }
            (Admission::Unknown, _) => {
                verdict(Reach::Pending, "approval", "nobody approved it".to_owned())
            }
            (Admission::NotFollowed, _) => {
                verdict(Reach::Closed, "posture", "posture closed".to_owned())
            }
        }
    }

    /// Returns what is decided of a port whatever listens there.
    pub(super) fn verdict_on_port(&self, port: Port) -> Option<Verdict> {
        let verdict = |reach, rule, why: String| Some(Verdict { reach, rule, why });
        if self.rules.is_never(port) {
            return verdict(Reach::Closed, "never", "in ports.never".to_owned());
        }
        if let Some(shut) = self.doors.for_everybody(DoorAct::Shut, port) {
            return verdict(Reach::Closed, "shut", format!("shut by {}", shut.author));
        }
        if let Some(open) = self.doors.for_everybody(DoorAct::Open, port) {
            let service = if open.service.is_empty() {
                String::new()
            } else {
                format!("service {}, ", open.service)
            };
            return verdict(Reach::Open, "grant", format!("{service}opened by {}", open.author));
        }
        if self.rules.is_always(port) {
            return verdict(Reach::Open, "always", "in ports.always".to_owned());
        }
        None
    }

    /// Returns whether others reach a port as things are, if something listens on it.
    pub(super) fn is_open(&self, port: Port) -> bool {
        let open = |verdict: Verdict| verdict.reach == Reach::Open;
        if let Some(verdict) = self.verdict_on_port(port) {
            return open(verdict);
        }
        let mut listeners = self.listening.sockets().filter(|listener| listener.port == port);
        self.posture() == Posture::Open || listeners.any(|listener| open(self.verdict_on(listener)))
    }

    /// Returns the open ports by which operators come in.
    pub(super) fn open_ways_in(&self) -> BTreeSet<Port> {
        let mut ways: BTreeSet<Port> = self
            .listening
            .sockets()
            .filter(|listener| !listener.is_local() && self.is_way_in(listener.port))
            .map(|listener| listener.port)
            .collect();
        if !self.listening.is_known()
            && let Some(ssh) = self.policy.ports.services.get("ssh")
        {
            ways.extend(ssh.ports.iter().flat_map(|range| range.ports()).take(MOST_WAYS_IN));
        }
        ways.retain(|port| self.is_open(*port));
        ways
    }

    /// Returns the ports that are open although nothing listens on them.
    fn open_without_listener(&self) -> Vec<Exposure> {
        let is_taken = |port: Port| {
            self.listening.sockets().any(|listener| listener.port == port && !listener.is_local())
        };
        let mut open: Vec<Exposure> = Vec::new();
        for range in &self.rules.always {
            let is_hidden = |port: &Port| {
                is_taken(*port)
                    || self.verdict_on_port(*port).is_none_or(|verdict| verdict.rule != "always")
            };
            let free: Vec<Port> = range.ports().filter(|port| !is_hidden(port)).collect();
            open.extend(PortRange::covering(&free).into_iter().map(|ports| {
                without_listener(ports, Reach::Open, "always", "in ports.always".to_owned())
            }));
        }
        let granted: Vec<Port> = self
            .doors
            .iter()
            .filter(|(door, _)| door.act == DoorAct::Open && !is_taken(door.port))
            .map(|(door, _)| door.port)
            .collect();
        for ports in PortRange::covering(&granted) {
            open.extend(ports.ports().map(|port| self.granted_without_listener(port)));
        }
        open
    }

    fn granted_without_listener(&self, port: Port) -> Exposure {
        let ports = PortRange { protocol: port.protocol, first: port.number, last: port.number };
        let grants = self.doors.for_some(port);
        let grants = grants.filter_map(|(door, hold)| Some((door.from?, hold.until))).collect();
        let row = match self.verdict_on_port(port) {
            Some(Verdict { reach, rule, why }) => without_listener(ports, reach, rule, why),
            None => without_listener(
                ports,
                if self.posture() == Posture::Open { Reach::Open } else { Reach::Closed },
                "posture",
                format!("posture {}", self.posture()),
            ),
        };
        Exposure { grants, ..row }
    }

    pub(super) fn is_trap_port(&self, port: Port) -> bool {
        self.traps.iter().any(|((trap, _), state)| *trap == port && state.missing.is_none())
    }
}

fn without_listener(ports: PortRange, reach: Reach, rule: &'static str, why: String) -> Exposure {
    Exposure { ports, address: None, owner: None, reach, rule, why, grants: Vec::new() }
}

/// Returns what exposures are sorted by.
fn order(exposure: &Exposure) -> (Protocol, u16, u16, Option<IpAddr>, String) {
    let PortRange { protocol, first, last } = exposure.ports;
    let owner = exposure.owner.as_ref().map(|owner| owner.name.to_string()).unwrap_or_default();
    (protocol, first, last, exposure.address, owner)
}
