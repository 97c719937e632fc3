//! One tracked connection as the kernel writes it (`linux/netfilter/nfnetlink_conntrack.h`). Pure;
//! what is cut off or makes no sense is left out.
//!
//! The typed messages of `netlink-packet-netfilter` know neither counters, moments, numbers nor
//! protocols beside TCP, and cost some twenty allocations for each connection; this costs none.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::netlink::wire::{attribute, attributes, u16_be, u32_be, u64_be};

/// `enum ctattr_type`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOCOL_INFO: u16 = 4;
const COUNTERS_ORIGINAL: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const ID: u16 = 12;
const TIMES: u16 = 20;

/// `enum ctattr_tuple`.
const ADDRESSES: u16 = 1;
const PROTOCOL: u16 = 2;

/// `enum ctattr_ip`.
const V4_SOURCE: u16 = 1;
const V4_DESTINATION: u16 = 2;
const V6_SOURCE: u16 = 3;
const V6_DESTINATION: u16 = 4;

/// `enum ctattr_l4proto`.
const NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

/// `enum ctattr_counters` and `enum ctattr_tstamp`.
const BYTES: u16 = 2;
const BEGUN: u16 = 1;

/// `enum ctattr_protoinfo`; the state is the first attribute of either.
const TCP_INFO: u16 = 1;
const SCTP_INFO: u16 = 3;
const STATE: u16 = 1;

/// `IPS_SEEN_REPLY` and `IPS_ASSURED` (`linux/netfilter/nf_conntrack_common.h`).
const SEEN_REPLY: u32 = 1 << 1;
const ASSURED: u32 = 1 << 2;

/// `enum tcp_conntrack` (`linux/netfilter/nf_conntrack_tcp.h`), in the words of `ss`.
const TCP_STATES: [&str; 10] = [
    "none",
    "syn-sent",
    "syn-recv",
    "established",
    "fin-wait",
    "close-wait",
    "last-ack",
    "time-wait",
    "close",
    "syn-sent-2",
];
const TCP_TIME_WAIT: u8 = 7;
const TCP_CLOSE: u8 = 8;

/// `enum sctp_conntrack` (`linux/netfilter/nf_conntrack_sctp.h`).
const SCTP_STATES: [&str; 9] = [
    "none",
    "closed",
    "cookie-wait",
    "cookie-echoed",
    "established",
    "shutdown-sent",
    "shutdown-recd",
    "shutdown-ack-sent",
    "heartbeat-sent",
];
const SCTP_CLOSED: u8 = 1;

/// Who sends to whom. A protocol without ports has port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who sends.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
}

/// A tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The kernel's number of it; a later one between the same ends has another.
    pub id: u32,
    /// The IP protocol.
    pub protocol: u8,
    /// Who asked whom, as the packets were when they came.
    pub question: Pair,
    /// How answers come: where the kernel translates addresses, this is no mere reversal.
    pub reply: Pair,
    /// How far it is: TCP's and SCTP's own states, otherwise `unreplied`, `replied` or `assured`.
    pub state: &'static str,
    /// Whether both sides have ended it; the kernel remembers it for a while.
    pub is_over: bool,
    /// Bytes of the packets of who asked, and of the answers; `None` where they are not counted.
    pub bytes: Option<(u64, u64)>,
    /// When it began, since 1970; `None` where that is not kept.
    pub begun: Option<Duration>,
}

/// Reads what follows the header of a netfilter message; `None` if it is no whole connection.
pub fn read_flow(body: &[u8]) -> Option<Flow> {
    let (mut question, mut reply, mut status, mut id) = (None, None, 0, 0);
    let (mut info, mut begun) = (None, None);
    let (mut sent, mut received) = (None, None);
    for (kind, value) in attributes(body) {
        match kind {
            ORIGINAL => question = pair(value),
            REPLY => reply = pair(value),
            STATUS => status = u32_be(value)?,
            PROTOCOL_INFO => info = Some(value),
            COUNTERS_ORIGINAL => sent = attribute(value, BYTES).and_then(u64_be),
            COUNTERS_REPLY => received = attribute(value, BYTES).and_then(u64_be),
            ID => id = u32_be(value)?,
            TIMES => begun = attribute(value, BEGUN).and_then(u64_be).map(Duration::from_nanos),
            _ => {}
        }
    }
    let ((protocol, question), (_, reply)) = (question?, reply?);
    let (state, is_over) = info.and_then(own_state).unwrap_or((common_state(status), false));
    let bytes = sent.zip(received);
    Some(Flow { id, protocol, question, reply, state, is_over, bytes, begun })
}

/// Reads the state of a protocol that has states of its own, and whether it is the last one.
fn own_state(info: &[u8]) -> Option<(&'static str, bool)> {
    attributes(info).find_map(|(kind, value)| {
        let number = *attribute(value, STATE)?.first()?;
        match kind {
            TCP_INFO => {
                let is_over = matches!(number, TCP_TIME_WAIT | TCP_CLOSE);
                Some((*TCP_STATES.get(usize::from(number))?, is_over))
            }
            SCTP_INFO => Some((*SCTP_STATES.get(usize::from(number))?, number == SCTP_CLOSED)),
            _ => None,
        }
    })
}

