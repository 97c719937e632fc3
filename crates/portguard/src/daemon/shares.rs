//! Ports that are shared: who may share what, and one thread with a small runtime for each share.
//!
//! Nothing of it exists while nothing is shared. A share ends when its time is over, when it is
//! stopped, when its port comes into `ports.never`, and with the daemon. It starts no process, so
//! that nothing of it outlives the daemon.

mod row;
mod thread;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    thread::JoinHandle,
};

use portguard_api::share::Share;
use portguard_core::{Author, Fact, Note, Port, Protocol, Refusal, ShareEnd, ShareStep, Span};
use portguard_linux::holder::{self, Held};
use portguard_reach::share::KnownHosts;
use tokio::sync::oneshot;

use crate::config::{Route, SharePlan};

use super::inbox::Inbox;

use row::Row;

/// How many ports may be shared at once. Each costs a thread, a connection and at most 32 MiB while
/// strangers send more than the port takes.
const MOST_SHARES: usize = 8;

/// The ports that are shared.
pub(super) struct Shares {
    plan: RwLock<SharePlan>,
    /// The one file of host keys, shared so that no two shares write it at once.
    known_hosts: RwLock<KnownHosts>,
    running: Mutex<BTreeMap<u16, Running>>,
    inbox: Inbox,
}

/// A share and its thread.
struct Running {
    row: Arc<Row>,
    end: oneshot::Sender<ShareEnd>,
    thread: JoinHandle<()>,
}

/// What an operator wants to share.
pub(super) struct Order {
    pub(super) port: Port,
    pub(super) route: Route,
    pub(super) span: Span,
    pub(super) author: Author,
    /// What the guard says of the port.
    pub(super) allowed: Result<(), Refusal>,
}

/// Why a port is not shared.
#[derive(Debug)]
pub(super) enum NotShared {
    /// By the rules.
    Refused(Refusal),
    /// The system does not let us.
    Failed(io::Error),
}

impl Shares {
    pub(super) fn new(plan: SharePlan, inbox: Inbox) -> Self {
        let known_hosts = RwLock::new(KnownHosts::new(plan.known_hosts()));
        Self { plan: RwLock::new(plan), known_hosts, running: Mutex::default(), inbox }
    }

    /// Takes over another configuration, and ends what it forbids; other shares go on as they are.
    pub(super) fn configure(&self, plan: SharePlan, is_forbidden: impl Fn(Port) -> bool) {
        let mut known_hosts = self.known_hosts.write().unwrap_or_else(PoisonError::into_inner);
        if known_hosts.path() != plan.known_hosts() {
            *known_hosts = KnownHosts::new(plan.known_hosts());
        }
        drop(known_hosts);
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
        self.end(ShareEnd::Forbidden, |port| is_forbidden(tcp(port)));
    }

