//! What counts as an anomaly in live traffic; read and checked, but without effect yet.

use portguard_core::{Span, Subject, service::PortRange};
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

/// Declares a detector: a measure with its limit, a time, a severity.
macro_rules! detector {
    ($name:ident, $key:ident, $limit:expr, $within:expr, $severity:ident) => {
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
detector!(Sweep, hosts, 10, "5m", High);
detector!(ConnectionRate, connections, 50, "5m", High);
detector!(SynFlood, packets, 200, "1s", Critical);
detector!(IcmpFlood, packets, 200, "1m", Medium);
detector!(UdpFlood, packets, 1000, "1s", High);

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
        protocols: Vec<String> = ["tcp", "udp", "icmp", "icmpv6"].map(str::to_owned).to_vec(),
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
