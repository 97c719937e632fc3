//! Writes IPv4, IPv6, TCP and UDP headers byte by byte (RFC 791, 8200, 9293, 768).

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const HOPS: u8 = 64;
const FLAG_SYN: u8 = 0x02;
const FLAG_ACK: u8 = 0x10;

/// What a packet pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Syn,
    Ack,
    Datagram,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "syn" => Ok(Self::Syn),
            "ack" => Ok(Self::Ack),
            "datagram" => Ok(Self::Datagram),
            other => Err(format!("no such kind of packet: {other}")),
        }
    }
}

/// A packet to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// The TCP sequence number.
    pub(crate) sequence: u32,
}

impl Packet {
    /// Returns the whole packet from its IP header on; nothing if the families differ.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        match (self.from, self.to) {
            (SocketAddr::V4(from), SocketAddr::V4(to)) => Some(self.over_v4(*from.ip(), *to.ip())),
            (SocketAddr::V6(from), SocketAddr::V6(to)) => Some(self.over_v6(*from.ip(), *to.ip())),
            _ => None,
        }
    }

    fn over_v4(&self, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
        let addresses = [from.octets(), to.octets()].concat();
        let body = self.body(&addresses);
        let mut packet = vec![0x45, 0];
        packet.extend(length(20 + body.len()));
        packet.extend([0, 0, 0, 0, HOPS, self.protocol(), 0, 0]);
        packet.extend(addresses);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(body);
        packet
    }

    fn over_v6(&self, from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
        let addresses = [from.octets(), to.octets()].concat();
        let body = self.body(&addresses);
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(length(body.len()));
        packet.extend([self.protocol(), HOPS]);
        packet.extend(addresses);
        packet.extend(body);
        packet
    }

    /// Returns the transport header, its checksum taken over the pseudo header too.
    fn body(&self, addresses: &[u8]) -> Vec<u8> {
        let (mut body, place_of_sum) = match self.kind {
            Kind::Syn => (self.segment(FLAG_SYN), 16),
            Kind::Ack => (self.segment(FLAG_ACK), 16),
            Kind::Datagram => (self.datagram(), 6),
        };
        let pseudo = [addresses, &[0, self.protocol()], &length(body.len()), &body].concat();
        let sum = checksum(&pseudo).to_be_bytes();
        body[place_of_sum..place_of_sum + 2].copy_from_slice(&sum);
        body
    }

    fn segment(&self, flags: u8) -> Vec<u8> {
        let header_words = 5_u8;
        let window = [0xff, 0xff];
        let mut segment = self.ports();
        segment.extend(self.sequence.to_be_bytes());
        segment.extend(0_u32.to_be_bytes());
        segment.extend([header_words << 4, flags]);
        segment.extend(window);
        segment.extend([0, 0, 0, 0]);
        segment
    }

    fn datagram(&self) -> Vec<u8> {
        let payload = b"forged\n";
        let mut datagram = self.ports();
        datagram.extend(length(8 + payload.len()));
        datagram.extend([0, 0]);
        datagram.extend(payload);
        datagram
    }

    fn ports(&self) -> Vec<u8> {
        [self.from.port().to_be_bytes(), self.to.port().to_be_bytes()].concat()
    }

    fn protocol(&self) -> u8 {
        match self.kind {
            Kind::Syn | Kind::Ack => TCP,
            Kind::Datagram => UDP,
        }
    }
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("the packets here are short").to_be_bytes()
}

/// Returns the Internet checksum (RFC 1071) of bytes whose own checksum field is zero.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        [high] => u16::from_be_bytes([high, 0]),
        _ => 0,
    });
    !words.fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_rfc_1071_comes_out() {
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&example), !0xddf2);
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        let from = "198.51.100.7:1".parse().unwrap();
        let to = "10.77.0.1:23".parse().unwrap();
        let packet = Packet { kind: Kind::Syn, from, to, sequence: 7 }.bytes().unwrap();
        assert_eq!(packet.len(), 40);
        assert_eq!(checksum(&packet[..20]), 0);
    }

    #[test]
    fn families_can_not_be_mixed() {
        let from = "[fd77::2]:1".parse().unwrap();
        let to = "10.77.0.1:23".parse().unwrap();
        assert!(Packet { kind: Kind::Ack, from, to, sequence: 0 }.bytes().is_none());
    }
}
