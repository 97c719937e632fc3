//! What the configuration means for the daemon: traps one by one, ladders, rates, who is spared.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use portguard_core::{
    Family, Growth, Ladder, Policy, Port, Protocol, Span, Subject, service::port_number,
};
use portguard_linux::nft::{self, FrameSpec, RateUnit, TrapEvidence};
use portguard_store::Retention;

use super::{
    Config, Per, Rate,
    guarding::{EvidenceKind, LadderKeys, Rates, Trap, TrapFamily, TrapProtocol},
};

/// The log group of the trap rules (NFLOG, 1 to 65535): unlikely to be another program's.
pub(crate) const LOG_GROUP: u16 = 7_107;

/// One trap: one family, one port.
#[derive(Clone, Debug)]
pub(crate) struct TrapPlan {
    /// As shown to people: `trap tcp/23`.
    pub(crate) label: Arc<str>,
    pub(crate) family: Family,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: Port,
    pub(crate) evidence: TrapEvidence,
    pub(crate) ladder: Arc<Ladder>,
    pub(crate) tarpit: bool,
}

impl TrapPlan {
    /// Returns the address that the trap is bound to.
    pub(crate) fn bound_address(&self) -> IpAddr {
        self.address.unwrap_or(match self.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        })
    }
}

/// Who is protected by the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Protect {
    pub(crate) own_addresses: bool,
    pub(crate) gateways: bool,
    pub(crate) resolvers: bool,
    pub(crate) ssh_peers: bool,
    pub(crate) addresses: Vec<Subject>,
}

impl Config {
    /// Returns every trap, one for each family and port.
    pub(crate) fn trap_plans(&self) -> Vec<TrapPlan> {
        self.traps.iter().flat_map(|trap| self.plans_of(trap)).collect()
    }

    fn plans_of(&self, trap: &Trap) -> Vec<TrapPlan> {
        let mut ladder = self.ladder(&trap.ladder);
        if let Some(Span::For(base)) = trap.base.map(|base| base.0) {
            ladder.base = base;
        }
        let ladder = Arc::new(ladder);
        let evidence = match (trap.evidence, trap.protocol) {
            (Some(EvidenceKind::Probe), _) | (None, TrapProtocol::Udp) => TrapEvidence::Probe,
            _ => TrapEvidence::Handshake,
        };
        let mut plans = Vec::new();
        for family in trap.families() {
            for port in trap.port_list().unwrap_or_default() {
                plans.push(TrapPlan {
                    label: format!("trap {port}").into(),
                    family,
                    address: trap.address.map(|address| address.0),
                    port,
                    evidence,
                    ladder: ladder.clone(),
                    tarpit: trap.tarpit,
                });
            }
        }
        plans
    }

    /// Returns a ladder by name, with what is built in for what was left out.
    pub(crate) fn ladder(&self, name: &str) -> Ladder {
        let mut ladder = built_in_default();
        if let Some(keys) = self.ladders.get("default") {
            apply(keys, &mut ladder);
        }
        if name == "trap" {
            ladder.base = Duration::from_secs(3_600);
            ladder.growth = Growth::Quadratic;
            ladder.permanent_after = 3;
        }
        if let Some(keys) = self.ladders.get(name).filter(|_| name != "default") {
            apply(keys, &mut ladder);
        }
        ladder
    }

    /// Returns what the guard is told.
    pub(crate) fn policy(&self) -> Policy {
        let reason: Arc<str> = "named in the configuration".into();
        Policy {
            allow: self.allow.addresses.iter().map(|subject| (subject.0, reason.clone())).collect(),
            patterns: self.allow.patterns.iter().map(|pattern| pattern.0.clone()).collect(),
            hosts: self.hosts(),
        }
    }

    /// Returns the names of the allow list.
    pub(crate) fn hosts(&self) -> Vec<Arc<str>> {
        self.allow.hosts.iter().map(|host| Arc::from(host.as_str())).collect()
    }

    /// Returns who is protected.
    pub(crate) fn protection(&self) -> Protect {
        Protect {
            own_addresses: self.protect.own_addresses,
            gateways: self.protect.gateways,
            resolvers: self.protect.resolvers,
            ssh_peers: self.protect.ssh_peers,
            addresses: self.protect.addresses.iter().map(|subject| subject.0).collect(),
        }
    }

