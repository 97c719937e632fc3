//! Reads the headers of an IP packet that may be cut off anywhere. Untrusted bytes: fuzzed.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxIpSlice};
use portguard_core::{
    Packet, Timestamp,
    anomaly::{Content, Outcome},
};

/// What the headers of an IP packet say; what is cut off is left out or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Where it says it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The transport protocol's number (IANA), behind all extension headers.
    pub protocol: u8,
    /// Length of the whole packet in bytes, IP header included.
    pub length: u16,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub traffic_class: u8,
    /// Identification (IPv4), or flow label (IPv6).
    pub identification: u32,
    /// How it is cut into fragments.
    pub fragment: Fragment,
    /// What the transport header says.
    pub transport: Transport,
}

/// How a packet is cut into fragments (RFC 791 3.1, RFC 8200 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// It must not be cut.
    pub dont: bool,
    /// More fragments follow.
    pub more: bool,
    /// Where it begins in the whole, in units of 8 bytes.
    pub offset: u16,
}

/// What a transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number.
        acknowledgement: u32,
        /// The flags byte, lowest bit FIN.
        flags: u8,
        /// The reserved bits, as the kernel's log writes them.
        reserved: u8,
        /// Window size.
        window: u16,
        /// Urgent pointer.
        urgent: u16,
    },
    /// UDP (RFC 768).
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Length of header and data in bytes.
        length: u16,
    },
    /// ICMP (RFC 792) or `ICMPv6` (RFC 4443).
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier and sequence number of an echo.
        echo: Option<(u16, u16)>,
    },
    /// Another protocol, a later fragment, or a header that was cut off.
    Unknown,
}

/// Returns what the headers in `bytes` say, `None` if there is no whole IP header.
pub fn read_headers(bytes: &[u8]) -> Option<Headers> {
    // An extension header that is cut off ends the reading; what stands before it counts.
    let (ip, _cut_off) = LaxIpSlice::from_slice(bytes).ok()?;
    let protocol = ip.payload().ip_number;
    let fragment = fragment(&ip, bytes);
    let transport = if fragment.offset == 0 {
        read_transport(protocol, ip.payload().payload)
    } else {
        Transport::Unknown
    };
    let (length, ttl, traffic_class, identification) = match &ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header();
            let tos = header.dcp().value() << 2 | header.ecn().value();
            (header.total_len(), header.ttl(), tos, u32::from(header.identification()))
        }
        LaxIpSlice::Ipv6(ip) => {
            let header = ip.header();
            let length = header.payload_length().saturating_add(IPV6_HEADER);
            (length, header.hop_limit(), header.traffic_class(), header.flow_label().value())
        }
    };
    Some(Headers {
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        protocol: protocol.0,
        length,
        ttl,
        traffic_class,
        identification,
        fragment,
        transport,
    })
}

impl Headers {
    /// Returns the packet as it is judged.
    pub fn packet(&self, at: Timestamp, outcome: Outcome) -> Packet {
        let content = match self.transport {
            Transport::Tcp { source, destination, sequence, acknowledgement, flags, .. } => {
                Content::Tcp { source, destination, flags, sequence, acknowledgement }
            }
            Transport::Udp { source, destination, .. } => Content::Udp { source, destination },
            Transport::Icmp { kind, .. } => Content::Icmp { kind },
            Transport::Unknown => Content::Other,
        };
        let Self { source, destination, protocol, .. } = *self;
        Packet { at, source, destination, protocol, content, outcome }
    }

    /// Returns source and destination port, where the protocol has ports and they were copied.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Tcp { source, destination, .. }
            | Transport::Udp { source, destination, .. } => Some((source, destination)),
            Transport::Icmp { .. } | Transport::Unknown => None,
        }
    }
}

fn fragment(ip: &LaxIpSlice<'_>, bytes: &[u8]) -> Fragment {
    match ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header();
            Fragment {
                dont: header.dont_fragment(),
                more: header.more_fragments(),
                offset: header.fragments_offset().value(),
            }
        }
        // Its own iterator reads beyond extension headers that are cut off (0.21).
        LaxIpSlice::Ipv6(_) => fragment_header(bytes).unwrap_or_default(),
    }
}

/// Length of the fixed header of IPv6 (RFC 8200 3), and the protocol that follows it.
const IPV6_FIXED: usize = 40;
const NEXT_HEADER: usize = 6;

/// Most extension headers that are looked through for the one of fragments.
const MOST_EXTENSIONS: usize = 8;

