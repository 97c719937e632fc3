//! Log lines of the kernel's packet filter (`nf_log_syslog`: iptables' LOG target, nftables' `log`).

use std::{net::IpAddr, str::FromStr, sync::LazyLock};

use memchr::memmem::{self, Finder};

use portguard_core::{
    Packet, Timestamp,
    anomaly::{Content, Outcome},
};

use crate::address;

/// What one line says of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedPacket<'a> {
    /// Where it says that it comes from.
    pub source: IpAddr,
    /// What stands in front of its words.
    before: &'a [u8],
    /// The words from `IN=` to the protocol, and those behind.
    words: &'a [u8],
    behind: &'a [u8],
}

/// TCP flags by their words, highest bit first.
const FLAGS: [&str; 8] = ["CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"];

/// What every line is searched for.
static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    inside: Finder::new("IN="),
    source: Finder::new(" SRC="),
    protocol: Finder::new(" PROTO="),
    outside: Finder::new(" OUT="),
    destination: Finder::new(" DST="),
    kernel: Finder::new("kernel:"),
});

struct Finders {
    inside: Finder<'static>,
    source: Finder<'static>,
    protocol: Finder<'static>,
    outside: Finder<'static>,
    destination: Finder<'static>,
    kernel: Finder<'static>,
}

/// Reads a line; `None` if it is none of these, or if it was cut off before its protocol.
///
/// What stands in square brackets behind it is the packet that an ICMP error is about, and is left
/// alone.
pub fn read_line(line: &[u8]) -> Option<LoggedPacket<'_>> {
    let finders = &*FINDERS;
    let start = finders.inside.find(line)?;
    let words = &line[start..];
    let source_at = finders.source.find(words)? + " SRC=".len();
    let protocol_at = source_at + finders.protocol.find(&words[source_at..])? + " PROTO=".len();
    // A bracket begins the packet inside. In front of the protocol: that is its own, ours was cut off.
    let end = memchr::memchr2(b'[', b'\n', words).unwrap_or(words.len());
    if end < protocol_at {
        return None;
    }
    let source = address_at(&words[source_at..])?;
    let (before, behind) = (&line[..start], &words[protocol_at..end]);
    let packet = LoggedPacket { source, before, words: &words[..protocol_at], behind };
    packet.is_whole(source_at).then_some(packet)
}

/// Returns the address that a text begins with, as a word.
fn address_at(text: &[u8]) -> Option<IpAddr> {
    let (address, length) = address::read(text)?;
    matches!(text.get(length), None | Some(b' ' | b'\n')).then_some(address)
}

impl<'a> LoggedPacket<'a> {
    /// Returns whether it has what every packet has: a destination, mostly right behind the source,
    /// and a place for the interface that it goes out by, mostly behind that which it came in by.
    fn is_whole(&self, source_at: usize) -> bool {
        let behind = |at: usize, name: &[u8]| {
            let end = at + memchr::memchr(b' ', &self.words[at..])?;
            self.words[end..].starts_with(name).then_some(end)
        };
        let out = behind(0, b" OUT=").or_else(|| FINDERS.outside.find(self.words));
        let to = behind(source_at, b" DST=").or_else(|| FINDERS.destination.find(self.words));
        let is_address = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
        let destination = to.and_then(|at| self.words.get(at + " DST=".len()));
        out.is_some() && destination.is_some_and(is_address)
    }

    /// Returns all that stands in front of its words, the kernel's stamp too.
    pub fn before(&self) -> &'a [u8] {
        self.before
    }

    /// Returns the rule's prefix, behind the kernel's stamp.
    pub fn prefix(&self) -> &'a [u8] {
        prefix(self.before)
    }

    /// Returns the transport protocol as it is written (`TCP`, `ICMPv6`, `47`).
    pub fn protocol(&self) -> &'a str {
        word(self.behind)
    }

    /// Returns the interface it came in by, empty if there is none.
    pub fn in_interface(&self) -> &'a str {
        word(&self.words["IN=".len()..])
    }

    /// Returns the interface it goes out by, empty if there is none.
    pub fn out_interface(&self) -> &'a str {
        field(self.words, " OUT=").unwrap_or_default()
    }

    /// Returns where it goes.
    pub fn destination(&self) -> Option<IpAddr> {
        let at = FINDERS.destination.find(self.words)? + " DST=".len();
        address_at(&self.words[at..])
    }

    /// Returns the length of the IP packet in bytes.
    pub fn length(&self) -> Option<u32> {
        parsed(self.words, " LEN=")
    }

    /// Returns its time to live, or hop limit.
    pub fn ttl(&self) -> Option<u8> {
        parsed(self.words, " TTL=").or_else(|| parsed(self.words, " HOPLIMIT="))
    }

    /// Returns its source port.
    pub fn source_port(&self) -> Option<u16> {
        parsed(self.behind, " SPT=")
    }

    /// Returns its destination port.
    pub fn destination_port(&self) -> Option<u16> {
        parsed(self.behind, " DPT=")
    }

    /// Returns the packet as it is judged: refused, unless the rule's prefix says that it was let in.
    /// `None` if it names no protocol that has a number here.
    pub fn packet(&self, at: Timestamp) -> Option<Packet> {
        let (word, source) = (self.protocol(), self.source_port());
        let ports = source.zip(self.destination_port());
        let (protocol, content) = match (word, ports) {
            ("TCP", Some((source, destination))) => {
                let flags = self.flags();
                (6, Content::Tcp { source, destination, flags, sequence: 0, acknowledgement: 0 })
            }
            ("UDP", Some((source, destination))) => (17, Content::Udp { source, destination }),
            ("TCP", None) => (6, Content::Other),
            ("UDP", None) => (17, Content::Other),
            ("ICMP" | "ICMPv6", _) => {
                let kind = parsed(self.behind, " TYPE=");
                let content = kind.map_or(Content::Other, |kind| Content::Icmp { kind });
                (if word == "ICMP" { 1 } else { 58 }, content)
            }
            (number, _) => (number.parse().ok()?, Content::Other),
        };
        let (source, destination) = (self.source, self.destination()?);
        let outcome = if says_let_in(self.prefix()) { Outcome::Served } else { Outcome::Refused };
        Some(Packet { at, source, destination, protocol, content, outcome })
    }

    /// Returns its TCP flags, the last byte of the header's bits (RFC 9293 3.1).
    pub fn flags(&self) -> u8 {
        let named = |word: &[u8]| FLAGS.iter().position(|flag| flag.as_bytes() == word);
        self.behind
            .split(|byte| *byte == b' ')
            .filter_map(named)
            .fold(0, |flags, bit| flags | 0x80 >> bit)
    }
}

