//! What the configuration means for the daemon: traps one by one, ladders, rates, who is spared.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use portguard_core::{
    Approval, Family, Follow, Ladder, Policy, Port, PortPolicy, Posture, Service, Span, Subject,
    service::PortRange,
};
use portguard_linux::{
    credentials,
    journal::Wanted,
    nft::{self, FrameSpec, TrapEvidence},
};
use portguard_store::Retention;

use crate::{daemon::ReportPlan, rule::Folders};

use super::{
    Config,
    anomaly::{AnomalyPlan, FanoutPlan},
    guarding::{self, Icmp, Rates},
    ladder, ports,
    scan::{Scan, ScanPlan},
    trap::{EvidenceKind, Trap},
    value::Written,
    watch::Watch,
};

/// So many matches within [`WITHIN`] are an offence, unless a watch says otherwise.
const HOWMANY: u32 = 5;
const WITHIN: Duration = Duration::from_secs(600);

/// A log to watch, with all that its thread needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchPlan {
    pub(crate) name: String,
    /// Paths, with wildcards.
    pub(crate) files: Vec<String>,
    pub(crate) journal: Option<Wanted>,
    pub(crate) rule: String,
    pub(crate) folders: Folders,
    pub(crate) howmany: u32,
    pub(crate) within: Duration,
    /// A ban is for these ports only; none: for all.
    pub(crate) ports: Vec<Port>,
    pub(crate) ladder: Arc<Ladder>,
    /// For sources that are to be throttled before they are banned.
    pub(crate) gentle_ladder: Arc<Ladder>,
    /// Where it keeps how far it has read.
    pub(crate) state_dir: PathBuf,
}

/// What follows from an offence.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) ladder: Arc<Ladder>,
    /// A ban is for these ports only; `None`: for all.
    pub(crate) ports: Option<Arc<Vec<Port>>>,
}

/// The log group of the trap rules (NFLOG, 1 to 65535): unlikely to be another program's.
pub(crate) const LOG_GROUP: u16 = 7_107;

/// The log groups of packets turned away, and of new connections let in.
pub(crate) const BLOCKED_GROUP: u16 = 7_108;
pub(crate) const ALLOWED_GROUP: u16 = 7_109;

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
        self.address.unwrap_or(self.family.unspecified())
    }
}

/// How the record of packet decisions is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordPlan {
    /// Bytes of memory.
    pub(crate) capacity: u64,
    /// The file for the classic log lines.
    pub(crate) text_file: Option<PathBuf>,
    /// The file is cut at this size, in bytes.
    pub(crate) text_max: u64,
    /// Who is looked for in it.
    pub(crate) scans: Arc<[ScanPlan]>,
    /// What is looked for in its packets; `None`: nothing.
    pub(crate) anomalies: Option<Arc<AnomalyPlan>>,
    /// Where this host's habit is kept.
    pub(crate) state_dir: PathBuf,
}

/// Which interfaces are tapped, and what for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TapPlan {
    /// Their names.
    pub(crate) interfaces: Vec<Arc<str>>,
    /// What is looked for; `None`: nothing.
    pub(crate) anomalies: Option<Arc<AnomalyPlan>>,
    /// Where their habits are kept.
    pub(crate) state_dir: PathBuf,
}