fn common_state(status: u32) -> &'static str {
    if status & ASSURED != 0 {
        "assured"
    } else if status & SEEN_REPLY != 0 {
        "replied"
    } else {
        "unreplied"
    }
}

/// Reads a `CTA_TUPLE`: the protocol, and who sends to whom.
fn pair(tuple: &[u8]) -> Option<(u8, Pair)> {
    let (mut source, mut destination) = (None, None);
    for (kind, value) in attributes(attribute(tuple, ADDRESSES)?) {
        match kind {
            V4_SOURCE | V6_SOURCE => source = address(value),
            V4_DESTINATION | V6_DESTINATION => destination = address(value),
            _ => {}
        }
    }
    let (mut number, mut source_port, mut destination_port) = (None, 0, 0);
    for (kind, value) in attributes(attribute(tuple, PROTOCOL)?) {
        match kind {
            NUMBER => number = value.first().copied(),
            SOURCE_PORT => source_port = u16_be(value)?,
            DESTINATION_PORT => destination_port = u16_be(value)?,
            _ => {}
        }
    }
    let source = SocketAddr::new(source?, source_port);
    let destination = SocketAddr::new(destination?, destination_port);
    Some((number?, Pair { source, destination }))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from).map(IpAddr::V4);
    let v6 = || <[u8; 16]>::try_from(bytes).map(Ipv6Addr::from).map(IpAddr::V6);
    v4().or_else(|_| v6()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn tuple(kind: u16, protocol: u8, source: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
        let addresses = [nla(V4_SOURCE, &source.0), nla(V4_DESTINATION, &to.0)].concat();
        let ports =
            [nla(SOURCE_PORT, &source.1.to_be_bytes()), nla(DESTINATION_PORT, &to.1.to_be_bytes())];
        let protocol = [nla(NUMBER, &[protocol]), ports.concat()].concat();
        nla(kind, &[nla(ADDRESSES, &addresses), nla(PROTOCOL, &protocol)].concat())
    }

    fn message(protocol: u8, rest: &[u8]) -> Vec<u8> {
        let (client, front, back) =
            (([192, 0, 2, 9], 40_000), ([192, 0, 2, 1], 80), ([172, 17, 0, 2], 8080));
        let tuples =
            [tuple(ORIGINAL, protocol, client, front), tuple(REPLY, protocol, back, client)];
        [tuples.concat(), nla(ID, &7_u32.to_be_bytes()), rest.to_vec()].concat()
    }

    #[test]
    fn a_translated_connection_is_read_whole() {
        let state = nla(PROTOCOL_INFO, &nla(TCP_INFO, &nla(STATE, &[3])));
        let bytes = |kind, count: u64| nla(kind, &nla(BYTES, &count.to_be_bytes()));
        let begun = nla(TIMES, &nla(BEGUN, &1_500_000_000_u64.to_be_bytes()));
        let rest =
            [state, bytes(COUNTERS_ORIGINAL, 600), bytes(COUNTERS_REPLY, 90_000), begun].concat();
        let flow = read_flow(&message(6, &rest)).unwrap();
        let told = (flow.id, flow.protocol, flow.state, flow.is_over, flow.bytes);
        assert_eq!(told, (7, 6, "established", false, Some((600, 90_000))));
        assert_eq!(flow.begun, Some(Duration::from_millis(1_500)));
        assert_eq!(flow.question.destination, "192.0.2.1:80".parse().unwrap());
        assert_eq!(flow.reply.source, "172.17.0.2:8080".parse().unwrap());
        assert_eq!(flow.reply.destination, flow.question.source);
    }

    #[test]
    fn what_has_no_states_of_its_own_is_replied_or_not() {
        for (status, expected) in
            [(8, "unreplied"), (8 | SEEN_REPLY, "replied"), (8 | SEEN_REPLY | ASSURED, "assured")]
        {
            let flow = read_flow(&message(17, &nla(STATUS, &u32::to_be_bytes(status)))).unwrap();
            assert_eq!((flow.state, flow.bytes, flow.begun), (expected, None, None));
        }
    }

    #[test]
    fn what_is_over_is_known() {
        for (protocol, kind, number, expected) in [
            (6, TCP_INFO, 7, ("time-wait", true)),
            (6, TCP_INFO, 5, ("close-wait", false)),
            (6, TCP_INFO, 200, ("unreplied", false)),
            (132, SCTP_INFO, 4, ("established", false)),
            (132, SCTP_INFO, 1, ("closed", true)),
        ] {
            let state = nla(PROTOCOL_INFO, &nla(kind, &nla(STATE, &[number])));
            let flow = read_flow(&message(protocol, &state)).unwrap();
            assert_eq!((flow.state, flow.is_over), expected, "{protocol} {number}");
        }
    }

    #[test]
    fn a_cut_off_message_is_no_connection() {
        let whole = tuple(ORIGINAL, 17, ([192, 0, 2, 9], 1), ([192, 0, 2, 1], 2));
        assert_eq!((0..=whole.len()).find_map(|length| read_flow(&whole[..length])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read_flow(&bytes);
            let _ = read_flow(&message(6, &bytes));
        }
    }
}