/// Returns whether a rule's prefix says that it lets packets in (`IPTABLES-ALLOWED:`, `ACCEPT `).
fn says_let_in(prefix: &[u8]) -> bool {
    let says = |word: &[u8]| prefix.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    says(b"allow") || says(b"accept")
}

fn field<'a>(words: &'a [u8], name: &str) -> Option<&'a str> {
    Some(word(&words[memmem::find(words, name.as_bytes())? + name.len()..]))
}

/// Returns the word that a text begins with; nothing if it has letters that are none.
fn word(text: &[u8]) -> &str {
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\n'));
    str::from_utf8(&text[..end.unwrap_or(text.len())]).unwrap_or_default()
}

fn parsed<T: FromStr>(words: &[u8], name: &str) -> Option<T> {
    field(words, name)?.parse().ok()
}

/// Returns the rule's prefix: what comes behind the kernel's name and its stamp.
fn prefix(before: &[u8]) -> &[u8] {
    let kernel = FINDERS.kernel.find(before).map_or(0, |at| at + "kernel:".len());
    let own = before[kernel..].trim_ascii();
    let end = memchr::memchr(b']', own).filter(|_| own.starts_with(b"["));
    let is_stamp =
        |text: &[u8]| text.trim_ascii().iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    match end.filter(|end| is_stamp(&own[1..*end])) {
        Some(end) => own[end + 1..].trim_ascii(),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP: &str = "Nov 20 10:11:12 host kernel: [ 12.345] IPTABLES-BLOCKED: IN=eth0 OUT= \
                       MAC=02:fc SRC=192.0.2.7 DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 \
                       DF PROTO=TCP SPT=4000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 ";

    #[test]
    fn a_packet_is_read_with_its_rule() {
        let packet = read_line(TCP.as_bytes()).unwrap();
        assert_eq!((packet.prefix(), packet.in_interface()), (&b"IPTABLES-BLOCKED:"[..], "eth0"));
        assert_eq!((packet.source, packet.protocol()), ("192.0.2.7".parse().unwrap(), "TCP"));
        assert_eq!((packet.source_port(), packet.destination_port()), (Some(4000), Some(22)));
        assert_eq!((packet.length(), packet.ttl(), packet.flags()), (Some(60), Some(64), 0x02));
    }

    #[test]
    fn a_line_is_judged_like_the_packet_it_tells_of() {
        let at = Timestamp::from_secs(7);
        let packet = read_line(TCP.as_bytes()).unwrap().packet(at).unwrap();
        let content = Content::Tcp {
            source: 4000,
            destination: 22,
            flags: 0x02,
            sequence: 0,
            acknowledgement: 0,
        };
        assert_eq!((packet.content, packet.outcome), (content, Outcome::Refused));
        let line = "kernel: IP6TABLES-ALLOWED: IN=eth0 OUT= SRC=2001:db8::1 DST=2001:db8::2 LEN=64 \
                    PROTO=ICMPv6 TYPE=128 CODE=0 ID=1 SEQ=1 ";
        let packet = read_line(line.as_bytes()).unwrap().packet(at).unwrap();
        assert_eq!((packet.protocol, packet.content), (58, Content::Icmp { kind: 128 }));
        assert_eq!(packet.outcome, Outcome::Served);
    }

    #[test]
    fn the_packet_inside_an_icmp_error_is_not_the_packet() {
        let line = "kernel: [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=88 PROTO=ICMP \
                    TYPE=3 CODE=3 [SRC=203.0.113.9 DST=192.0.2.7 LEN=60 PROTO=UDP SPT=53 DPT=99 ] ";
        let packet = read_line(line.as_bytes()).unwrap();
        assert_eq!(packet.source, "192.0.2.7".parse::<IpAddr>().unwrap());
        assert_eq!((packet.prefix(), packet.protocol()), (&b"[UFW BLOCK]"[..], "ICMP"));
        assert_eq!((packet.source_port(), packet.destination_port()), (None, None));
    }

    #[test]
    fn what_is_no_packet_is_dropped() {
        for line in
            ["", "IN=", "kernel: IN=eth0 OUT= SRC=192.0.2.7 DST=x PROTO=TCP", "IN=a SRC=1 DST=2"]
        {
            assert_eq!(read_line(line.as_bytes()), None, "{line}");
        }
        assert_eq!(read_line(&TCP.as_bytes()[..130]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..300_usize) {
            let mut line = TCP.as_bytes()[..cut.min(TCP.len())].to_vec();
            line.extend(bytes);
            // Whatever it says is right; that it says something is the law.
            let _ = read_line(&line);
        }
    }
}