    /// Returns the configuration in effect.
    pub(super) fn plan(&self) -> SharePlan {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns every share, by port.
    pub(super) fn list(&self) -> Vec<Share> {
        self.lock().values().map(|running| running.row.shown()).collect()
    }

    /// Begins to share a port; what becomes of it shows in the list.
    pub(super) fn start(&self, order: Order) -> Result<Share, NotShared> {
        let (port, provider) = (order.port, Arc::from(order.route.name.as_str()));
        let author = order.author;
        self.begin(order).inspect_err(|error| {
            if let NotShared::Refused(refusal) = error {
                let step = ShareStep::Forbidden { why: refusal.why.clone(), author };
                self.inbox.deliver(Fact::Noted(Note::Share { port, provider, step }));
            }
        })
    }

    fn begin(&self, order: Order) -> Result<Share, NotShared> {
        let port = order.port;
        order.allowed.map_err(NotShared::Refused)?;
        let targets = targets(&holder::listeners().map_err(NotShared::Failed)?, port);
        let Some(first) = targets.first() else {
            return Err(refused(format!("nothing listens on {port}"), "start the service first"));
        };
        if is_ours(port, first.ip()) {
            let hint = "share the port of a service";
            return Err(refused(format!("{port} is this program's own"), hint));
        }
        let mut running = self.lock();
        if let Some(other) = running.get(&port.number).filter(|other| !other.row.is_refused()) {
            let hint = format!("portguard share stop {}", port.number);
            return Err(refused(format!("{port} is shared through {}", other.row.provider), &hint));
        }
        if running.len() >= MOST_SHARES && !running.contains_key(&port.number) {
            let why = format!("{MOST_SHARES} ports are shared, which is the most");
            return Err(refused(why, "portguard share list"));
        }
        let known_hosts = self.known_hosts.read().unwrap_or_else(PoisonError::into_inner).clone();
        let identity = self.plan().identity;
        let row = Arc::new(Row::new(port, &order.route, order.span, order.author));
        let plan = portguard_reach::share::Plan {
            login: order.route.login,
            bind: order.route.bind,
            remote_port: order.route.remote_port,
            pattern: order.route.pattern,
            known_hosts,
            identity,
            targets: targets.into(),
            carried: row.carried.clone(),
        };
        let step = ShareStep::Begun { span: order.span, author: order.author };
        row.note(&self.inbox, step);
        let (end, ended) = oneshot::channel();
        let thread = thread::start(row.clone(), plan, ended, self.inbox.clone());
        let thread = thread.map_err(NotShared::Failed)?;
        let shown = row.shown();
        running.insert(port.number, Running { row, end, thread });
        Ok(shown)
    }

    /// Stops sharing a port, and returns once that is so.
    pub(super) fn stop(&self, port: u16, author: Author) -> Result<(), Refusal> {
        if self.end(ShareEnd::Stopped(author), |shared| shared == port) == 0 {
            let hint = Some("portguard share list".to_owned());
            return Err(Refusal { why: format!("{} is not shared", tcp(port)), hint });
        }
        Ok(())
    }

    /// Ends every share, and returns once that is so.
    pub(super) fn stop_all(&self) {
        self.end(ShareEnd::Daemon, |_| true);
    }

    /// Ends some shares, waits for their threads, and returns how many there were.
    fn end(&self, cause: ShareEnd, is_meant: impl Fn(u16) -> bool) -> usize {
        let ended: Vec<Running> =
            self.lock().extract_if(.., |port, _| is_meant(*port)).map(|(_, one)| one).collect();
        let count = ended.len();
        let threads: Vec<_> = ended
            .into_iter()
            .map(|Running { end, thread, .. }| {
                // A share that was refused has nobody left to listen.
                let _ = end.send(cause);
                thread
            })
            .collect();
        for thread in threads {
            // Whatever became of the thread, its share is over.
            let _ = thread.join();
        }
        count
    }

    /// Returns what runs, without what is over.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Running>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A share that was refused is shown for as long as it would have lasted.
        running.retain(|_, one| !one.thread.is_finished() || one.row.is_worth_showing());
        running
    }
}

/// Returns where a port of this host is reached, loopback first.
fn targets(listeners: &[Held], port: Port) -> Vec<SocketAddr> {
    let listening = listeners.iter().filter(|held| held.port == port);
    let addresses = listening.flat_map(|held| match held.address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if held.v6_only => vec![Ipv6Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        address => vec![address.to_canonical()],
    });
    let mut addresses: Vec<IpAddr> = addresses.collect();
    addresses.sort_by_key(|address| (!address.is_loopback(), *address));
    addresses.dedup();
    addresses.into_iter().map(|address| SocketAddr::new(address, port.number)).collect()
}

/// Returns whether this program itself listens there: a trap, or the web face, which would take
/// every visitor for somebody on this host.
fn is_ours(port: Port, address: IpAddr) -> bool {
    let ours = env!("CARGO_PKG_NAME");
    holder::holder_of(port, address).is_some_and(|holder| holder.command == ours)
}

fn refused(why: String, hint: &str) -> NotShared {
    NotShared::Refused(Refusal { why, hint: Some(hint.to_owned()) })
}

const fn tcp(number: u16) -> Port {
    Port { protocol: Protocol::Tcp, number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_reached_where_it_listens() {
        let held = |address: &str, v6_only| Held {
            port: tcp(8080),
            address: address.parse().unwrap(),
            peer: Ipv4Addr::UNSPECIFIED.into(),
            peer_port: 0,
            v6_only,
            inode: 1,
        };
        for (listeners, expected) in [
            (vec![], &[][..]),
            (vec![held("0.0.0.0", false)], &["127.0.0.1:8080"]),
            (vec![held("::", true)], &["[::1]:8080"]),
            (vec![held("::", false), held("0.0.0.0", false)], &["127.0.0.1:8080", "[::1]:8080"]),
            (
                vec![held("192.0.2.1", false), held("127.0.0.1", false)],
                &["127.0.0.1:8080", "192.0.2.1:8080"],
            ),
            (vec![held("::ffff:192.0.2.1", false)], &["192.0.2.1:8080"]),
        ] {
            let found: Vec<String> =
                targets(&listeners, tcp(8080)).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected);
            assert!(targets(&listeners, tcp(8081)).is_empty());
        }
    }
}
