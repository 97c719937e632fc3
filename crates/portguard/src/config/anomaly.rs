//! What counts as an anomaly in live traffic.

use std::sync::Arc;

use portguard_core::{
    Detector, Growth, Ladder, Limits, Respond as Response, Span, Subject,
    anomaly::{Habit, Limit, Severity as Weight, Unauthorized as Forbidden},
    service::PortRange,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    guarding::{section, written},
    value::Written,
};

/// How bad an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look.
    Medium,
    /// Worth a look now.
    High,
    /// Harm is being done.
    Critical,
}

/// What an anomaly leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Respond {
    /// Nothing.
    Off,
    /// A rule that an operator can accept.
    Propose,
    /// A rule in force.
    Auto,
}

/// Protocols that are expected unless the configuration says otherwise.
const EXPECTED: [&str; 4] = ["tcp", "udp", "icmp", "icmpv6"];

/// Protocols by name, with their numbers (IANA).
const PROTOCOLS: [(&str, u8); 13] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Says what a detector has as its limit.
macro_rules! limited {
    ($name:ident, $key:ident) => {
        impl $name {
            fn limit(&self) -> Limit {
                let (count, within) = (self.$key, self.within.0.duration());
                Limit { count, within, severity: self.severity.into() }
            }
        }
    };
}

/// Declares a detector: a measure with its limit, a time, a severity.
macro_rules! detector {
    ($name:ident, $key:ident, $limit:expr, $within:expr, $severity:ident) => {
        limited!($name, $key);

        section! {
            /// A detector: so many within a time, and how bad that is.
            $name {
                /// So many are an anomaly.
                $key: u32 = $limit,
                /// Within this time.
                within: Written<Span> = written($within),
                /// How bad it is.
                severity: Severity = Severity::$severity,
            }
        }
    };
}

detector!(PortScan, ports, 10, "5m", High);
detector!(SlowScan, ports, 20, "1d", Medium);
detector!(StealthScan, packets, 3, "1m", High);
detector!(InVain, targets, 7, "1d", Medium);
detector!(Sweep, hosts, 10, "5m", High);
detector!(ConnectionRate, connections, 50, "5m", High);
detector!(SynFlood, packets, 200, "1s", Critical);
detector!(IcmpFlood, packets, 200, "1m", Medium);
detector!(UdpFlood, packets, 1000, "1s", High);

limited!(DistributedScan, targets);
limited!(Guessing, connections);
limited!(Probing, connections);
limited!(ProcessFanout, connections);

section! {
    /// Sources of one network scan together.
    DistributedScan {
        /// So many sources of one /24 or /64 belong together ...
        sources: u32 = 5,
        /// ... if they tried so many targets in vain.
        targets: u32 = 20,
        /// Within this time.
        within: Written<Span> = written("1h"),
        /// How bad it is.
        severity: Severity = Severity::Medium,
    }
}

section! {
    /// One source connects again and again to a port where people log in.
    Guessing {
        /// So many connections are an anomaly.
        connections: u32 = 10,
        /// Within this time.
        within: Written<Span> = written("2m"),
        /// TCP ports where people log in.
        ports: Vec<u16> = vec![21, 22, 23, 3389, 5900],
        /// How bad it is.
        severity: Severity = Severity::Medium,
    }
}

section! {
    /// One source connects again and again to several services.
    Probing {
        /// So many connections are an anomaly ...
        connections: u32 = 20,
        /// ... if they go to so many ports.
        services: u32 = 4,
        /// Within this time.
        within: Written<Span> = written("1m"),
        /// How bad it is.
        severity: Severity = Severity::Medium,
    }
}

section! {
    /// A process that connects to many.
    ProcessFanout {
        /// So many connections are an anomaly.
        connections: u32 = 15,
        /// Within this time.
        within: Written<Span> = written("10m"),
        /// How bad it is.
        severity: Severity = Severity::Medium,
        /// Programs that may.
        ignore: Vec<String> = vec!["chrome".to_owned(), "firefox".to_owned()],
    }
}

