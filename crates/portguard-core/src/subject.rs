//! Whom a measure is about: one address or one network, in canonical form.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns the length of a whole address in bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Returns the address that stands for all addresses when a socket is bound.
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

/// An address or a network without host bits. IPv4 inside IPv6 (`::ffff:192.0.2.7`) is held as IPv4.
///
/// The order is by family, then first address, then prefix length, so that all subjects inside a
/// network lie side by side, right after the network itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(IpNet);

/// Why a text names no address or network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// It is neither an address nor a network.
    #[error("`{0}` is neither an address nor a network")]
    Unreadable(String),
    /// It has a zone (`fe80::1%eth0`, RFC 4007), which means something on one host only.
    #[error("`{text}` has a zone; write the address alone: `{address}`")]
    Zone {
        /// The text as given.
        text: String,
        /// The text without its zone.
        address: String,
    },
    /// It has a port.
    #[error("`{text}` has a port; write the address alone: `{address}`")]
    Port {
        /// The text as given.
        text: String,
        /// The text without its port.
        address: String,
    },
    /// An IPv4 number starts with a zero, which some programs read as octal.
    #[error("`{0}` has a leading zero, which some programs read as octal; write it without")]
    LeadingZero(String),
    /// Bits are set behind the prefix.
    #[error("`{text}` has host bits set; the network is `{network}`")]
    HostBits {
        /// The text as given.
        text: String,
        /// The network that the text lies in.
        network: Subject,
    },
    /// The prefix is longer than the address, or no number.
    #[error("`{0}` has no usable prefix length")]
    Prefix(String),
}

impl Subject {
    /// Returns the subject that is this one address.
    pub fn address(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }

    /// Returns the network of `prefix_len` bits that `address` lies in; a length beyond the
    /// address gives the address itself.
    pub fn containing(address: IpAddr, prefix_len: u8) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => Ipv4Net::new_assert(v4, prefix_len.min(32)).trunc().into(),
            IpAddr::V6(v6) => Ipv6Net::new_assert(v6, prefix_len.min(128)).trunc().into(),
        })
    }

    /// Returns the subject's network, without host bits.
    pub fn network(&self) -> IpNet {
        self.0
    }

    /// Returns the first address: the address itself, or the network's.
    pub fn first_address(&self) -> IpAddr {
        self.0.network()
    }

    /// Returns the last address: the address itself, or the last one of the network.
    pub fn last_address(&self) -> IpAddr {
        match self.0 {
            IpNet::V4(net) => IpAddr::V4(net.broadcast()),
            IpNet::V6(net) => IpAddr::V6(net.broadcast()),
        }
    }

    /// Returns the number of leading bits that all addresses of the subject share.
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Returns the address family.
    pub fn family(&self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// Returns whether the subject is one single address.
    pub fn is_single(&self) -> bool {
        self.prefix_len() == self.family().bits()
    }

    /// Returns whether every address of `other` is one of this subject too.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Returns the subject widened to `prefix_len` bits; never narrower than it is.
    #[must_use]
    pub fn widened(&self, prefix_len: u8) -> Self {
        Self::containing(self.first_address(), prefix_len.min(self.prefix_len()))
    }

    /// Returns why no packet can honestly come from this subject's addresses, or who they belong
    /// to by definition (RFC 6890); such subjects are never banned or throttled.
    pub fn never_a_stranger(&self) -> Option<&'static str> {
        let is_within = |length: u8| self.prefix_len() >= length;
        match self.first_address() {
            IpAddr::V4(first) if first.is_loopback() && is_within(8) => Some(LOOPBACK),
            IpAddr::V4(first) if first.octets()[0] == 0 && is_within(8) => Some(NOBODY),
            IpAddr::V4(first) if first.octets()[0] >= 224 && is_within(3) => Some(NO_SENDER),
            IpAddr::V6(first) if first.is_loopback() => Some(LOOPBACK),
            IpAddr::V6(first) if first.is_unspecified() && is_within(128) => Some(NOBODY),
            IpAddr::V6(first) if first.is_multicast() && is_within(8) => Some(NO_SENDER),
            _ => None,
        }
    }

    /// Returns the loopback network inside this wider network, if there is one, and what it is.
    pub fn reserved_inside(&self) -> Option<(Self, &'static str)> {
        let loopback = match self.family() {
            Family::V4 => Self::containing(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
            Family::V6 => Self::address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        };
        self.covers(&loopback).then_some((loopback, LOOPBACK))
    }
}