/// Who is protected by the configuration.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting that means nothing for the others"
)]
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

    /// Returns the watches.
    pub(crate) fn watch_plans(&self) -> Vec<WatchPlan> {
        self.watch.iter().map(|watch| self.watch_plan(watch)).collect()
    }

    /// Returns what the report socket needs, if there is to be one.
    pub(crate) fn report_plan(&self) -> Option<ReportPlan> {
        let ladder = self.ladder(ladder::DEFAULT);
        self.api.report_socket.then(|| ReportPlan {
            path: self.report_socket(),
            howmany: HOWMANY,
            within: WITHIN,
            gentle_ladder: Arc::new(ladder.gentler()),
            ladder: Arc::new(ladder),
            reporters: credentials::group_id(&self.api.reporters),
        })
    }

    /// Returns what is looked for in packets; `None`: nothing.
    pub(crate) fn anomaly_plan(&self) -> Option<AnomalyPlan> {
        self.anomaly.plan()
    }

    /// Returns what is looked for in the connections of processes; `None`: nothing.
    pub(crate) fn fanout_plan(&self) -> Option<FanoutPlan> {
        self.anomaly.fanout()
    }

    /// Returns a watch that is not configured, for a rule.
    pub(crate) fn watch_by_rule(&self, rule: &str) -> WatchPlan {
        let watch = Watch {
            name: rule.to_owned(),
            rule: rule.to_owned(),
            journal: None,
            journal_dir: None,
            files: None,
            howmany: None,
            within: None,
            ladder: None,
            ports: None,
        };
        self.watch_plan(&watch)
    }

    /// Returns what follows from what noticed an offence (`watch sshd`, `trap tcp/23`);
    /// `None` if this configuration has no such thing.
    pub(crate) fn response_to(&self, origin: &str) -> Option<Response> {
        let whole = |ladder: Arc<Ladder>| Response { ladder, ports: None };
        if let Some(name) = origin.strip_prefix("watch ") {
            let plan = self.watch_plans().into_iter().find(|plan| plan.name == name)?;
            let ports = (!plan.ports.is_empty()).then(|| Arc::new(plan.ports));
            return Some(Response { ladder: plan.ladder, ports });
        }
        if let Some(key) = origin.strip_prefix("anomaly ") {
            return self.anomaly_plan()?.ladder_of(key).map(whole);
        }
        if origin.starts_with("report ") {
            return self.report_plan().map(|plan| whole(plan.ladder));
        }
        let mut traps = self.trap_plans().into_iter();
        traps.find(|plan| *plan.label == *origin).map(|plan| whole(plan.ladder))
    }

    fn watch_plan(&self, watch: &Watch) -> WatchPlan {
        let ladder = self.ladder(watch.ladder.as_deref().unwrap_or(ladder::DEFAULT));
        let wanted = |matches: &Vec<String>| Wanted {
            matches: matches.clone(),
            folder: watch.journal_dir.as_ref().map(PathBuf::from),
        };
        WatchPlan {
            name: watch.name.clone(),
            files: watch.files.clone().unwrap_or_default(),
            journal: watch.journal.as_ref().map(wanted),
            rule: watch.rule.clone(),
            folders: self.rules.folders(),
            howmany: watch.howmany.unwrap_or(HOWMANY),
            within: watch.within.map_or(WITHIN, |span| span.0.duration()),
            ports: watch.ports(),
            gentle_ladder: Arc::new(ladder.gentler()),
            ladder: Arc::new(ladder),
            state_dir: self.guard.state_dir.clone(),
        }
    }

    fn plans_of(&self, trap: &Trap) -> Vec<TrapPlan> {
        let mut ladder = self.ladder(&trap.ladder);
        if let Some(Span::For(base)) = trap.base.map(|base| base.0) {
            ladder.base = base;
        }
        let ladder = Arc::new(ladder);
        let evidence = match trap.evidence() {
            EvidenceKind::Handshake => TrapEvidence::Handshake,
            EvidenceKind::Probe => TrapEvidence::Probe,
        };
        let mut plans = Vec::new();
        for family in trap.families() {
            for port in trap.all_ports() {
                plans.push(TrapPlan {
                    label: format!("trap {port}").into(),
                    family,
                    address: trap.bound_to(),
                    port,
                    evidence,
                    ladder: ladder.clone(),
                    tarpit: trap.tarpit,
                });
            }
        }
        plans
    }

    /// Returns a ladder by name; an unknown name gives `default`.
    pub(crate) fn ladder(&self, name: &str) -> Ladder {
        let ladder = self.ladders.get(name).or_else(|| self.ladders.get(ladder::DEFAULT));
        ladder.expect("the ladder `default` is built in").ladder()
    }

    /// Returns what the guard is told.
    pub(crate) fn policy(&self) -> Policy {
        let reason: Arc<str> = "named in the configuration".into();
        Policy {
            allow: self.allow.addresses.iter().map(|subject| (subject.0, reason.clone())).collect(),
            patterns: self.allow.patterns.iter().map(|pattern| pattern.0.clone()).collect(),
            hosts: self.hosts(),
            ports: self.port_policy(),
            confirm: self.guard.confirm.0,
        }
    }

    /// Returns which ports are open, and for whom they may open.
    pub(crate) fn port_policy(&self) -> PortPolicy {
        let grace = self.ports.grace.0.duration();
        let services = self.services.iter().map(|(name, service)| {
            let rate = service.rate.map(|rate| rate.0);
            (Arc::from(name.as_str()), Service { ports: ranges(&service.ports), rate })
        });
        PortPolicy {
            posture: match self.guard.posture {
                guarding::Posture::Open => Posture::Open,
                guarding::Posture::Closed => Posture::Closed,
            },
            always: ranges(&self.ports.always),
            never: ranges(&self.ports.never),
            follow: match self.ports.follow {
                ports::Follow::All => Follow::All,
                ports::Follow::Approved => Follow::Approved,
                ports::Follow::None => Follow::None,
            },
            grace,
            approvals: self.ports.approve.iter().map(approval).collect(),
            services: services.collect(),
            vacant: self.ports.vacant.0.0,
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

    /// Returns the kernel's frame with these trap rules; those for ports come from the guard.
    pub(crate) fn frame(&self, traps: Vec<nft::TrapRule>) -> FrameSpec {
        FrameSpec {
            input_priority: self.firewall.priority,
            forward: self.firewall.forward,
            throttle_soft: rates(&self.throttle.soft),
            throttle_hard: rates(&self.throttle.hard),
            traps,
            log_group: LOG_GROUP,
            ports: Arc::default(),
            features: nft::Features::default(),
            unit_levels: std::collections::BTreeSet::new(),
            icmp: match self.firewall.icmp {
                Icmp::Essential => nft::Icmp::Essential,
                Icmp::All => nft::Icmp::All,
                Icmp::None => nft::Icmp::None,
            },
            log: nft::Log {
                blocked: self.firewall.log_blocked.then_some(BLOCKED_GROUP),
                allowed: self.firewall.log_allowed.then_some(ALLOWED_GROUP),
                limit: self.firewall.log_limit.0,
            },
            knock: self.knock_rule(),
            networks: std::collections::BTreeSet::new(),
        }
    }

    /// Returns how the record of packet decisions is kept.
    pub(crate) fn record(&self) -> RecordPlan {
        let text_file = &self.packets.text_file;
        RecordPlan {
            capacity: self.packets.capacity.0.0,
            text_file: (!text_file.is_empty()).then(|| text_file.into()),
            text_max: self.packets.text_max.0.0,
            scans: self.scan.iter().map(Scan::plan).collect(),
            anomalies: self.anomaly_plan().map(Arc::new),
            state_dir: self.guard.state_dir.clone(),
        }
    }

    /// Returns which interfaces are tapped.
    pub(crate) fn tap_plan(&self) -> TapPlan {
        TapPlan {
            interfaces: self.packets.interfaces.iter().map(|name| name.as_str().into()).collect(),
            anomalies: self.anomaly_plan().map(Arc::new),
            state_dir: self.guard.state_dir.clone(),
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

fn ranges(written: &[Written<PortRange>]) -> Vec<PortRange> {
    written.iter().map(|range| range.0).collect()
}

fn approval(approve: &ports::Approve) -> Approval {
    let name = |name: &Option<String>| name.as_deref().map(Arc::from);
    Approval {
        unit: name(&approve.unit),
        exe: name(&approve.exe),
        user: name(&approve.user),
        ports: approve.ports.as_deref().map(ranges).unwrap_or_default(),
    }
}

fn rates(rates: &Rates) -> nft::Rates {
    nft::Rates { tcp: rates.tcp.0, udp: rates.udp.0, icmp: rates.icmp.0 }
}
