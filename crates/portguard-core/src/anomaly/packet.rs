//! A packet, as far as it is judged.

use std::net::IpAddr;

use crate::{Port, Protocol, Timestamp};

/// TCP flags (RFC 9293 3.1).
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// All flags that say what a packet is for; those of congestion control say nothing.
const MEANT: u8 = 0x3f;

/// Services that answer from their own port, one packet to a port that was chosen at random: late
/// answers look like a scan. DNS, DHCP, TFTP, NTP, `NetBIOS`, SNMP, QUIC, SSDP, WS-Discovery, mDNS,
/// LLMNR.
const ANSWERING: [u16; 13] = [53, 67, 68, 69, 123, 137, 138, 161, 443, 1900, 3702, 5353, 5355];

/// Where traceroute sends its datagrams, one port after the other (traceroute(8)); nothing listens there.
const TRACED: std::ops::RangeInclusive<u16> = 33_434..=33_534;

/// Ports below are those of services.
const FIRST_CHOSEN: u16 = 1024;

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it came.
    pub at: Timestamp,
    /// Where it says it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The transport protocol's number (IANA).
    pub protocol: u8,
    /// What its transport header says.
    pub content: Content,
    /// What is known of how it fared.
    pub outcome: Outcome,
}

/// What a transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// TCP.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The flags byte, lowest bit FIN.
        flags: u8,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number.
        acknowledgement: u32,
    },
    /// UDP.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP or `ICMPv6`.
    Icmp {
        /// Type.
        kind: u8,
    },
    /// Another protocol, or a header that was cut off.
    Other,
}

/// What is known of how a packet fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the packets that follow tell.
    #[default]
    Unknown,
    /// It was turned away.
    Refused,
    /// It was let in to something that is there for it.
    Served,
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It asks for a connection.
    Connect,
    /// It accepts one.
    Accept,
    /// It breaks one off, or refuses it.
    Reset,
    /// It belongs to a connection that is there, or pretends to.
    Carry {
        /// It says that there is something in it to be read.
        pushes: bool,
    },
    /// No connection has such packets.
    Odd,
    /// A datagram.
    Datagram,
    /// An echo request, or its answer.
    Ask,
    Echo,
    /// Something about other packets, or about the network.
    Notice,
    /// Another protocol.
    Other,
}

impl Packet {
    /// Returns what it is for.
    pub(super) fn purpose(&self) -> Purpose {
        match self.content {
            Content::Tcp { flags, .. } => purpose_of_flags(flags & MEANT),
            Content::Udp { .. } => Purpose::Datagram,
            Content::Icmp { kind } => match (self.source, kind) {
                (IpAddr::V4(_), 8) | (IpAddr::V6(_), 128) => Purpose::Ask,
                (IpAddr::V4(_), 0) | (IpAddr::V6(_), 129) => Purpose::Echo,
                _ => Purpose::Notice,
            },
            Content::Other => Purpose::Other,
        }
    }

    /// Returns source and destination port, zeros where there are none.
    pub(super) fn ports(&self) -> (u16, u16) {
        match self.content {
            Content::Tcp { source, destination, .. } | Content::Udp { source, destination } => {
                (source, destination)
            }
            Content::Icmp { .. } | Content::Other => (0, 0),
        }
    }

    /// Returns the port it is for.
    pub fn port(&self) -> Option<Port> {
        let (protocol, number) = match self.content {
            Content::Tcp { destination, .. } => (Protocol::Tcp, destination),
            Content::Udp { destination, .. } => (Protocol::Udp, destination),
            Content::Icmp { .. } | Content::Other => return None,
        };
        Some(Port { protocol, number })
    }

    /// Returns whether it is for everybody on a link, or for a group.
    pub(super) fn is_for_many(&self) -> bool {
        match self.destination {
            IpAddr::V4(address) => {
                // The length of the network is not known; most end so.
                address.is_multicast() || address.octets()[3] == 255
            }
            IpAddr::V6(address) => address.is_multicast(),
        }
    }

    /// Returns whether it may be an attempt to find somebody.
    pub(super) fn looks_for_somebody(&self) -> bool {
        !self.is_for_many() && !self.looks_for_nothing()
    }

    /// Returns whether it may be the late answer of a service, or traces a route: neither looks for
    /// services.
    fn looks_for_nothing(&self) -> bool {
        match self.content {
            Content::Udp { source, destination } => {
                let is_answer = destination >= FIRST_CHOSEN && ANSWERING.contains(&source);
                is_answer || TRACED.contains(&destination)
            }
            _ => false,
        }
    }
}

fn purpose_of_flags(flags: u8) -> Purpose {
    let is_only_one_of = |some: u8| (flags & some).is_power_of_two();
    match flags {
        _ if flags & (SYN | FIN | RST | ACK) == 0 => Purpose::Odd,
        _ if flags & RST != 0 && is_only_one_of(SYN | FIN | RST) => Purpose::Reset,
        _ if flags & SYN != 0 && !is_only_one_of(SYN | FIN | RST) => Purpose::Odd,
        _ if flags & (SYN | ACK) == SYN | ACK => Purpose::Accept,
        _ if flags & SYN != 0 => Purpose::Connect,
        _ if flags & ACK == 0 => Purpose::Odd,
        _ => Purpose::Carry { pushes: flags & PSH != 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_say_what_a_packet_is_for() {
        for (flags, purpose) in [
            (SYN, Purpose::Connect),
            (SYN | ACK, Purpose::Accept),
            (RST, Purpose::Reset),
            (RST | ACK, Purpose::Reset),
            (ACK, Purpose::Carry { pushes: false }),
            (ACK | PSH, Purpose::Carry { pushes: true }),
            (FIN | ACK, Purpose::Carry { pushes: false }),
            (0, Purpose::Odd),
            (FIN, Purpose::Odd),
            (FIN | PSH | 0x20, Purpose::Odd),
            (SYN | FIN, Purpose::Odd),
            (SYN | RST, Purpose::Odd),
        ] {
            assert_eq!(purpose_of_flags(flags), purpose, "{flags:#x}");
        }
    }
}
