//! Which process of this host asks too many peers for a connection.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use portguard_core::{Evidence, Note, Owner, Timestamp};

use crate::config::FanoutPlan;

use super::Known;

/// Most processes whose connections are counted, and most peers of each.
const MOST_PROCESSES: usize = 1_024;
const MOST_PEERS: usize = 1_024;

/// A process is told of once in this time.
const SILENT_FOR: Duration = Duration::from_secs(600);

/// Counts the peers that each process asked for a connection.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    /// By process id and name; a process that is over goes when there is no room.
    processes: BTreeMap<(u32, Arc<str>), Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    peers: VecDeque<(Timestamp, SocketAddr)>,
    told: Option<Timestamp>,
}

impl Fanout {
    /// Takes connections that began, and returns what is to be told.
    pub(super) fn take(&mut self, plan: &FanoutPlan, begun: &[Known], now: Timestamp) -> Vec<Note> {
        let mut notes = Vec::new();
        for known in begun.iter().filter(|known| known.conversation.is_outbound) {
            let Some(owner) = &known.owner else { continue };
            let Some(pid) = owner.pid else { continue };
            if plan.ignore.iter().any(|name| **name == *owner.name) {
                continue;
            }
            let key = (pid, owner.name.clone());
            if self.processes.len() >= MOST_PROCESSES && !self.processes.contains_key(&key) {
                self.processes.retain(|_, asked| asked.is_of_use(plan.limit.within, now));
                if self.processes.len() >= MOST_PROCESSES {
                    continue;
                }
            }
            let asked = self.processes.entry(key).or_default();
            let peers = asked.add(known.conversation.peer, plan.limit.within, now);
            let is_silent = asked.told.is_some_and(|told| now.since(told) < SILENT_FOR);
            if peers >= plan.limit.count as usize && !is_silent {
                asked.told = Some(now);
                notes.push(note(plan, owner, asked, peers));
            }
        }
        notes
    }
}

impl Asked {
    /// Adds a peer, and returns how many different ones there were within a time.
    fn add(&mut self, peer: SocketAddr, within: Duration, now: Timestamp) -> usize {
        self.peers.retain(|(at, known)| *known != peer && now.since(*at) <= within);
        if self.peers.len() >= MOST_PEERS {
            self.peers.pop_front();
        }
        self.peers.push_back((now, peer));
        self.peers.len()
    }

    fn is_of_use(&self, within: Duration, now: Timestamp) -> bool {
        self.peers.back().is_some_and(|(at, _)| now.since(*at) <= within)
    }
}

fn note(plan: &FanoutPlan, owner: &Owner, asked: &Asked, peers: usize) -> Note {
    let ports: BTreeSet<u16> = asked.peers.iter().map(|(_, peer)| peer.port()).collect();
    let some = |name: &'static str, value: Option<String>| value.map(|value| (name, value));
    let named: Vec<String> = ports.iter().take(8).map(ToString::to_string).collect();
    let evidence = [
        some("process", Some(owner.name.to_string())),
        some("pid", owner.pid.map(|pid| pid.to_string())),
        some("program", owner.exe.as_ref().map(ToString::to_string)),
        some("unit", owner.unit.as_ref().map(ToString::to_string)),
        some("user", Some(owner.user.to_string())),
        some("peers", Some(peers.to_string())),
        some("ports", Some(named.join(" "))),
        some("within", Some(portguard_core::Span::For(plan.limit.within).to_string())),
    ];
    Note::Anomaly {
        origin: "anomaly process_fanout".into(),
        severity: plan.limit.severity,
        evidence: Evidence(evidence.into_iter().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    use portguard_core::{Severity, anomaly::Limit};
    use portguard_linux::traffic::Conversation;

    use super::*;

    fn known(pid: u32, name: &str, peer: &str) -> Known {
        let conversation = Conversation {
            cookie: 1,
            local: "192.0.2.1:40000".parse().unwrap(),
            peer: peer.parse().unwrap(),
            state: "syn-sent",
            is_outbound: true,
            bytes: None,
            inode: 1,
            user: 0,
        };
        let owner = Owner {
            pid: Some(pid),
            name: name.into(),
            exe: None,
            user: "root".into(),
            unit: None,
            container: None,
        };
        Known { conversation, since: Timestamp::default(), owner: Some(owner) }
    }

    #[test]
    fn a_process_that_asks_many_is_told_of_once() {
        let plan = FanoutPlan {
            limit: Limit { count: 3, within: Duration::from_secs(60), severity: Severity::Medium },
            ignore: vec!["firefox".into()],
        };
        let mut fanout = Fanout::default();
        let mut at = |second: u64, peer: &str, name: &str| {
            let begun = [known(7, name, peer)];
            fanout.take(&plan, &begun, Timestamp::from_secs(1_000 + second)).len()
        };
        assert_eq!([at(0, "203.0.113.1:25", "bot"), at(1, "203.0.113.2:25", "bot")], [0, 0]);
        assert_eq!(at(2, "203.0.113.2:25", "bot"), 0);
        assert_eq!([at(3, "203.0.113.3:25", "bot"), at(4, "203.0.113.4:25", "bot")], [1, 0]);
        for number in 1..9 {
            assert_eq!(at(5, &format!("203.0.113.{number}:443"), "firefox"), 0);
        }
        assert_eq!(at(700, "203.0.113.9:25", "bot"), 0);
    }
}
