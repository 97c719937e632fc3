//! Log lines of the kernel's packet filter (`nf_log_syslog`: iptables' LOG target, nftables' `log`).

use std::{
    net::IpAddr,
    str::{self, FromStr},
};

use memchr::memmem;

/// What one line says of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedPacket<'a> {
    /// What stands in front of the packet's words: the rule's prefix behind the kernel's stamp.
    pub prefix: &'a str,
    /// The interface it came in by, empty if there is none.
    pub in_interface: &'a str,
    /// The interface it goes out by, empty if there is none.
    pub out_interface: &'a str,
    /// Where it says that it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The transport protocol as it is written (`TCP`, `ICMPv6`, `47`).
    pub protocol: &'a str,
    /// Length of the IP packet in bytes.
    pub length: Option<u32>,
    /// Time to live, or hop limit.
    pub ttl: Option<u8>,
    /// Source port.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// TCP flags, the last byte of the header's bits (RFC 9293 3.1).
    pub flags: u8,
}

/// TCP flags by their words, highest bit first.
const FLAGS: [&str; 8] = ["CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"];

/// Reads a line; `None` if it is none of these, or if it was cut off before its protocol.
///
/// What stands in square brackets behind it is the packet that an ICMP error is about, and is left
/// alone.
pub fn read_line(line: &[u8]) -> Option<LoggedPacket<'_>> {
    let start = memmem::find(line, b"IN=")?;
    let inside = memmem::find(&line[start..], b" [SRC=").unwrap_or(line.len() - start);
    let words = str::from_utf8(&line[start..start + inside]).ok()?;
    let protocol_at = words.find(" PROTO=")?;
    let behind = &words[protocol_at + 1..];
    Some(LoggedPacket {
        prefix: prefix(str::from_utf8(&line[..start]).unwrap_or_default()),
        in_interface: words[3..].split(' ').next().unwrap_or_default(),
        out_interface: field(words, " OUT=")?,
        source: address(words, " SRC=")?,
        destination: address(words, " DST=")?,
        protocol: field(words, " PROTO=")?,
        length: parsed(words, " LEN="),
        ttl: parsed(words, " TTL=").or_else(|| parsed(words, " HOPLIMIT=")),
        source_port: parsed(behind, " SPT="),
        destination_port: parsed(behind, " DPT="),
        flags: flags(behind),
    })
}

fn field<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    let at = memmem::find(words.as_bytes(), name.as_bytes())? + name.len();
    let value = &words[at..];
    Some(&value[..memchr::memchr2(b' ', b'\n', value.as_bytes()).unwrap_or(value.len())])
}

fn parsed<T: FromStr>(words: &str, name: &str) -> Option<T> {
    field(words, name)?.parse().ok()
}

fn address(words: &str, name: &str) -> Option<IpAddr> {
    Some(field(words, name)?.parse::<IpAddr>().ok()?.to_canonical())
}

/// Returns the rule's prefix: what comes behind the kernel's name and its stamp.
fn prefix(before: &str) -> &str {
    let own = before.split_once("kernel:").map_or(before, |(_, own)| own).trim();
    let stamp = own.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let is_stamp =
        |text: &str| text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    stamp.filter(|(text, _)| is_stamp(text)).map_or(own, |(_, own)| own).trim()
}

/// Returns the flags whose words stand alone.
fn flags(words: &str) -> u8 {
    let named = |word: &str| FLAGS.iter().position(|flag| *flag == word);
    words.split(' ').filter_map(named).fold(0, |flags, bit| flags | 0x80 >> bit)
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
        assert_eq!((packet.prefix, packet.in_interface), ("IPTABLES-BLOCKED:", "eth0"));
        assert_eq!((packet.source, packet.protocol), ("192.0.2.7".parse().unwrap(), "TCP"));
        assert_eq!((packet.source_port, packet.destination_port), (Some(4000), Some(22)));
        assert_eq!((packet.length, packet.ttl, packet.flags), (Some(60), Some(64), 0x02));
    }

    #[test]
    fn the_packet_inside_an_icmp_error_is_not_the_packet() {
        let line = "kernel: [UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=88 PROTO=ICMP \
                    TYPE=3 CODE=3 [SRC=203.0.113.9 DST=192.0.2.7 LEN=60 PROTO=UDP SPT=53 DPT=99 ] ";
        let packet = read_line(line.as_bytes()).unwrap();
        assert_eq!(packet.source, "192.0.2.7".parse::<IpAddr>().unwrap());
        assert_eq!((packet.prefix, packet.protocol), ("[UFW BLOCK]", "ICMP"));
        assert_eq!((packet.source_port, packet.destination_port), (None, None));
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