/// What addresses are that no stranger can have.
const LOOPBACK: &str = "is this host itself (loopback)";
const NOBODY: &str = "means \"this host\" and belongs to nobody";
const NO_SENDER: &str = "is multicast, broadcast or reserved and no sender's address";

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { self.first_address().fmt(f) } else { self.0.fmt(f) }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<IpAddr> for Subject {
    fn from(address: IpAddr) -> Self {
        Self::address(address)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let text = text.trim();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = read_address(address, text)?;
        let Some(prefix) = prefix else { return Ok(Self::address(address)) };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = Some(prefix)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|length| *length <= bits)
            .ok_or_else(|| SubjectError::Prefix(text.to_owned()))?;
        let net = match address {
            IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, prefix)),
            IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, prefix)),
        };
        let network = canonical(net.trunc());
        if net.trunc().addr() != address {
            return Err(SubjectError::HostBits { text: text.to_owned(), network });
        }
        Ok(network)
    }
}

/// Returns `net` with IPv4 inside IPv6 taken out.
fn canonical(net: IpNet) -> Subject {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Subject(Ipv4Net::new_assert(v4, v6.prefix_len() - 96).into()),
            None => Subject(net),
        },
        _ => Subject(net),
    }
}

/// Reads the address part of `text`, naming the usual mistakes.
fn read_address(address: &str, text: &str) -> Result<IpAddr, SubjectError> {
    if let Ok(read) = address.parse::<IpAddr>() {
        return Ok(read);
    }
    let whole = || text.to_owned();
    if let Some((bare, _zone)) = address.split_once('%')
        && bare.parse::<Ipv6Addr>().is_ok()
    {
        return Err(SubjectError::Zone { text: whole(), address: bare.to_owned() });
    }
    if let Ok(socket) = address.parse::<std::net::SocketAddr>() {
        return Err(SubjectError::Port { text: whole(), address: socket.ip().to_string() });
    }
    if is_dotted_quad_with_leading_zero(address) {
        return Err(SubjectError::LeadingZero(whole()));
    }
    Err(SubjectError::Unreadable(whole()))
}

fn is_dotted_quad_with_leading_zero(address: &str) -> bool {
    let mut stripped = Vec::new();
    for part in address.split('.') {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let digits = part.trim_start_matches('0');
        stripped.push(if digits.is_empty() { "0" } else { digits });
    }
    stripped.join(".").parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let read = match text.parse::<Subject>() {
            Ok(subject) => subject.to_string(),
            Err(why) => why.to_string(),
        };
        assert_eq!(read, expect, "{text}");
    }

    #[test]
    fn addresses_and_networks_read_in_canonical_form() {
        check("192.0.2.7", "192.0.2.7");
        check("192.0.2.7/32", "192.0.2.7");
        check("192.0.2.0/24", "192.0.2.0/24");
        check("2001:DB8::1", "2001:db8::1");
        check("2001:db8::/32", "2001:db8::/32");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.0/120", "192.0.2.0/24");
    }

    #[test]
    fn mistakes_are_refused_with_the_way_out() {
        check("192.0.2.7/24", "`192.0.2.7/24` has host bits set; the network is `192.0.2.0/24`");
        check("fe80::1%eth0", "`fe80::1%eth0` has a zone; write the address alone: `fe80::1`");
        check("192.0.2.7:22", "`192.0.2.7:22` has a port; write the address alone: `192.0.2.7`");
        check(
            "[2001:db8::1]:22",
            "`[2001:db8::1]:22` has a port; write the address alone: `2001:db8::1`",
        );
        check(
            "192.000.2.07",
            "`192.000.2.07` has a leading zero, which some programs read as octal; write it without",
        );
        check("192.0.2.0/33", "`192.0.2.0/33` has no usable prefix length");
        check("192.0.2.0/+8", "`192.0.2.0/+8` has no usable prefix length");
        check("192.0.2.256", "`192.0.2.256` is neither an address nor a network");
        check("example.net", "`example.net` is neither an address nor a network");
        check("", "`` is neither an address nor a network");
    }

    #[test]
    fn no_stranger_has_loopback_multicast_or_nothing_for_an_address() {
        for text in ["127.0.0.1", "::1", "0.0.0.0", "255.255.255.255", "ff02::1", "239.1.2.3"] {
            let subject: Subject = text.parse().unwrap();
            assert!(subject.never_a_stranger().is_some(), "{text}");
        }
        let subject: Subject = "192.0.2.7".parse().unwrap();
        assert_eq!(subject.never_a_stranger(), None);
    }
}
