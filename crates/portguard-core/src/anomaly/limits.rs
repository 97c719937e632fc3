//! What counts as an anomaly, and how bad it is.

use std::{fmt, time::Duration};

use crate::{Port, Subject, service::PortRange};

use super::{Detector, baseline::Habit};

/// How bad an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look.
    Medium,
    /// Worth a look now.
    High,
    /// Harm is being done.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns the one below, or the lowest.
    #[must_use]
    pub const fn milder(self) -> Self {
        match self {
            Self::Low | Self::Medium => Self::Low,
            Self::High => Self::Medium,
            Self::Critical => Self::High,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// So many within a time, and how bad that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many are an anomaly.
    pub count: u32,
    /// Within this time.
    pub within: Duration,
    /// How bad it is.
    pub severity: Severity,
}

/// The limits of all detectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Different ports that one source tried in vain.
    pub port_scan: Limit,
    /// The same over a long time.
    pub slow_scan: Limit,
    /// Packets that no connection has.
    pub stealth_scan: Limit,
    /// Different addresses that one source tried.
    pub sweep: Limit,
    /// Different targets, of whatever kind, that one source tried in vain.
    pub in_vain: Limit,
    /// Different targets that several sources of one network tried in vain.
    pub distributed_scan: Limit,
    /// So many sources make it a distributed one.
    pub distributed_sources: u32,
    /// Connections that one source asked for.
    pub connection_rate: Limit,
    /// Connections that one source asked for at one port where people log in.
    pub guessing: Limit,
    /// These ports.
    pub login_ports: Vec<u16>,
    /// Connections that one source asked for at several services.
    pub probing: Limit,
    /// So many services.
    pub probed_services: u32,
    /// Half-open connections of one source.
    pub syn_flood: Limit,
    /// Echo requests and other messages of one source.
    pub icmp_flood: Limit,
    /// Datagrams of one source outside of conversations.
    pub udp_flood: Limit,
    /// Protocols that are expected (IANA's numbers), and how bad others are.
    pub protocols: (Vec<u8>, Severity),
    /// What is far from this host's own habit.
    pub baseline: Habit,
    /// Ports that only some may use.
    pub unauthorized: Vec<Unauthorized>,
}

impl Limits {
    /// Returns how bad it is what a detector finds; of several rules the worst.
    pub fn severity(&self, detector: Detector) -> Severity {
        match detector {
            Detector::PortScan => self.port_scan.severity,
            Detector::SlowScan => self.slow_scan.severity,
            Detector::StealthScan => self.stealth_scan.severity,
            Detector::Sweep => self.sweep.severity,
            Detector::InVain => self.in_vain.severity,
            Detector::DistributedScan => self.distributed_scan.severity,
            Detector::ConnectionRate => self.connection_rate.severity,
            Detector::Guessing => self.guessing.severity,
            Detector::Probing => self.probing.severity,
            Detector::SynFlood => self.syn_flood.severity,
            Detector::IcmpFlood => self.icmp_flood.severity,
            Detector::UdpFlood => self.udp_flood.severity,
            Detector::UnexpectedProtocol => self.protocols.1,
            Detector::Unauthorized => {
                let rules = self.unauthorized.iter().map(|rule| rule.severity);
                rules.max().unwrap_or(Severity::Medium)
            }
            Detector::Baseline => self.baseline.severity,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limit = |count, seconds, severity| {
            let within = Duration::from_secs(seconds);
            Limit { count, within, severity }
        };
        Self {
            port_scan: limit(10, 300, Severity::High),
            slow_scan: limit(20, 86_400, Severity::Medium),
            stealth_scan: limit(3, 60, Severity::High),
            sweep: limit(10, 300, Severity::High),
            in_vain: limit(7, 86_400, Severity::Medium),
            distributed_scan: limit(20, 3_600, Severity::Medium),
            distributed_sources: 5,
            connection_rate: limit(50, 300, Severity::High),
            guessing: limit(10, 120, Severity::Medium),
            // FTP, SSH, telnet, RDP, VNC.
            login_ports: vec![21, 22, 23, 3389, 5900],
            probing: limit(20, 60, Severity::Medium),
            probed_services: 4,
            syn_flood: limit(200, 1, Severity::Critical),
            icmp_flood: limit(200, 60, Severity::Medium),
            udp_flood: limit(1_000, 1, Severity::High),
            protocols: (vec![1, 6, 17, 58], Severity::Medium),
            baseline: Habit {
                learn: Duration::from_secs(7 * 86_400),
                deviation: 6.0,
                severity: Severity::Medium,
            },
            unauthorized: Vec::new(),
        }
    }
}

/// Ports that only some may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthorized {
    /// The ports.
    pub ports: Vec<PortRange>,
    /// Who may use them.
    pub only: Vec<Subject>,
    /// How bad it is when others do.
    pub severity: Severity,
}

impl Unauthorized {
    /// Returns whether these are ports that a source may not use.
    pub(super) fn forbids(&self, port: Port, source: Subject) -> bool {
        let has = |range: &PortRange| range.contains(port);
        self.ports.iter().any(has) && !self.only.iter().any(|network| network.covers(&source))
    }
}
