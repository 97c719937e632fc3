//! The connections of this host as one table: what its sockets say and what the kernel tracks of the
//! same connection is one row. Pure.

use std::{collections::BTreeSet, net::SocketAddr};

use portguard_core::{Owner, Protocol, Timestamp};

use super::{
    Known,
    tracked::{Asker, Direction, Ends, Seen},
    tracking::{Flow, Reading},
};

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seen: Seen,
    /// When it began, or was seen first.
    pub(crate) since: Timestamp,
    pub(crate) owner: Option<Owner>,
    /// The number of the user whose socket it is.
    pub(crate) user: Option<u32>,
}

/// Returns what a socket's connection is called.
pub(super) fn ends(local: SocketAddr, peer: SocketAddr) -> Ends {
    Ends { protocol: Protocol::Tcp.number(), local, peer }
}

/// Returns the rows of sockets and of what only the kernel tracks, those that began last first.
pub(super) fn rows(known: Vec<Known>, reading: &Reading, now: Timestamp) -> Vec<Row> {
    let mut taken = BTreeSet::new();
    let mut rows = Vec::with_capacity(known.len());
    for one in known {
        let ends = ends(one.conversation.local, one.conversation.peer);
        taken.insert(ends);
        rows.push(of_socket(one, ends, reading.flows.get(&ends), now));
    }
    // What had a socket and has none any more is over.
    let is_alone = |flow: &&Flow| !flow.has_socket && !taken.contains(&flow.tracked.seen.ends);
    rows.extend(reading.flows.values().filter(is_alone).map(of_flow));
    rows.sort_by_key(|row| (std::cmp::Reverse(row.since), row.seen.ends));
    rows
}

fn of_socket(known: Known, ends: Ends, flow: Option<&Flow>, now: Timestamp) -> Row {
    let Known { conversation, since, owner } = known;
    let tracked = flow.map(|flow| flow.tracked.seen);
    let (direction, asker) = if conversation.is_outbound {
        (Direction::Out, Asker::Local)
    } else {
        (Direction::In, Asker::Peer)
    };
    let seen = Seen {
        ends,
        direction,
        asker,
        outside: tracked.and_then(|one| one.outside),
        real_peer: tracked.and_then(|one| one.real_peer),
        state: conversation.state,
        bytes: conversation.bytes.or(tracked.and_then(|one| one.bytes)),
    };
    Row {
        seen,
        since: flow.and_then(|flow| flow.tracked.begun).unwrap_or(since).min(now),
        owner,
        user: Some(conversation.user),
    }
}

fn of_flow(flow: &Flow) -> Row {
    Row { seen: flow.tracked.seen, since: flow.since, owner: flow.owner.clone(), user: None }
}

#[cfg(test)]
mod tests {
    use portguard_linux::traffic::Conversation;

    use super::*;
    use crate::daemon::source::connections::tracked::Tracked;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn socket(local: &str, peer: &str, bytes: Option<(u64, u64)>) -> Known {
        let conversation = Conversation {
            cookie: 1,
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            state: "established",
            is_outbound: false,
            bytes,
            inode: 1,
            user: 33,
        };
        Known { conversation, since: NOW, owner: None }
    }

    fn flow(protocol: u8, local: &str, peer: &str, has_socket: bool) -> (Ends, Flow) {
        let ends = Ends { protocol, local: local.parse().unwrap(), peer: peer.parse().unwrap() };
        let seen = Seen {
            ends,
            direction: Direction::In,
            asker: Asker::Peer,
            outside: Some("192.0.2.1:80".parse().unwrap()),
            real_peer: None,
            state: "syn-recv",
            bytes: Some((70, 80)),
        };
        let tracked = Tracked { seen, begun: Some(Timestamp::from_secs(400)), id: 1 };
        (ends, Flow { tracked, since: Timestamp::from_secs(400), has_socket, owner: None })
    }

    /// Returns `state received since` of each row.
    fn told(known: Vec<Known>, flows: Vec<(Ends, Flow)>) -> Vec<String> {
        let reading = Reading { flows: flows.into_iter().collect(), ..Reading::default() };
        let told = rows(known, &reading, NOW).into_iter().map(|row| {
            let received = row.seen.bytes.map(|(received, _)| received);
            let outside = row.seen.outside.map(|end| format!(" {end}")).unwrap_or_default();
            format!("{} {received:?} {}{outside}", row.seen.state, row.since.as_millis() / 1_000)
        });
        told.collect()
    }

    #[test]
    fn a_socket_and_what_is_tracked_of_it_are_one_row() {
        let (local, peer) = ("192.0.2.1:8080", "203.0.113.9:40");
        let both = told(
            vec![socket(local, peer, Some((5, 6)))],
            vec![flow(6, local, peer, true), flow(17, local, peer, false)],
        );
        assert_eq!(
            both,
            ["established Some(5) 400 192.0.2.1:80", "syn-recv Some(70) 400 192.0.2.1:80"]
        );
        // A socket whose bytes the kernel does not know any more.
        let over = told(vec![socket(local, peer, None)], vec![flow(6, local, peer, true)]);
        assert_eq!(over, ["established Some(70) 400 192.0.2.1:80"]);
    }

    #[test]
    fn without_tracking_the_sockets_are_all() {
        let known = vec![socket("192.0.2.1:8080", "203.0.113.9:40", Some((5, 6)))];
        assert_eq!(told(known, Vec::new()), ["established Some(5) 1000"]);
    }

    #[test]
    fn what_lost_its_socket_since_it_was_read_is_over() {
        let (local, peer) = ("192.0.2.1:8080", "203.0.113.9:40");
        assert_eq!(told(Vec::new(), vec![flow(6, local, peer, true)]), [""; 0]);
        assert_eq!(told(Vec::new(), vec![flow(6, local, peer, false)]).len(), 1);
    }
}