    /// Returns the kernel's frame with these trap rules.
    pub(crate) fn frame(&self, traps: Vec<nft::TrapRule>) -> FrameSpec {
        FrameSpec {
            input_priority: self.firewall.priority,
            forward: self.firewall.forward,
            throttle_soft: rates(&self.throttle.soft),
            throttle_hard: rates(&self.throttle.hard),
            traps,
            log_group: LOG_GROUP,
            networks: std::collections::BTreeSet::new(),
        }
    }

    /// Returns how much the ledger keeps.
    pub(crate) fn retention(&self) -> Retention {
        Retention {
            keep_entries: self.store.keep_entries.0,
            keep_offenders: self.store.keep_offenders.0,
            max_size: self.store.max_size.0.0,
        }
    }
}

impl Trap {
    /// Returns the families it is set for.
    pub(super) fn families(&self) -> Vec<Family> {
        match (self.family, self.address.map(|address| address.0)) {
            (_, Some(IpAddr::V4(_))) | (TrapFamily::Ipv4, None) => vec![Family::V4],
            (_, Some(IpAddr::V6(_))) | (TrapFamily::Ipv6, None) => vec![Family::V6],
            (TrapFamily::Both, None) => vec![Family::V4, Family::V6],
        }
    }

    /// Returns its ports, or which text is none.
    pub(super) fn port_list(&self) -> Result<Vec<Port>, (usize, String)> {
        let protocol = match self.protocol {
            TrapProtocol::Tcp => Protocol::Tcp,
            TrapProtocol::Udp => Protocol::Udp,
        };
        let mut ports = Vec::new();
        for (index, text) in self.ports.iter().enumerate() {
            let text = text.0.trim();
            let bare = text.strip_prefix(&format!("{protocol}/")).unwrap_or(text);
            let (first, last) = bare.split_once('-').unwrap_or((bare, bare));
            let numbers = port_number(first).and_then(|first| Ok((first, port_number(last)?)));
            let (first, last) = numbers.map_err(|error| (index, error.to_string()))?;
            if first > last {
                return Err((index, format!("the range `{bare}` ends before it starts")));
            }
            ports.extend((first..=last).map(|number| Port { protocol, number }));
        }
        Ok(ports)
    }
}

fn built_in_default() -> Ladder {
    Ladder {
        base: Duration::from_secs(600),
        growth: Growth::Double,
        steps: Vec::new(),
        permanent_after: 0,
        max: Span::For(Duration::from_secs(30 * 86_400)),
        forget_after: Span::For(Duration::from_secs(90 * 86_400)),
        prefix_v4: 32,
        prefix_v6: 64,
    }
}

fn apply(keys: &LadderKeys, ladder: &mut Ladder) {
    if let Some(Span::For(base)) = keys.base.map(|base| base.0) {
        ladder.base = base;
    }
    if let Some(growth) = &keys.growth {
        ladder.growth = growth.0.clone();
    }
    if let Some(steps) = &keys.steps {
        ladder.steps = steps.iter().copied().map(Into::into).collect();
    }
    ladder.permanent_after = keys.permanent_after.unwrap_or(ladder.permanent_after);
    ladder.max = keys.max.map_or(ladder.max, |max| max.0);
    ladder.forget_after = keys.forget_after.map_or(ladder.forget_after, |span| span.0);
    ladder.prefix_v4 = keys.prefix_v4.unwrap_or(ladder.prefix_v4);
    ladder.prefix_v6 = keys.prefix_v6.unwrap_or(ladder.prefix_v6);
}

fn rates(rates: &Rates) -> nft::Rates {
    nft::Rates { tcp: rate(rates.tcp.0), udp: rate(rates.udp.0), icmp: rate(rates.icmp.0) }
}

fn rate(rate: Rate) -> nft::Rate {
    let per = match rate.per {
        Per::Second => RateUnit::Second,
        Per::Minute => RateUnit::Minute,
        Per::Hour => RateUnit::Hour,
        Per::Day => RateUnit::Day,
    };
    nft::Rate { count: rate.count, per }
}
