//! Reads a whole UDP datagram out of a logged packet. Untrusted bytes: fuzzed.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxIpSlice};

/// Length of a UDP header (RFC 768).
const HEADER: usize = 8;

/// A datagram as it lies in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it says it comes from.
    pub source: IpAddr,
    /// The port that it goes to.
    pub port: u16,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Returns the datagram in `bytes`; `None` if it is none, a fragment, or cut off.
pub fn read_datagram(bytes: &[u8]) -> Option<Datagram<'_>> {
    let (ip, cut_off) = LaxIpSlice::from_slice(bytes).ok()?;
    let carried = ip.payload();
    if cut_off.is_some() || carried.fragmented || carried.ip_number != IpNumber::UDP {
        return None;
    }
    let [_, _, p0, p1, l0, l1, ..] = *carried.payload else { return None };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let payload = carried.payload.get(HEADER..length)?;
    Some(Datagram { source: ip.source_addr(), port: u16::from_be_bytes([p0, p1]), payload })
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    fn packet() -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64);
        builder.udp(40_000, 62_201).write(&mut bytes, &[7; 256]).unwrap();
        bytes
    }

    #[test]
    fn a_datagram_reads_as_it_was_written() {
        let expected = Datagram { source: [1; 16].into(), port: 62_201, payload: &[7; 256] };
        assert_eq!(read_datagram(&packet()), Some(expected));
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
        builder.udp(40_000, 62_201).write(&mut bytes, &[7; 256]).unwrap();
        let expected = Datagram { source: [192, 0, 2, 7].into(), ..expected };
        assert_eq!(read_datagram(&bytes), Some(expected));
    }

    #[test]
    fn a_datagram_that_is_cut_off_is_none() {
        let bytes = packet();
        for length in 0..bytes.len() {
            assert_eq!(read_datagram(&bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_is_no_whole_datagram_is_none() {
        let mut bytes = Vec::new();
        let builder = || PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
        builder().udp(40_000, 62_201).write(&mut bytes, &[7; 256]).unwrap();
        for flags_and_offset in [[0x20, 0], [0, 1]] {
            let mut fragment = bytes.clone();
            fragment[6..8].copy_from_slice(&flags_and_offset);
            assert_eq!(read_datagram(&fragment), None);
        }
        bytes.clear();
        builder().tcp(40_000, 62_201, 1, 1024).write(&mut bytes, &[7; 256]).unwrap();
        assert_eq!(read_datagram(&bytes), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            // Whatever it says is right; that it says something is the law.
            let _ = read_datagram(&bytes);
        }

        #[test]
        fn no_damage_to_a_real_packet_makes_the_reader_panic(at in 0..304_usize, value: u8) {
            let mut bytes = packet();
            bytes[at] = value;
            // As above.
            let _ = read_datagram(&bytes);
        }
    }
}
