//! Who is protected: this host's addresses, its gateways and resolvers, the peers of live
//! authenticated sessions, and what the configuration names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use portguard_core::{Fact, Health, Subject};
use portguard_linux::host;

use crate::{config::Protect, daemon::inbox::Inbox};

use super::tell;

const NAME: &str = "protection";

/// How often sessions and resolvers are looked up; addresses and routes are told by the kernel.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where the resolvers are configured, and where systemd-resolved names those behind its own.
const RESOLV_CONFS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// What is protected by the configuration; replaced when it is read again.
pub(crate) type SharedProtect = Arc<RwLock<Protect>>;

/// Everybody who is protected right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Protected {
    /// Each with the reason.
    pub(crate) subjects: BTreeMap<Subject, Arc<str>>,
    /// Those among them behind which somebody may need a way in.
    pub(crate) people: BTreeSet<Subject>,
}

impl Protected {
    /// Returns what the guard is told of it.
    pub(crate) fn facts(self) -> [Fact; 2] {
        [Fact::Protected(self.subjects), Fact::People(self.people)]
    }
}

/// Returns those behind which somebody may need a way in, as it is at this moment.
pub(crate) fn people(protect: &Protect) -> BTreeSet<Subject> {
    let peers = if protect.ssh_peers { host::ssh_peers() } else { BTreeSet::new() };
    people_among(&peers, protect)
}

fn people_among(peers: &BTreeSet<IpAddr>, protect: &Protect) -> BTreeSet<Subject> {
    let peers = peers.iter().copied().map(Subject::address);
    peers.chain(protect.addresses.iter().copied()).collect()
}

/// Returns everybody who is protected right now; what can not be found out is left out and named.
pub(crate) fn protected(protect: &Protect) -> (Protected, Option<String>) {
    let mut found: BTreeMap<Subject, Arc<str>> = BTreeMap::new();
    let mut troubles = Vec::new();
    let mut add = |addresses: BTreeSet<IpAddr>, why: &'static str| {
        for address in addresses.into_iter().filter(|address| !address.is_unspecified()) {
            found.entry(Subject::address(address)).or_insert_with(|| why.into());
        }
    };
    let mut known = |result: io::Result<BTreeSet<IpAddr>>, what: &str| {
        result.unwrap_or_else(|error| {
            troubles.push(format!("{what}: {error}"));
            BTreeSet::new()
        })
    };
    if protect.own_addresses {
        add(known(host::own_addresses(), "own addresses"), "is an address of this host");
    }
    if protect.gateways {
        add(known(host::gateways(), "gateways"), "is a gateway of this host");
    }
    if protect.resolvers {
        for path in RESOLV_CONFS {
            let text = fs::read_to_string(path).unwrap_or_default();
            add(host::resolvers(&text), "is a name server of this host");
        }
    }
    let peers = if protect.ssh_peers { host::ssh_peers() } else { BTreeSet::new() };
    let people = people_among(&peers, protect);
    add(peers, "has a live authenticated session");
    for subject in &protect.addresses {
        found.entry(*subject).or_insert_with(|| "is named in the configuration".into());
    }
    let troubles = (!troubles.is_empty()).then(|| troubles.join("; "));
    (Protected { subjects: found, people }, troubles)
}

/// Watches who is protected, on a thread of its own.
pub(crate) fn start(protect: SharedProtect, inbox: Inbox) -> io::Result<()> {
    super::start(NAME, move || watch(&protect, &inbox)).map(drop)
}

fn watch(protect: &SharedProtect, inbox: &Inbox) {
    let changes = host::Watch::open();
    if let Err(error) = &changes {
        tell(inbox, NAME, Health::Degraded(format!("changes are seen late: {error}")));
    }
    let mut known = Protected::default();
    loop {
        let wanted = protect.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (found, troubles) = protected(&wanted);
        if found != known {
            known.clone_from(&found);
            found.facts().into_iter().for_each(|fact| inbox.deliver(fact));
        }
        tell(inbox, NAME, troubles.map_or(Health::Good, Health::Degraded));
        match &changes {
            // Several changes come in a row: the next look sees them all.
            Ok(changes) => drop(changes.wait(LOOK_EVERY)),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}
