//! Reads the headers of an IP packet that may be cut off anywhere. Untrusted bytes: fuzzed.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxIpSlice};
use thiserror::Error;

/// What the headers of an IP packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it says it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The transport protocol's number (IANA), behind all extension headers.
    pub protocol: u8,
    /// Source and destination port, where the protocol has ports and they were copied.
    pub ports: Option<(u16, u16)>,
    /// The flags byte of a TCP header (RFC 9293 3.1), lowest bit FIN.
    pub tcp_flags: Option<u8>,
}

/// Why bytes are no IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    /// The IP header is missing, cut off or malformed.
    #[error("no whole IP header")]
    NoIpHeader,
}

/// Returns what the headers in `bytes` say; what is cut off is left out.
///
/// # Errors
/// When there is no whole IP header.
pub fn read_packet(bytes: &[u8]) -> Result<Packet, PacketError> {
    // An extension header that is cut off ends the reading; what stands before it counts.
    let (ip, _cut_off) = LaxIpSlice::from_slice(bytes).map_err(|_| PacketError::NoIpHeader)?;
    let protocol = ip.payload().ip_number;
    let transport = if begins_transport(&ip) { ip.payload().payload } else { &[] };
    Ok(Packet {
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        protocol: protocol.0,
        ports: ports(protocol, transport),
        tcp_flags: transport.get(TCP_FLAGS_OFFSET).copied().filter(|_| protocol == IpNumber::TCP),
    })
}

/// Returns whether the IP payload begins with the transport header: a later fragment's does not.
fn begins_transport(ip: &LaxIpSlice<'_>) -> bool {
    match ip {
        LaxIpSlice::Ipv4(ip) => ip.header().fragments_offset().value() == 0,
        LaxIpSlice::Ipv6(ip) => !ip.is_payload_fragmented(),
    }
}

/// Returns source and destination port, the first four bytes of each protocol that has them.
fn ports(protocol: IpNumber, transport: &[u8]) -> Option<(u16, u16)> {
    let has_ports = matches!(protocol, IpNumber::TCP | IpNumber::UDP | IpNumber::SCTP);
    let [a, b, c, d] = *transport.first_chunk().filter(|_| has_ports)?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// Offset of the flags byte in a TCP header (RFC 9293 3.1).
const TCP_FLAGS_OFFSET: usize = 13;

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_syn_reads_as_it_was_written() {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
        builder.tcp(40_000, 23, 1, 1024).syn().write(&mut bytes, &[]).unwrap();
        let packet = read_packet(&bytes).unwrap();
        assert_eq!(packet.source, IpAddr::from([192, 0, 2, 7]));
        assert_eq!(packet.destination, IpAddr::from([198, 51, 100, 1]));
        assert_eq!((packet.protocol, packet.ports), (6, Some((40_000, 23))));
        assert_eq!(packet.tcp_flags, Some(0x02));
    }

    #[test]
    fn a_packet_cut_off_gives_what_it_has() {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64);
        builder.udp(40_000, 53).write(&mut bytes, &[0; 32]).unwrap();
        let packet = read_packet(&bytes[..44]).unwrap();
        assert_eq!((packet.protocol, packet.ports), (17, Some((40_000, 53))));
        assert_eq!(read_packet(&bytes[..43]).unwrap().ports, None);
        assert_eq!(read_packet(&bytes[..39]), Err(PacketError::NoIpHeader));
        assert_eq!(read_packet(&[]), Err(PacketError::NoIpHeader));
    }

    #[test]
    fn a_cut_tcp_header_still_has_its_ports() {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
        builder.tcp(40_000, 23, 1, 1024).syn().write(&mut bytes, &[]).unwrap();
        let packet = read_packet(&bytes[..24]).unwrap();
        assert_eq!((packet.ports, packet.tcp_flags), (Some((40_000, 23)), None));
    }

    #[test]
    fn only_the_first_fragment_has_ports() {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
        builder.tcp(40_000, 23, 1, 1024).syn().write(&mut bytes, &[]).unwrap();
        bytes[FLAGS_AND_OFFSET] = MORE_FRAGMENTS;
        assert_eq!(read_packet(&bytes).unwrap().ports, Some((40_000, 23)));
        bytes[FLAGS_AND_OFFSET + 1] = 1;
        assert_eq!(read_packet(&bytes).unwrap().ports, None);
    }

    /// Where the IPv4 header has its flags and fragment offset (RFC 791 3.1).
    const FLAGS_AND_OFFSET: usize = 6;
    const MORE_FRAGMENTS: u8 = 0x20;

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Whatever it says is right; that it says something is the law.
            let _ = read_packet(&bytes);
        }

        #[test]
        fn no_damage_to_a_real_packet_makes_the_reader_panic(at in 0..60_usize, value: u8) {
            let mut bytes = Vec::new();
            let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64);
            builder.tcp(40_000, 23, 1, 1024).ack(7).write(&mut bytes, &[]).unwrap();
            bytes[at] = value;
            // As above.
            let _ = read_packet(&bytes);
        }
    }
}
