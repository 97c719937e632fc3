//! Finds the IP packet in a frame. Untrusted bytes: fuzzed.

/// How the frames of a capture are wrapped, by its number (tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link(pub u32);

impl Link {
    /// The family in four bytes of the host that captured, or of the network.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, perhaps with address and control bytes (RFC 1662).
    pub const PPP: Self = Self(9);
    /// PPP over Ethernet, from its own header on (RFC 2516).
    pub const PPPOE: Self = Self(51);
    /// IP alone, whichever version.
    pub const RAW: Self = Self(101);
    /// The same with the family in network order.
    pub const LOOP: Self = Self(108);
    /// Linux, whatever the interface, as `tcpdump -i any` wrote it.
    pub const COOKED: Self = Self(113);
    /// IPv4 alone.
    pub const IPV4: Self = Self(228);
    /// IPv6 alone.
    pub const IPV6: Self = Self(229);
    /// Packets that rules logged, as `tcpdump -i nflog` writes them.
    pub const NFLOG: Self = Self(239);
    /// Linux, whatever the interface, as `tcpdump -i any` writes it today.
    pub const COOKED2: Self = Self(276);

    /// Numbers that some systems use for raw IP.
    const OTHER_RAW: [u32; 2] = [12, 14];

    /// Returns whether frames of this kind can be read.
    pub fn is_known(self) -> bool {
        let known = [
            Self::NULL,
            Self::ETHERNET,
            Self::PPP,
            Self::PPPOE,
            Self::RAW,
            Self::LOOP,
            Self::COOKED,
            Self::IPV4,
            Self::IPV6,
            Self::NFLOG,
            Self::COOKED2,
        ];
        known.contains(&self) || Self::OTHER_RAW.contains(&self.0)
    }

    /// Returns the IP packet in a frame; `None` if there is another thing in it, or if it was cut off.
    pub fn packet(self, frame: &[u8]) -> Option<&[u8]> {
        match self {
            Self::NULL | Self::LOOP => ip(frame.get(4..)?),
            Self::ETHERNET => carried(word(frame, 12)?, frame.get(14..)?),
            Self::PPP => ppp(frame),
            Self::PPPOE => ppp(frame.get(6..)?),
            Self::COOKED => carried(word(frame, 14)?, frame.get(16..)?),
            Self::COOKED2 => carried(word(frame, 0)?, frame.get(20..)?),
            Self::NFLOG => ip(logged(frame)?),
            Self::RAW | Self::IPV4 | Self::IPV6 => ip(frame),
            Self(number) if Self::OTHER_RAW.contains(&number) => ip(frame),
            Self(_) => None,
        }
    }
}

/// Types of what Ethernet carries (IEEE 802, RFC 2516).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLANS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const PPPOE_SESSION: u16 = 0x8864;

/// Tags around each other that are looked through.
const MOST_TAGS: usize = 4;

/// Protocols of PPP (RFC 1332, RFC 5072).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// The attribute of a logged packet that is the packet (`NFULA_PAYLOAD` of
/// `linux/netfilter/nfnetlink_log.h`).
const LOGGED_PAYLOAD: u16 = 9;

/// Returns the IP packet in what is carried, whose type Ethernet would number so; `None` if there is
/// another thing in it, or if it was cut off.
pub fn carried(mut kind: u16, mut rest: &[u8]) -> Option<&[u8]> {
    for _ in 0..MOST_TAGS {
        if !VLANS.contains(&kind) {
            break;
        }
        (kind, rest) = (word(rest, 2)?, rest.get(4..)?);
    }
    match kind {
        IPV4 | IPV6 => ip(rest),
        PPPOE_SESSION => ppp(rest.get(6..)?),
        _ => None,
    }
}

fn ppp(frame: &[u8]) -> Option<&[u8]> {
    let frame = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    // An odd first byte is the whole protocol.
    let (protocol, rest) = match frame {
        [first, rest @ ..] if first % 2 == 1 => (u16::from(*first), rest),
        _ => (word(frame, 0)?, frame.get(2..)?),
    };
    matches!(protocol, PPP_IPV4 | PPP_IPV6).then(|| ip(rest)).flatten()
}

/// Returns what a logged packet's attributes have as the packet.
fn logged(frame: &[u8]) -> Option<&[u8]> {
    let mut rest = frame.get(4..)?;
    while let [l0, l1, t0, t1, ..] = rest {
        // In the order of the host that captured; all that matter have the lowest byte first.
        let (length, kind) = (u16::from_le_bytes([*l0, *l1]), u16::from_le_bytes([*t0, *t1]));
        let length = usize::from(length);
        if kind & 0x7fff == LOGGED_PAYLOAD {
            return rest.get(4..length.min(rest.len()));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

/// Returns a packet if it says that it is one of IP.
fn ip(bytes: &[u8]) -> Option<&[u8]> {
    bytes.first().filter(|first| matches!(**first >> 4, 4 | 6)).map(|_| bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKET: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 7, 192, 0, 2, 1];

    fn frame(before: &[u8]) -> Vec<u8> {
        [before, &PACKET].concat()
    }

    #[test]
    fn the_packet_is_found_in_every_kind_of_frame() {
        let to_from = [0; 12];
        let ethernet = |rest: &[u8]| frame(&[&to_from[..], rest].concat());
        let mut logged = vec![2, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 24, 0, 9, 0];
        logged.extend(PACKET);
        for (link, bytes) in [
            (Link::NULL, frame(&[2, 0, 0, 0])),
            (Link::LOOP, frame(&[0, 0, 0, 2])),
            (Link::ETHERNET, ethernet(&[0x08, 0x00])),
            (Link::ETHERNET, ethernet(&[0x81, 0x00, 0, 7, 0x08, 0x00])),
            (Link::ETHERNET, ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 8, 0x08, 0x00])),
            (Link::ETHERNET, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0x00, 0x21])),
            (Link::PPP, frame(&[0xff, 0x03, 0x00, 0x21])),
            (Link::PPP, frame(&[0x21])),
            (Link::PPPOE, frame(&[0x11, 0, 0, 1, 0, 22, 0x00, 0x21])),
            (Link::RAW, frame(&[])),
            (Link(12), frame(&[])),
            (Link::IPV4, frame(&[])),
            (Link::COOKED, frame(&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00])),
            (Link::COOKED2, frame(&[&[0x08, 0x00], &[0; 18][..]].concat())),
            (Link::NFLOG, logged),
        ] {
            assert!(link.is_known());
            assert_eq!(link.packet(&bytes), Some(&PACKET[..]), "{link:?}");
        }
    }

    #[test]
    fn other_things_are_no_packets() {
        let arp = frame(&[&[0; 12], &[0x08, 0x06][..]].concat());
        assert_eq!(Link::ETHERNET.packet(&arp), None);
        assert_eq!(carried(0x0806, &PACKET), None);
        assert_eq!(Link(105).packet(&PACKET), None);
        assert!(!Link(105).is_known());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            link in prop::sample::select(vec![0, 1, 9, 51, 101, 108, 113, 228, 229, 239, 276, 12, 7]),
        ) {
            // Whatever it finds is right; that it finds something is the law.
            let _ = Link(link).packet(&bytes);
        }
    }
}
