//! The classic lines of the kernel's own log target, which scanners of old can read.
//!
//! Order and spelling of the fields are those of `net/netfilter/nf_log_syslog.c`.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    Transport, Verdict,
    headers::{Fragment, Headers},
};

/// What stands in a line beside the packet's own headers.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// What was decided.
    pub verdict: Verdict,
    /// The interface it came in by; empty if unknown.
    pub in_interface: &'a str,
    /// The interface it would go out by; empty if none.
    pub out_interface: &'a str,
    /// The link's header as it came: destination, source, type.
    pub link_header: &'a [u8],
    /// The packet's mark; 0 for none.
    pub mark: u32,
}

/// Adds the line from the prefix on (`IPTABLES-BLOCKED: IN=eth0 ...`), without its end.
///
/// What goes before it (`Nov 20 22:52:03 host kernel: `) is the caller's, who has a clock.
pub fn write_line(out: &mut String, envelope: &Envelope<'_>, headers: &Headers) {
    let family = if headers.source.is_ipv4() { "IPTABLES" } else { "IP6TABLES" };
    let verdict = match envelope.verdict {
        Verdict::Blocked => "BLOCKED",
        Verdict::Allowed => "ALLOWED",
    };
    let Envelope { in_interface, out_interface, .. } = envelope;
    // Writing to a string does not fail, here and below.
    let _ = write!(out, "{family}-{verdict}: IN={in_interface} OUT={out_interface} MAC=");
    for (index, byte) in envelope.link_header.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        let _ = write!(out, "{colon}{byte:02x}");
    }
    write_addresses(out, headers);
    write_ip(out, headers);
    write_transport(out, headers);
    if envelope.mark != 0 {
        let _ = write!(out, " MARK=0x{:x}", envelope.mark);
    }
}

fn write_addresses(out: &mut String, headers: &Headers) {
    for (name, address) in [("SRC", headers.source), ("DST", headers.destination)] {
        let _ = match address {
            IpAddr::V4(v4) => write!(out, " {name}={v4}"),
            IpAddr::V6(v6) => write!(out, " {name}={}", in_full(v6)),
        };
    }
}

/// Returns an IPv6 address with all its digits, as the kernel writes it.
fn in_full(address: Ipv6Addr) -> String {
    let groups = address.segments().map(|segment| format!("{segment:04x}"));
    groups.join(":")
}

fn write_ip(out: &mut String, headers: &Headers) {
    let Headers { length, ttl, traffic_class, identification, fragment, .. } = *headers;
    if headers.source.is_ipv6() {
        let _ =
            write!(out, " LEN={length} TC={traffic_class} HOPLIMIT={ttl} FLOWLBL={identification}");
        return;
    }
    let (tos, precedence) = (traffic_class & 0x1e, traffic_class & 0xe0);
    let _ = write!(
        out,
        " LEN={length} TOS=0x{tos:02X} PREC=0x{precedence:02X} TTL={ttl} ID={identification}"
    );
    let Fragment { dont, more, offset } = fragment;
    for (is_set, word) in [(dont, " DF"), (more, " MF")] {
        out.push_str(if is_set { word } else { "" });
    }
    if offset > 0 {
        let _ = write!(out, " FRAG:{offset}");
    }
}

fn write_transport(out: &mut String, headers: &Headers) {
    let icmp = if headers.source.is_ipv4() { "ICMP" } else { "ICMPv6" };
    let _ = match headers.transport {
        Transport::Tcp { source, destination, flags, reserved, window, urgent, .. } => {
            let flags = flag_words(flags);
            write!(
                out,
                " PROTO=TCP SPT={source} DPT={destination} WINDOW={window} RES=0x{reserved:02x}\
                 {flags} URGP={urgent}"
            )
        }
        Transport::Udp { source, destination, length } => {
            write!(out, " PROTO=UDP SPT={source} DPT={destination} LEN={length}")
        }
        Transport::Icmp { kind, code, echo: Some((id, sequence)) } => {
            write!(out, " PROTO={icmp} TYPE={kind} CODE={code} ID={id} SEQ={sequence}")
        }
        Transport::Icmp { kind, code, echo: None } => {
            write!(out, " PROTO={icmp} TYPE={kind} CODE={code}")
        }
        Transport::Unknown => match protocol_word(headers.protocol, icmp) {
            Some(word) => write!(out, " PROTO={word}"),
            None => write!(out, " PROTO={}", headers.protocol),
        },
    };
}