section! {
    /// Protocols other than the expected ones.
    UnexpectedProtocol {
        /// The expected ones.
        protocols: Vec<String> = EXPECTED.map(str::to_owned).to_vec(),
        /// How bad it is.
        severity: Severity = Severity::Medium,
    }
}

/// Ports that only some may use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unauthorized {
    /// The ports.
    pub(crate) ports: Vec<Written<PortRange>>,
    /// Who may use them.
    pub(crate) only: Vec<Written<Subject>>,
    /// How bad it is when others do.
    pub(crate) severity: Severity,
}

section! {
    /// Rates far from this host's own habit.
    Baseline {
        /// How long the habit is learnt.
        learn: Written<Span> = written("7d"),
        /// How many deviations off are an anomaly.
        deviation: f64 = 6.0,
        /// How bad it is.
        severity: Severity = Severity::Medium,
    }
}

section! {
    /// How long a generated rule lives, by severity.
    Hold {
        /// Low.
        low: Written<Span> = written("1h"),
        /// Medium.
        medium: Written<Span> = written("2h"),
        /// High.
        high: Written<Span> = written("6h"),
        /// Critical.
        critical: Written<Span> = written("24h"),
    }
}

section! {
    /// What counts as an anomaly in live traffic.
    Anomaly {
        /// What an anomaly leads to.
        respond: Respond = Respond::Propose,
        /// One source tries many ports.
        port_scan: PortScan = PortScan::default(),
        /// One source tries many ports over days.
        slow_scan: SlowScan = SlowScan::default(),
        /// Packets with flags that no connection has.
        stealth_scan: StealthScan = StealthScan::default(),
        /// One source tries many of our addresses.
        sweep: Sweep = Sweep::default(),
        /// One source tries targets of any kind, and none is there for it.
        in_vain: InVain = InVain::default(),
        /// Sources of one network scan together.
        distributed_scan: DistributedScan = DistributedScan::default(),
        /// One source connects again and again to a port where people log in.
        guessing: Guessing = Guessing::default(),
        /// One source connects again and again to several services.
        probing: Probing = Probing::default(),
        /// One source connects again and again.
        connection_rate: ConnectionRate = ConnectionRate::default(),
        /// Too many SYN packets.
        syn_flood: SynFlood = SynFlood::default(),
        /// Too many ICMP messages.
        icmp_flood: IcmpFlood = IcmpFlood::default(),
        /// Too many UDP packets.
        udp_flood: UdpFlood = UdpFlood::default(),
        /// A process that connects to many.
        process_fanout: ProcessFanout = ProcessFanout::default(),
        /// Protocols other than the expected ones.
        unexpected_protocol: UnexpectedProtocol = UnexpectedProtocol::default(),
        /// Ports that only some may use.
        unauthorized: Vec<Unauthorized> = Vec::new(),
        /// Rates far from this host's own habit.
        baseline: Baseline = Baseline::default(),
        /// How long a generated rule lives.
        hold: Hold = Hold::default(),
    }
}

/// What follows from anomalies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnomalyPlan {
    pub(crate) respond: Response,
    pub(crate) limits: Limits,
    /// How long a rule lives, by severity, the mildest first.
    holds: [Span; 4],
}

