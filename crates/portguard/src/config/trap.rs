//! Traps as they are written, several ports and families in one.

use std::{fmt, net::IpAddr, str::FromStr};

use portguard_core::{
    Family, Port, Protocol, Span,
    service::{PortError, PortRange, port_number},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ladder, value::Written};

/// Ports that nobody honest connects to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trap {
    /// The ports, each a number or a range (`6000-6010`).
    pub(crate) ports: Vec<Written<TrapPorts>>,
    /// `ipv4`, `ipv6` or `both`.
    #[serde(default)]
    pub(crate) family: TrapFamily,
    /// Bind to this address only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Written<IpAddr>>,
    /// `tcp` or `udp`.
    #[serde(default)]
    pub(crate) protocol: TrapProtocol,
    /// `handshake`: nobody can be framed. `probe`: the first packet, which anybody can forge, so
    /// it only throttles. UDP knows only `probe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<EvidenceKind>,
    /// Name of the ladder.
    #[serde(default = "trap_ladder")]
    pub(crate) ladder: String,
    /// Hold the connection with slow bytes.
    #[serde(default)]
    pub(crate) tarpit: bool,
    /// In place of the ladder's base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Written<Span>>,
}

fn trap_ladder() -> String {
    ladder::TRAP.to_owned()
}

/// Which address families a trap is set for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrapFamily {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both, each with a listener of its own.
    #[default]
    Both,
}

/// A trap's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrapProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// What counts as a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EvidenceKind {
    /// A completed handshake.
    Handshake,
    /// The first packet.
    Probe,
}

/// Ports of a trap: `23`, `6000-6010`, or with the protocol, `tcp/23`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrapPorts {
    /// The protocol, if it was written.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl FromStr for TrapPorts {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        if text.contains('/') {
            let PortRange { protocol, first, last } = text.parse()?;
            return Ok(Self { protocol: Some(protocol), first, last });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port_number(first)?, port_number(last)?);
        if first > last {
            return Err(PortError::Backwards(text.to_owned()));
        }
        Ok(Self { protocol: None, first, last })
    }
}

impl fmt::Display for TrapPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = self.protocol {
            write!(f, "{protocol}/")?;
        }
        write!(f, "{}", self.first)?;
        if self.first == self.last { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

impl Trap {
    /// Returns the address that the trap is bound to; none if it is set on all.
    pub(super) fn bound_to(&self) -> Option<IpAddr> {
        self.address.map(|address| address.0).filter(|address| !address.is_unspecified())
    }

    /// Returns the families that the trap is set for.
    pub(super) fn families(&self) -> Vec<Family> {
        match (self.family, self.address.map(|address| address.0)) {
            (_, Some(IpAddr::V4(_))) | (TrapFamily::Ipv4, None) => vec![Family::V4],
            (_, Some(IpAddr::V6(_))) | (TrapFamily::Ipv6, None) => vec![Family::V6],
            (TrapFamily::Both, None) => vec![Family::V4, Family::V6],
        }
    }

    /// Returns the ports that the trap is set on, as they are written.
    pub(in crate::config) fn all_ports(&self) -> impl Iterator<Item = Port> {
        let protocol = self.protocol.into();
        let ranges = self.ports.iter().map(|ports| ports.0);
        let ranges =
            ranges.map(move |TrapPorts { first, last, .. }| PortRange { protocol, first, last });
        ranges.flat_map(PortRange::ports)
    }

    /// Returns what counts as a touch: UDP knows nothing but the probe.
    pub(super) fn evidence(&self) -> EvidenceKind {
        self.evidence.unwrap_or(match self.protocol {
            TrapProtocol::Tcp => EvidenceKind::Handshake,
            TrapProtocol::Udp => EvidenceKind::Probe,
        })
    }
}

impl From<TrapProtocol> for Protocol {
    fn from(protocol: TrapProtocol) -> Self {
        match protocol {
            TrapProtocol::Tcp => Self::Tcp,
            TrapProtocol::Udp => Self::Udp,
        }
    }
}
