//! The detectors by name.

use std::fmt;

/// What finds an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detector {
    /// One source tries many ports.
    PortScan,
    /// One source tries many ports over a long time.
    SlowScan,
    /// Packets that no connection has.
    StealthScan,
    /// One source tries many addresses.
    Sweep,
    /// One source tries many targets of whatever kind, and none is there for it.
    InVain,
    /// Sources of one network try many targets together.
    DistributedScan,
    /// One source connects again and again.
    ConnectionRate,
    /// One source connects again and again to a port where people log in.
    Guessing,
    /// One source connects again and again to several services.
    Probing,
    /// Connections that are left half open.
    SynFlood,
    /// Echo requests without end.
    IcmpFlood,
    /// Datagrams without end.
    UdpFlood,
    /// A protocol that is not expected.
    UnexpectedProtocol,
    /// A source at a port that it may not use.
    Unauthorized,
    /// A port that gets far more connections than this host is used to.
    Baseline,
}

impl Detector {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::PortScan,
        Self::SlowScan,
        Self::StealthScan,
        Self::Sweep,
        Self::InVain,
        Self::DistributedScan,
        Self::ConnectionRate,
        Self::Guessing,
        Self::Probing,
        Self::SynFlood,
        Self::IcmpFlood,
        Self::UdpFlood,
        Self::UnexpectedProtocol,
        Self::Unauthorized,
        Self::Baseline,
    ];

    /// Returns its key in the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PortScan => "port_scan",
            Self::SlowScan => "slow_scan",
            Self::StealthScan => "stealth_scan",
            Self::Sweep => "sweep",
            Self::InVain => "in_vain",
            Self::DistributedScan => "distributed_scan",
            Self::ConnectionRate => "connection_rate",
            Self::Guessing => "guessing",
            Self::Probing => "probing",
            Self::SynFlood => "syn_flood",
            Self::IcmpFlood => "icmp_flood",
            Self::UdpFlood => "udp_flood",
            Self::UnexpectedProtocol => "unexpected_protocol",
            Self::Unauthorized => "unauthorized",
            Self::Baseline => "baseline",
        }
    }

    /// Returns whether whoever was found by this one need not be found by the other.
    pub(super) const fn says_more_than(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::PortScan | Self::StealthScan | Self::Sweep, Self::SlowScan | Self::InVain)
                | (Self::SlowScan, Self::InVain)
                | (Self::PortScan | Self::Sweep, Self::ConnectionRate | Self::Guessing)
                | (Self::ConnectionRate | Self::PortScan, Self::Probing)
        )
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
