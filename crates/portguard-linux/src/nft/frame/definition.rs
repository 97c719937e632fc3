//! Definitions of sets: as `nft` text, and comparable with what the kernel says of a set. Pure.

use std::fmt;

use portguard_core::{Family, Follow, Protocol, Rate, Strength};

use super::{FrameSpec, Rates};
use crate::nft::set::{ListSet, unit_set_name};

/// `NFT_SET_TIMEOUT` and `NFT_SET_EVAL`: elements end by themselves, and rules may add some.
pub(super) const TIMED_AND_DYNAMIC: u32 = 0x10 | 0x20;
/// `NFT_SET_MAP`.
const MAP: u32 = 0x8;

/// Numbers of `nft`'s data types, which the kernel keeps for it.
const IPV4_ADDRESS: u32 = 7;
const IPV6_ADDRESS: u32 = 8;
const PROTOCOL: u32 = 12;
const SERVICE: u32 = 13;
const CGROUP: u32 = 46;

/// How many packets a source has in advance of its rate.
pub(super) const BURST: u32 = 5;

/// How many sources a rate meter follows at a time; beyond that, sources are not throttled.
const METERED_SOURCES: u32 = 131_072;

/// What a set is, beside its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::nft) struct SetDefinition {
    pub(in crate::nft) name: String,
    /// Bits of `enum nft_set_flags`.
    pub(in crate::nft) flags: u32,
    /// The number of the key's data type, 6 bits for each field.
    pub(in crate::nft) key_type: u32,
    /// How many elements it may hold.
    pub(in crate::nft) size: u32,
    /// How long an element stays unless it says otherwise, in milliseconds; 0 for ever.
    pub(in crate::nft) timeout: u64,
    /// Whether each element counts what it matched.
    pub(in crate::nft) counter: bool,
    pub(in crate::nft) comment: Option<String>,
}

/// How many control groups one approval has at a time.
const GROUPS: u32 = 1_024;

/// The set of the ports that let a followed connection in lately.
pub(super) const LINGERING: &str = "lingering";

/// How long a port stays in it, in seconds: as long as a socket that closed first stays with its
/// connection's addresses and ports (`TCP_TIMEWAIT_LEN`, `include/net/tcp.h`).
const LINGERING_FOR: u64 = 60;

/// The families that services are metered by.
pub(super) const SERVICE_FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// A protocol that sources are metered by.
#[derive(Clone, Copy)]
pub(super) enum Metered {
    Transport(Protocol),
    Icmp,
}

impl SetDefinition {
    /// Returns the definition of a list's set.
    pub(super) fn list(set: ListSet) -> Self {
        let address = address_type(set.family);
        Self {
            name: set.to_string(),
            flags: TIMED_AND_DYNAMIC,
            key_type: if set.ports { with_port(address) } else { address },
            size: set.capacity(),
            timeout: 0,
            counter: true,
            comment: None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        self.flags & MAP != 0
    }
}

impl fmt::Display for SetDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set {} {{ type {}; ", self.name, type_name(self.key_type))?;
        write!(f, "flags dynamic,timeout; size {};", self.size)?;
        if self.timeout > 0 {
            write!(f, " timeout {}s;", self.timeout / 1000)?;
        }
        if self.counter {
            f.write_str(" counter;")?;
        }
        if let Some(comment) = &self.comment {
            write!(f, " comment \"{comment}\";")?;
        }
        f.write_str(" }")
    }
}

impl Metered {
    pub(super) const ALL: [Self; 3] =
        [Self::Transport(Protocol::Tcp), Self::Transport(Protocol::Udp), Self::Icmp];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Transport(Protocol::Tcp) => "tcp",
            Self::Transport(Protocol::Udp) => "udp",
            Self::Icmp => "icmp",
        }
    }

    pub(super) const fn rate(self, rates: &Rates) -> Rate {
        match self {
            Self::Transport(Protocol::Tcp) => rates.tcp,
            Self::Transport(Protocol::Udp) => rates.udp,
            Self::Icmp => rates.icmp,
        }
    }
}

/// Returns the name of the set in which sources of one family are metered.
pub(super) fn meter_name(strength: Strength, metered: Metered, family: Family) -> String {
    let digit = if family == Family::V4 { 4 } else { 6 };
    format!("rate_{strength}_{}{digit}", metered.name())
}

