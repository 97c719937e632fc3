//! Which set an element stands in, what the set is called, and how its keys are written.
//!
//! There is one hash set for each list, family and prefix length, because a set of intervals costs
//! time in proportion to its size on every commit. Pure.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use portguard_core::{Element, Family, List, Port, Protocol, Subject};

/// The protocol number that is nobody's (IANA, protocol numbers).
const RESERVED_PROTOCOL: u8 = 255;

/// A set of the table that holds one list's elements of one family and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListSet {
    /// The list.
    pub list: List,
    /// The address family.
    pub family: Family,
    /// How many leading bits of an address its elements compare.
    pub prefix_len: u8,
    /// Whether each element is about one port: bans may be, grants, shut ports, graces and followed
    /// ports always are.
    pub ports: bool,
}

impl ListSet {
    /// Returns the set of whole addresses of this list and family.
    pub const fn whole(list: List, family: Family) -> Self {
        Self { list, family, prefix_len: family.bits(), ports: list_has_ports(list) }
    }

    /// Returns the set that `element` stands in.
    pub fn of(element: &Element) -> Self {
        Self {
            list: element.list,
            family: element.subject.family(),
            prefix_len: element.subject.prefix_len(),
            ports: element.port.is_some(),
        }
    }

    /// Returns the set with this name, `None` if no list has such a set.
    pub fn from_name(name: &str) -> Option<Self> {
        let (stem, prefix) = match name.rsplit_once('_') {
            Some((stem, digits)) if stem.ends_with(['4', '6']) => (stem, Some(digits)),
            _ => (name, None),
        };
        let family = if stem.ends_with('4') { Family::V4 } else { Family::V6 };
        let word = stem.strip_suffix(['4', '6'])?;
        let (word, ports) = word.strip_suffix("port").map_or((word, false), |word| (word, true));
        let list = List::all().find(|list| word_of(*list) == word)?;
        let prefix_len = match prefix {
            Some(digits) => digits.parse().ok().filter(|length| *length < family.bits())?,
            None => family.bits(),
        };
        let set = Self { list, family, prefix_len, ports: ports || list_has_ports(list) };
        // One set has one name: `ban4_08` is somebody else's.
        (set.to_string() == name).then_some(set)
    }

    /// Returns whether sets of this list always have ports.
    pub(super) const fn has_ports(self) -> bool {
        list_has_ports(self.list)
    }

    /// Returns how many elements the set may hold.
    ///
    /// Bans have room for a million, as much again for bans that have ended but are not yet
    /// collected by the kernel. Beyond that the kernel refuses an element, which is reported.
    pub const fn capacity(self) -> u32 {
        match self.list {
            List::Ban if !self.ports => 2_097_152,
            _ => 131_072,
        }
    }

    /// Returns the key under which the kernel keeps `element`.
    pub(super) fn key(element: &Element) -> Key {
        Key::new(element.subject.first_address(), element.port)
    }

    /// Returns the key of an address in this set: its network's, with the port if the set has them.
    pub(super) fn key_containing(self, address: IpAddr, port: Option<Port>) -> Key {
        Key::new(Subject::containing(address, self.prefix_len).first_address(), port)
    }

    /// Returns the key of the set's sentinel, an element that no packet can match.
    ///
    /// Every set holds it for ever. Whoever flushes the set takes it along, whoever removes a
    /// single element does not. It is the highest address, which is nobody's (RFC 919, RFC 4291
    /// section 2.7); in a set of networks no looked-up key has bits behind the prefix.
    pub(super) fn sentinel(self) -> Key {
        let address = match self.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::BROADCAST),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
        };
        let mut key = Key::new(
            address,
            self.ports.then_some(Port { protocol: Protocol::Udp, number: u16::MAX }),
        );
        if matches!(self.list, List::Grace | List::Follow) {
            // A packet may well be for everybody on the link; no packet has this protocol.
            key.bytes[usize::from(self.family.bits() / 8)] = RESERVED_PROTOCOL;
        }
        key
    }

    /// Returns the element that the kernel keeps under `key`.
    ///
    /// `None` for the sentinel and for what no packet can match: host bits behind the prefix, or a
    /// protocol without ports.
    pub(super) fn element(self, key: &[u8]) -> Option<Element> {
        let (address, rest) = key.split_at_checked(usize::from(self.family.bits() / 8))?;
        let address = match self.family {
            Family::V4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
            Family::V6 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        };
        if key == self.sentinel().as_bytes() {
            return None;
        }
        let port = match (self.ports, rest) {
            (false, []) => None,
            (true, [protocol, _, _, _, high, low, _, _]) => Some(Port {
                protocol: [Protocol::Tcp, Protocol::Udp]
                    .into_iter()
                    .find(|known| known.number() == *protocol)?,
                number: u16::from_be_bytes([*high, *low]),
            }),
            _ => return None,
        };
        let subject = Subject::containing(address, self.prefix_len);
        (subject.first_address() == address).then_some(Element { list: self.list, subject, port })
    }
}

