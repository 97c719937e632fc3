//! TCP connections with other hosts: who has them, since when, and which process asks for too many.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::Duration,
};

use portguard_core::{Evidence, Fact, Health, Note, Owner, Timestamp};
use portguard_linux::traffic::{self, Conversation};

use crate::{clock, config::FanoutPlan, daemon::inbox::Inbox};

use super::tell;

const NAME: &str = "connections";

/// How often the kernel is asked as long as connections come and go, and otherwise.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_IDLY: Duration = Duration::from_secs(10);

/// Most connections that are known one by one; the kernel tells of those it comes to first.
const MOST: usize = 8_192;

/// Most processes whose connections are counted, and most peers of each.
const MOST_PROCESSES: usize = 1_024;
const MOST_PEERS: usize = 1_024;

/// A process is told of once in this time.
const SILENT_FOR: Duration = Duration::from_secs(600);

/// A connection with what is known of it beside what the kernel says.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) conversation: Conversation,
    /// When it was seen first.
    pub(crate) since: Timestamp,
    pub(crate) owner: Option<Owner>,
}

/// The connections as they were a moment ago.
#[derive(Debug, Default)]
struct Table {
    known: BTreeMap<u64, Known>,
    /// How many more there are.
    more: usize,
    has_changed: bool,
}

/// The table, and what is looked for in it; `None`: nothing.
#[derive(Default)]
pub(crate) struct Connections {
    table: RwLock<Table>,
    /// Those that were new when somebody asked.
    begun: Mutex<Vec<Known>>,
    plan: RwLock<Option<Arc<FanoutPlan>>>,
}

impl Connections {
    pub(crate) fn new(plan: Option<FanoutPlan>) -> Arc<Self> {
        let new = Self::default();
        new.configure(plan);
        Arc::new(new)
    }

    /// Takes new settings over.
    pub(crate) fn configure(&self, plan: Option<FanoutPlan>) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = plan.map(Arc::new);
    }

    /// Returns the connections, those that began last first.
    fn list(&self) -> (Vec<Known>, usize) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Known> = table.known.values().cloned().collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.since, one.conversation.cookie)));
        (all, table.more)
    }

    /// Takes what the kernel says now over into the table, and returns what is new in it.
    fn take(&self, found: Vec<Conversation>, more: usize) -> Vec<Known> {
        let now = clock::now();
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = |one: &Conversation| !table.known.contains_key(&one.cookie);
        let new: Vec<Conversation> = found.iter().filter(|one| is_new(one)).cloned().collect();
        let owners = if new.is_empty() { BTreeMap::new() } else { traffic::owners(&new) };
        let mut before = std::mem::take(&mut table.known);
        let mut begun = Vec::new();
        for conversation in found {
            let cookie = conversation.cookie;
            let known = if let Some(known) = before.remove(&cookie) {
                Known { conversation, ..known }
            } else {
                let owner = owners.get(&conversation.inode).cloned();
                let known = Known { conversation, since: now, owner };
                begun.push(known.clone());
                known
            };
            table.known.insert(cookie, known);
        }
        table.has_changed = !begun.is_empty() || !before.is_empty();
        table.more = more;
        begun
    }

    /// Returns whether connections came or went when the kernel was asked last.
    fn has_changed(&self) -> bool {
        self.table.read().unwrap_or_else(PoisonError::into_inner).has_changed
    }

    /// Asks the kernel again, and returns the connections, those that began last first.
    pub(crate) fn list_anew(&self) -> io::Result<(Vec<Known>, usize)> {
        let (found, more) = traffic::conversations(MOST)?;
        let begun = self.take(found, more);
        let mut new = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        new.extend(begun);
        new.truncate(MOST);
        drop(new);
        Ok(self.list())
    }

    fn plan(&self) -> Option<Arc<FanoutPlan>> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Watches on a thread of its own.
pub(crate) fn start(connections: Arc<Connections>, inbox: Inbox) -> io::Result<()> {
    super::start(NAME, move || watch(&connections, &inbox)).map(drop)
}

fn watch(connections: &Connections, inbox: &Inbox) {
    let mut fanout = Fanout::default();
    let mut told = None;
    loop {
        let mut pause = LOOK_IDLY;
        let health = match traffic::conversations(MOST) {
            Ok((found, more)) => {
                let mut begun = connections.take(found, more);
                begun.append(&mut connections.begun.lock().unwrap_or_else(PoisonError::into_inner));
                if !begun.is_empty() || connections.has_changed() {
                    pause = LOOK_EVERY;
                }
                if let Some(plan) = connections.plan() {
                    for note in fanout.take(&plan, &begun, clock::now()) {
                        inbox.deliver(Fact::Noted(note));
                    }
                }
                Health::Good
            }
            Err(error) => Health::Broken(error.to_string()),
        };
        if told.as_ref() != Some(&health) {
            tell(inbox, NAME, health.clone());
            told = Some(health);
        }
        thread::sleep(pause);
    }
}

/// Counts the peers that each process asked for a connection.
#[derive(Debug, Default)]
struct Fanout {
    /// By process id and name; a process that is over goes when there is no room.
    processes: BTreeMap<(u32, Arc<str>), Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    peers: VecDeque<(Timestamp, SocketAddr)>,
    told: Option<Timestamp>,
}

impl Fanout {
    fn take(&mut self, plan: &FanoutPlan, begun: &[Known], now: Timestamp) -> Vec<Note> {
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

    use super::*;

    fn known(pid: u32, name: &str, peer: &str) -> Known {
        let conversation = Conversation {
            cookie: 1,
            local: "192.0.2.1:40000".parse().unwrap(),
            peer: peer.parse().unwrap(),
            state: "syn-sent",
            is_outbound: true,
            received: 0,
            sent: 0,
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