/// Returns the definitions of all rate meters.
pub(super) fn meters(spec: &FrameSpec) -> Vec<SetDefinition> {
    let mut meters = Vec::new();
    for (strength, rates) in
        [(Strength::Hard, &spec.throttle_hard), (Strength::Soft, &spec.throttle_soft)]
    {
        for metered in Metered::ALL {
            for family in [Family::V4, Family::V6] {
                let name = meter_name(strength, metered, family);
                meters.push(meter(name, metered.rate(rates), family));
            }
        }
    }
    meters
}

/// Returns the name of the set in which a service's sources of one family are metered.
pub(super) fn service_meter_name(service: &str, family: Family) -> String {
    let digit = if family == Family::V4 { 4 } else { 6 };
    format!("rate_service_{}{digit}", plain(service))
}

/// Returns a name as part of a name in the kernel, different for different names: what is neither
/// letter nor digit is written as the numbers of its bytes.
pub(super) fn plain(name: &str) -> String {
    let plain = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("_{byte:02x}"),
    };
    name.bytes().map(plain).collect()
}

/// Returns the definitions of the meters of all services that have a rate. A source may spend its
/// whole rate at once.
pub(super) fn service_meters(spec: &FrameSpec) -> Vec<SetDefinition> {
    let services = spec.ports.services.iter();
    let rated = services.filter_map(|(name, service)| Some((name, service.rate?)));
    rated
        .flat_map(|(name, rate)| {
            SERVICE_FAMILIES.map(|family| meter(service_meter_name(name, family), rate, family))
        })
        .collect()
}

/// Returns the definitions of the sets of control groups.
pub(super) fn units(spec: &FrameSpec) -> Vec<SetDefinition> {
    if !spec.features.cgroup {
        return Vec::new();
    }
    let unit = |(index, level): &(u16, u8)| SetDefinition {
        name: unit_set_name(*index, *level),
        flags: TIMED_AND_DYNAMIC,
        key_type: CGROUP,
        size: GROUPS,
        timeout: 0,
        counter: true,
        comment: None,
    };
    spec.unit_levels.iter().map(unit).collect()
}

/// Returns the definition of [`LINGERING`] if the frame has a use for it. It has room for every port,
/// because a full set would let nobody in.
pub(super) fn lingering(spec: &FrameSpec) -> Option<SetDefinition> {
    let is_used = spec.ports.follow == Follow::Approved && spec.features.socket;
    is_used.then(|| SetDefinition {
        name: LINGERING.to_owned(),
        flags: TIMED_AND_DYNAMIC,
        key_type: SERVICE,
        size: 1 << 16,
        timeout: LINGERING_FOR * 1000,
        counter: false,
        comment: None,
    })
}

/// Returns the definition of one rate meter.
///
/// A source is forgotten when its allowance is full again, which makes it equal to a source never
/// seen. The rate stands in the comment: an element keeps the rate that it was added with, so a
/// meter whose rate changes has to begin anew, and a changed comment is a changed definition.
fn meter(name: String, rate: Rate, family: Family) -> SetDefinition {
    let seconds = seconds_for(rate, BURST + 1).max(60);
    SetDefinition {
        name,
        flags: TIMED_AND_DYNAMIC,
        key_type: address_type(family),
        size: METERED_SOURCES,
        timeout: seconds * 1000,
        counter: false,
        comment: Some(rate.to_string()),
    }
}

/// Returns the seconds after which `packets` more may pass.
fn seconds_for(rate: Rate, packets: u32) -> u64 {
    (u64::from(packets) * rate.per.seconds()).div_ceil(u64::from(rate.count.max(1)))
}

pub(super) const fn address_type(family: Family) -> u32 {
    match family {
        Family::V4 => IPV4_ADDRESS,
        Family::V6 => IPV6_ADDRESS,
    }
}

/// Returns the type of an address with a protocol and a port.
pub(super) const fn with_port(address: u32) -> u32 {
    address << 12 | PROTOCOL << 6 | SERVICE
}

fn type_name(key_type: u32) -> &'static str {
    match key_type {
        IPV4_ADDRESS => "ipv4_addr",
        IPV6_ADDRESS => "ipv6_addr",
        CGROUP => "cgroupsv2",
        SERVICE => "inet_service",
        with_port if with_port >> 12 == IPV4_ADDRESS => "ipv4_addr . inet_proto . inet_service",
        _ => "ipv6_addr . inet_proto . inet_service",
    }
}