fn protocol_word(protocol: u8, icmp: &'static str) -> Option<&'static str> {
    match protocol {
        1 | 58 => Some(icmp),
        6 => Some("TCP"),
        17 => Some("UDP"),
        _ => None,
    }
}

/// Names of the TCP flags in the kernel's order, with their bits.
const FLAGS: [(u8, &str); 8] = [
    (0x80, " CWR"),
    (0x40, " ECE"),
    (0x20, " URG"),
    (0x10, " ACK"),
    (0x08, " PSH"),
    (0x04, " RST"),
    (0x02, " SYN"),
    (0x01, " FIN"),
];

/// Returns the names of the flags that are set, each with a space before it.
pub fn flag_words(flags: u8) -> String {
    FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word).collect()
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::headers::read_headers;

    fn check(builder: impl FnOnce(&mut Vec<u8>), verdict: Verdict, expect: &str) {
        let mut bytes = Vec::new();
        builder(&mut bytes);
        let link_header = [2, 0xfc, 0, 0, 0, 1, 2, 0xfc, 0, 0, 0, 2, 8, 0];
        let envelope = Envelope {
            verdict,
            in_interface: "eth0",
            out_interface: "",
            link_header: &link_header,
            mark: 0,
        };
        let mut line = String::new();
        write_line(&mut line, &envelope, &read_headers(&bytes).unwrap());
        assert_eq!(line, expect);
    }

    #[test]
    fn lines_are_the_kernels_own() {
        check(
            |bytes| {
                let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 54);
                builder.tcp(40_000, 23, 1, 1024).syn().write(bytes, &[]).unwrap();
            },
            Verdict::Blocked,
            "IPTABLES-BLOCKED: IN=eth0 OUT= MAC=02:fc:00:00:00:01:02:fc:00:00:00:02:08:00 \
             SRC=192.0.2.7 DST=198.51.100.1 LEN=40 TOS=0x00 PREC=0x00 TTL=54 ID=0 DF PROTO=TCP \
             SPT=40000 DPT=23 WINDOW=1024 RES=0x00 SYN URGP=0",
        );
        check(
            |bytes| {
                let builder = PacketBuilder::ipv6([0x20; 16], [0x30; 16], 64);
                builder.udp(5353, 53).write(bytes, &[1, 2, 3]).unwrap();
            },
            Verdict::Allowed,
            "IP6TABLES-ALLOWED: IN=eth0 OUT= MAC=02:fc:00:00:00:01:02:fc:00:00:00:02:08:00 \
             SRC=2020:2020:2020:2020:2020:2020:2020:2020 \
             DST=3030:3030:3030:3030:3030:3030:3030:3030 LEN=51 TC=0 HOPLIMIT=64 FLOWLBL=0 \
             PROTO=UDP SPT=5353 DPT=53 LEN=11",
        );
        check(
            |bytes| {
                let builder = PacketBuilder::ipv4([192, 0, 2, 7], [198, 51, 100, 1], 64);
                builder.icmpv4_echo_request(7, 3).write(bytes, &[]).unwrap();
            },
            Verdict::Blocked,
            "IPTABLES-BLOCKED: IN=eth0 OUT= MAC=02:fc:00:00:00:01:02:fc:00:00:00:02:08:00 \
             SRC=192.0.2.7 DST=198.51.100.1 LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=ICMP \
             TYPE=8 CODE=0 ID=7 SEQ=3",
        );
    }
}