impl Anomaly {
    /// Returns what is looked for; `None`: nothing.
    pub(super) fn plan(&self) -> Option<AnomalyPlan> {
        let respond = match self.respond {
            Respond::Off => return None,
            Respond::Propose => Response::Propose,
            Respond::Auto => Response::Auto,
        };
        let protocols = self.unexpected_protocol.protocols.iter();
        let limits = Limits {
            port_scan: self.port_scan.limit(),
            slow_scan: self.slow_scan.limit(),
            stealth_scan: self.stealth_scan.limit(),
            sweep: self.sweep.limit(),
            in_vain: self.in_vain.limit(),
            distributed_scan: self.distributed_scan.limit(),
            distributed_sources: self.distributed_scan.sources,
            connection_rate: self.connection_rate.limit(),
            guessing: self.guessing.limit(),
            login_ports: self.guessing.ports.clone(),
            probing: self.probing.limit(),
            probed_services: self.probing.services,
            syn_flood: self.syn_flood.limit(),
            icmp_flood: self.icmp_flood.limit(),
            udp_flood: self.udp_flood.limit(),
            protocols: (
                protocols.filter_map(|name| protocol_number(name)).collect(),
                self.unexpected_protocol.severity.into(),
            ),
            baseline: Habit {
                learn: self.baseline.learn.0.duration(),
                deviation: self.baseline.deviation,
                severity: self.baseline.severity.into(),
            },
            unauthorized: self.unauthorized.iter().map(Unauthorized::rule).collect(),
        };
        let Hold { low, medium, high, critical } = &self.hold;
        let holds = [low, medium, high, critical].map(|span| span.0);
        Some(AnomalyPlan { respond, limits, holds })
    }
}

/// What is looked for in the connections of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FanoutPlan {
    /// So many peers of one process.
    pub(crate) limit: Limit,
    /// Names of programs that may.
    pub(crate) ignore: Vec<Arc<str>>,
}

impl Anomaly {
    /// Returns what is looked for in the connections of processes; `None`: nothing.
    pub(super) fn fanout(&self) -> Option<FanoutPlan> {
        let fanout = &self.process_fanout;
        (self.respond != Respond::Off).then(|| FanoutPlan {
            limit: fanout.limit(),
            ignore: fanout.ignore.iter().map(|name| name.as_str().into()).collect(),
        })
    }
}

impl Unauthorized {
    fn rule(&self) -> Forbidden {
        Forbidden {
            ports: self.ports.iter().map(|range| range.0).collect(),
            only: self.only.iter().map(|subject| subject.0).collect(),
            severity: self.severity.into(),
        }
    }
}

impl AnomalyPlan {
    /// Returns the ladder of the rules that follow from what a detector finds, by its key, if any are
    /// put in force.
    pub(crate) fn ladder_of(&self, key: &str) -> Option<Arc<Ladder>> {
        let detector = Detector::ALL.into_iter().find(|detector| detector.key() == key)?;
        let is_auto = self.respond == Response::Auto;
        is_auto.then(|| self.ladder(detector, self.limits.severity(detector)))
    }

    /// Returns the ladder of a rule: always as long, and for one address, or for the network whose
    /// sources scan together. A wider one could hit whoever is on the same link.
    pub(crate) fn ladder(&self, detector: Detector, severity: Weight) -> Arc<Ladder> {
        let (prefix_v4, prefix_v6) =
            if detector == Detector::DistributedScan { (24, 64) } else { (32, 128) };
        let span = self.holds[severity as usize];
        Arc::new(Ladder {
            base: span.duration(),
            growth: Growth::List(vec![span]),
            steps: Vec::new(),
            permanent_after: 0,
            max: span,
            forget_after: span,
            prefix_v4,
            prefix_v6,
        })
    }
}

/// Returns a protocol's number, by its name or as it is written.
pub(super) fn protocol_number(name: &str) -> Option<u8> {
    let named = PROTOCOLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    named.map(|(_, number)| *number).or_else(|| name.parse().ok())
}

/// Returns a protocol's name, or its number if it has none here.
pub(crate) fn protocol_name(number: u8) -> String {
    let named = PROTOCOLS.iter().find(|(_, known)| *known == number);
    named.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

/// Returns the names that protocols have here.
pub(super) fn protocol_names() -> String {
    PROTOCOLS.map(|(name, _)| name).join(", ")
}

impl From<Severity> for Weight {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Low => Self::Low,
            Severity::Medium => Self::Medium,
            Severity::High => Self::High,
            Severity::Critical => Self::Critical,
        }
    }
}
