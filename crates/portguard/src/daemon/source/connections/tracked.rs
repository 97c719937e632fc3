//! A connection that the kernel tracks, seen from this host: which end is here, who asked, and what
//! the other side sees where addresses are translated. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::ValueEnum;
use portguard_core::{Subject, Timestamp};
use portguard_linux::{conntrack::Flow, host::Attached};

/// The two ends of a connection; ports are 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ends {
    /// The IP protocol.
    pub(crate) protocol: u8,
    /// The end here: of a forwarded connection the machine behind this host.
    pub(crate) local: SocketAddr,
    /// The other end, as the end here knows it.
    pub(crate) peer: SocketAddr,
}

/// Where a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// To this host.
    In,
    /// From this host.
    Out,
    /// Through this host.
    Forwarded,
}

impl Direction {
    /// Returns what faces call it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Forwarded => "forwarded",
        }
    }
}

/// Who asked for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The end here.
    Local,
    /// The other end.
    Peer,
}

/// A connection as it is shown, whoever knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ends: Ends,
    pub(crate) direction: Direction,
    pub(crate) asker: Asker,
    /// What the peer sees of the end here, where that is something else.
    pub(crate) outside: Option<SocketAddr>,
    /// Who the peer really is, where the end here sees something else.
    pub(crate) real_peer: Option<SocketAddr>,
    pub(crate) state: &'static str,
    /// Bytes that came from the peer and that went to it: of a TCP socket what was said, otherwise
    /// whole packets; `None` where they are not counted.
    pub(crate) bytes: Option<(u64, u64)>,
}

/// A tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tracked {
    pub(crate) seen: Seen,
    /// When it began, if the kernel keeps that.
    pub(crate) begun: Option<Timestamp>,
    /// The kernel's number.
    pub(crate) id: u32,
}

impl Tracked {
    /// Returns what a flow is to this host; `None` for what it says to itself.
    pub(crate) fn of(flow: &Flow, host: &Attached) -> Option<Self> {
        let (direction, asker) = way(flow, host)?;
        let (question, reply) = (flow.question, flow.reply);
        let (local, outside, peer, real) = match asker {
            Asker::Local => {
                (question.source, reply.destination, question.destination, reply.source)
            }
            Asker::Peer => (reply.source, question.destination, reply.destination, question.source),
        };
        if peer.ip().is_loopback() {
            return None;
        }
        let bytes = flow.bytes.map(|(question, reply)| match asker {
            Asker::Local => (reply, question),
            Asker::Peer => (question, reply),
        });
        let millis = |begun: std::time::Duration| u64::try_from(begun.as_millis()).unwrap_or(0);
        let seen = Seen {
            ends: Ends { protocol: flow.protocol, local, peer },
            direction,
            asker,
            outside: (outside != local).then_some(outside),
            real_peer: (real != peer).then_some(real),
            state: flow.state,
            bytes,
        };
        Some(Self { seen, begun: flow.begun.map(millis).map(Timestamp::from_millis), id: flow.id })
    }
}

/// Returns where a flow goes, and which end asked for it; `None` if both are this host.
fn way(flow: &Flow, host: &Attached) -> Option<(Direction, Asker)> {
    let (asker, server) = (flow.question.source.ip(), flow.reply.source.ip());
    let is_here = |address: IpAddr| host.addresses.contains(&address);
    match (is_here(asker), is_here(server)) {
        (true, true) => None,
        (true, false) => Some((Direction::Out, Asker::Local)),
        (false, true) => Some((Direction::In, Asker::Peer)),
        // What is said to everybody is said to this host.
        (false, false) if is_for_all(server, host) => Some((Direction::In, Asker::Peer)),
        (false, false) => Some((Direction::Forwarded, forwarded_for(flow, host))),
    }
}

fn is_for_all(address: IpAddr, host: &Attached) -> bool {
    address.is_multicast()
        || address == IpAddr::V4(Ipv4Addr::BROADCAST)
        || host.broadcasts.contains(&address)
}

/// Returns which end of a forwarded flow is behind this host: the one whose address is translated,
/// otherwise the one on a link of this host, and if that is both, the one that was asked.
fn forwarded_for(flow: &Flow, host: &Attached) -> Asker {
    let (asker, server) = (flow.question.source, flow.reply.source);
    let is_on_link = |end: SocketAddr| {
        let address = Subject::address(end.ip());
        host.networks.iter().any(|network| network.covers(&address))
    };
    if server != flow.question.destination {
        Asker::Peer
    } else if asker != flow.reply.destination || (is_on_link(asker) && !is_on_link(server)) {
        Asker::Local
    } else {
        Asker::Peer
    }
}

#[cfg(test)]
mod tests {
    use portguard_linux::conntrack::Pair;

    use super::*;