impl fmt::Display for ListSet {
    /// Writes the set's name: `ban4`, `ban6_64`, `banport4_24`, `throttle_hard6_64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = if self.ports && !self.has_ports() { "port" } else { "" };
        let digit = if self.family == Family::V4 { '4' } else { '6' };
        write!(f, "{}{port}{digit}", word_of(self.list))?;
        if self.prefix_len < self.family.bits() {
            write!(f, "_{}", self.prefix_len)?;
        }
        Ok(())
    }
}

/// Returns whether every element of a list has a port.
const fn list_has_ports(list: List) -> bool {
    matches!(list, List::Grant | List::Shut | List::Grace | List::Follow)
}

/// Returns the name of the set of control groups that an approval has at a depth.
pub(super) fn unit_set_name(approval: u16, level: u8) -> String {
    format!("unit{approval}_{level}")
}

const fn word_of(list: List) -> &'static str {
    match list {
        List::Protect => "protect",
        List::Allow => "allow",
        List::Ban => "ban",
        List::ThrottleHard => "throttle_hard",
        List::ThrottleSoft => "throttle_soft",
        List::Grant => "grant",
        List::Shut => "shut",
        List::Grace => "grace",
        List::Follow => "follow",
        List::Closed => "closed",
        List::Paused => "paused",
    }
}

/// A set element's key as the kernel has it: fields in network byte order, each padded to 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    bytes: [u8; 24],
    length: usize,
}

impl Key {
    fn new(address: IpAddr, port: Option<Port>) -> Self {
        let mut key = Self { bytes: [0; 24], length: 0 };
        match address {
            IpAddr::V4(v4) => key.push(&v4.octets()),
            IpAddr::V6(v6) => key.push(&v6.octets()),
        }
        if let Some(port) = port {
            let [high, low] = port.number.to_be_bytes();
            key.push(&[port.protocol.number(), 0, 0, 0, high, low, 0, 0]);
        }
        key
    }

    /// Returns the key with these bytes, `None` if no set of ours has keys that long.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Self { bytes: [0; 24], length: bytes.len() };
        key.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(key)
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, list: List, family: Family, prefix_len: u8, ports: bool) {
        let set = ListSet { list, family, prefix_len, ports };
        assert_eq!(set.to_string(), name);
        assert_eq!(ListSet::from_name(name), Some(set));
    }

    #[test]
    fn a_set_and_its_name_are_the_same_thing() {
        check("ban4", List::Ban, Family::V4, 32, false);
        check("ban6_64", List::Ban, Family::V6, 64, false);
        check("ban4_0", List::Ban, Family::V4, 0, false);
        check("banport4", List::Ban, Family::V4, 32, true);
        check("banport6_48", List::Ban, Family::V6, 48, true);
        check("throttle_hard4", List::ThrottleHard, Family::V4, 32, false);
        check("throttle_soft6_64", List::ThrottleSoft, Family::V6, 64, false);
        check("protect6", List::Protect, Family::V6, 128, false);
    }

    #[test]
    fn a_name_of_somebody_else_is_no_set_of_ours() {
        for name in ["", "4", "ban", "ban5", "ban4_32", "ban4_08", "ban4_", "rate_hard_tcp4", "x4"]
        {
            assert_eq!(ListSet::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_sentinel_and_unmatchable_keys_are_no_elements() {
        for name in ["ban4", "ban6", "ban4_24", "ban6_0", "banport4", "banport6_64"] {
            let set = ListSet::from_name(name).unwrap();
            assert_eq!(set.element(set.sentinel().as_bytes()), None, "{name}");
        }
        assert_eq!(ListSet::from_name("ban4_24").unwrap().element(&[192, 0, 2, 7]), None);
        assert_eq!(ListSet::from_name("ban4").unwrap().element(&[192, 0, 2]), None);
    }

    proptest! {
        #[test]
        fn every_element_reads_back_from_its_key(
            bits: u128, v4: bool, prefix_len in 0_u8..=128, port: Option<u16>, tcp: bool,
        ) {
            let address = if v4 {
                IpAddr::from(Ipv4Addr::from_bits((bits >> 96) as u32))
            } else {
                IpAddr::from(Ipv6Addr::from_bits(bits))
            };
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            let element = Element {
                list: List::Ban,
                subject: Subject::containing(address, prefix_len),
                port: port.map(|number| Port { protocol, number }),
            };
            let set = ListSet::of(&element);
            let key = ListSet::key(&element);
            prop_assume!(key != set.sentinel());
            prop_assert_eq!(set.element(key.as_bytes()), Some(element));
        }
    }
}