/// Returns what the fragment header of an IPv6 packet says, if there is one (RFC 8200 4.5).
fn fragment_header(bytes: &[u8]) -> Option<Fragment> {
    let (mut protocol, mut rest) = (*bytes.get(NEXT_HEADER)?, bytes.get(IPV6_FIXED..)?);
    for _ in 0..MOST_EXTENSIONS {
        let length = usize::from(*rest.get(1)?);
        let length = match IpNumber(protocol) {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let word = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
                return Some(Fragment { dont: false, more: word & 1 == 1, offset: word >> 3 });
            }
            IpNumber::IPV6_HEADER_HOP_BY_HOP
            | IpNumber::IPV6_ROUTE_HEADER
            | IpNumber::IPV6_DESTINATION_OPTIONS
            | IpNumber::MOBILITY_HEADER
            | IpNumber::HIP
            | IpNumber::SHIM6 => (length + 1) * 8,
            IpNumber::AUTHENTICATION_HEADER => (length + 2) * 4,
            _ => return None,
        };
        (protocol, rest) = (rest[0], rest.get(length..)?);
    }
    None
}

fn read_transport(protocol: IpNumber, bytes: &[u8]) -> Transport {
    let word = |at: usize| bytes.get(at..at + 2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let byte = |at: usize| bytes.get(at).copied();
    let long = |at: usize| Some(u32::from(word(at)?) << 16 | u32::from(word(at + 2)?));
    let read = || match protocol {
        IpNumber::TCP => Some(Transport::Tcp {
            source: word(0)?,
            destination: word(2)?,
            sequence: long(4).unwrap_or(0),
            acknowledgement: long(8).unwrap_or(0),
            flags: byte(13).unwrap_or(0),
            reserved: byte(12).unwrap_or(0) & 0x0f,
            window: word(14).unwrap_or(0),
            urgent: word(18).unwrap_or(0),
        }),
        IpNumber::UDP => Some(Transport::Udp {
            source: word(0)?,
            destination: word(2)?,
            length: word(4).unwrap_or(0),
        }),
        IpNumber::ICMP | IpNumber::IPV6_ICMP => {
            let kind = byte(0)?;
            let is_echo = matches!((protocol, kind), (IpNumber::ICMP, 0 | 8))
                || matches!((protocol, kind), (IpNumber::IPV6_ICMP, 128 | 129));
            let echo = word(4).zip(word(6)).filter(|_| is_echo);
            Some(Transport::Icmp { kind, code: byte(1).unwrap_or(0), echo })
        }
        _ => None,
    };
    read().unwrap_or(Transport::Unknown)
}

/// Length of the fixed IPv6 header (RFC 8200 3).
const IPV6_HEADER: u16 = 40;

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    fn syn() -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
        builder.tcp(40_000, 23, 1, 1024).syn().write(&mut bytes, &[]).unwrap();
        bytes
    }

    #[test]
    fn a_syn_reads_as_it_was_written() {
        let headers = read_headers(&syn()).unwrap();
        assert_eq!((headers.protocol, headers.length, headers.ttl), (6, 40, 64));
        assert_eq!(headers.ports(), Some((40_000, 23)));
        let Transport::Tcp { flags, window, .. } = headers.transport else { panic!() };
        assert_eq!((flags, window), (0x02, 1024));
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        assert_eq!(read_headers(&syn()[..24]).unwrap().ports(), Some((40_000, 23)));
        assert_eq!(read_headers(&syn()[..23]).unwrap().transport, Transport::Unknown);
        assert_eq!(read_headers(&syn()[..19]), None);
    }

    #[test]
    fn a_later_fragment_has_no_ports() {
        let mut bytes = syn();
        bytes[7] = 1;
        let headers = read_headers(&bytes).unwrap();
        assert_eq!((headers.fragment.offset, headers.ports()), (1, None));
    }

    #[test]
    fn a_fragment_of_ipv6_is_found_behind_other_extension_headers() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 24, 0, 64];
        bytes.extend([1; 32]);
        bytes.extend([44, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([17, 0, 0x05, 0xb9, 0, 0, 0, 7]);
        bytes.extend([0; 8]);
        let fragment = read_headers(&bytes).unwrap().fragment;
        assert_eq!((fragment.offset, fragment.more), (183, true));
        for length in 40..bytes.len() {
            // Extension headers that are cut off say nothing.
            let cut = read_headers(&bytes[..length]).map(|headers| headers.fragment.offset);
            assert_eq!(cut.unwrap_or(0), if length < 52 { 0 } else { 183 }, "{length}");
        }
    }

    #[test]
    fn an_echo_has_its_numbers() {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64);
        builder.icmpv6_echo_request(7, 3).write(&mut bytes, &[]).unwrap();
        let transport = read_headers(&bytes).unwrap().transport;
        assert_eq!(transport, Transport::Icmp { kind: 128, code: 0, echo: Some((7, 3)) });
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Whatever it says is right; that it says something is the law.
            let _ = read_headers(&bytes);
        }

        #[test]
        fn no_damage_to_a_real_packet_makes_the_reader_panic(at in 0..40_usize, value: u8) {
            let mut bytes = syn();
            bytes[at] = value;
            // As above.
            let _ = read_headers(&bytes);
        }
    }
}