    /// A host that is `192.0.2.1/24` outside and `172.17.0.1/16` towards its containers.
    fn host() -> Attached {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let on = |text: &str| text.parse::<Subject>().unwrap();
        Attached {
            addresses: ["127.0.0.1", "192.0.2.1", "172.17.0.1", "2001:db8::1"].map(at).into(),
            broadcasts: [at("192.0.2.255")].into(),
            networks: ["127.0.0.0/8", "192.0.2.0/24", "172.17.0.0/16", "2001:db8::/64"]
                .map(on)
                .into(),
        }
    }

    /// Reads `asker > server`, or `asker > server / server > asker` where they are translated.
    fn flow(text: &str) -> Flow {
        let pair = |text: &str| {
            let (source, destination) = text.split_once(" > ").unwrap();
            Pair { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
        };
        let (question, reply) = text.split_once(" / ").unzip();
        let question = pair(question.unwrap_or(text));
        let reversed = Pair { source: question.destination, destination: question.source };
        Flow {
            id: 1,
            protocol: 17,
            question,
            reply: reply.map_or(reversed, pair),
            state: "replied",
            is_over: false,
            bytes: Some((10, 200)),
            begun: None,
        }
    }

    fn told(text: &str) -> String {
        let Some(Tracked { seen: one, .. }) = Tracked::of(&flow(text), &host()) else {
            return "nothing".to_owned();
        };
        let outside = one.outside.map(|end| format!(" as {end}")).unwrap_or_default();
        let real = one.real_peer.map(|end| format!(" really {end}")).unwrap_or_default();
        let Seen { direction, asker, ends: Ends { local, peer, .. }, bytes, .. } = one;
        let (received, sent) = bytes.unwrap();
        format!("{direction:?} {asker:?} {local}{outside} {peer}{real} {received} {sent}")
    }

    #[test]
    fn each_way_is_seen_from_this_host() {
        for (text, expected) in [
            ("203.0.113.9:40 > 192.0.2.1:53", "In Peer 192.0.2.1:53 203.0.113.9:40 10 200"),
            ("192.0.2.1:40 > 203.0.113.9:53", "Out Local 192.0.2.1:40 203.0.113.9:53 200 10"),
            ("192.0.2.1:40 > 172.17.0.1:53", "nothing"),
            ("127.0.0.1:40 > 127.0.0.53:53", "nothing"),
            // What is redirected to another port, and what is answered by a service behind an address.
            (
                "203.0.113.9:40 > 192.0.2.1:80 / 192.0.2.1:8080 > 203.0.113.9:40",
                "In Peer 192.0.2.1:8080 as 192.0.2.1:80 203.0.113.9:40 10 200",
            ),
            (
                "192.0.2.1:40 > 10.96.0.1:443 / 203.0.113.5:6443 > 192.0.2.1:40",
                "Out Local 192.0.2.1:40 10.96.0.1:443 really 203.0.113.5:6443 200 10",
            ),
            // To everybody.
            ("192.0.2.7:40 > 192.0.2.255:137", "In Peer 192.0.2.255:137 192.0.2.7:40 10 200"),
            ("192.0.2.7:40 > 224.0.0.251:53", "In Peer 224.0.0.251:53 192.0.2.7:40 10 200"),
            ("192.0.2.1:40 > 224.0.0.251:53", "Out Local 192.0.2.1:40 224.0.0.251:53 200 10"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn who_is_behind_this_host_is_told_apart_from_the_peer() {
        for (text, expected) in [
            // A published port of a container, and its own way out.
            (
                "203.0.113.9:40 > 192.0.2.1:8080 / 172.17.0.2:80 > 203.0.113.9:40",
                "Forwarded Peer 172.17.0.2:80 as 192.0.2.1:8080 203.0.113.9:40 10 200",
            ),
            (
                "172.17.0.2:40 > 203.0.113.9:443 / 203.0.113.9:443 > 192.0.2.1:40000",
                "Forwarded Local 172.17.0.2:40 as 192.0.2.1:40000 203.0.113.9:443 200 10",
            ),
            // Where the container sees its host instead of the peer, the peer is told.
            (
                "203.0.113.9:40 > 192.0.2.1:8080 / 172.17.0.2:80 > 172.17.0.1:41",
                "Forwarded Peer 172.17.0.2:80 as 192.0.2.1:8080 172.17.0.1:41 \
                 really 203.0.113.9:40 10 200",
            ),
            // Without translation.
            (
                "[2001:db8::5]:40 > [2001:db8:9::1]:443",
                "Forwarded Local [2001:db8::5]:40 [2001:db8:9::1]:443 200 10",
            ),
            (
                "[2001:db8:9::1]:40 > [2001:db8::5]:443",
                "Forwarded Peer [2001:db8::5]:443 [2001:db8:9::1]:40 10 200",
            ),
            ("192.0.2.7:40 > 172.17.0.2:80", "Forwarded Peer 172.17.0.2:80 192.0.2.7:40 10 200"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
