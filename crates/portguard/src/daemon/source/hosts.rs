//! Hosts of the allow list, looked up again and again.

use std::{
    net::{IpAddr, ToSocketAddrs as _},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use portguard_core::{Fact, Health};

use crate::daemon::inbox::Inbox;

use super::tell;

const NAME: &str = "allow-hosts";

/// How often every name is looked up. The system's resolver tells no time to live, so this is
/// shorter than what moving hosts publish (60 s and more).
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// Most addresses taken of one name.
const MOST_ADDRESSES: usize = 64;

/// The names; replaced when the configuration is read again.
pub(crate) type SharedHosts = Arc<RwLock<Vec<Arc<str>>>>;

/// Looks the names up on a thread of its own, as the system's resolver may take its time.
pub(crate) fn start(hosts: SharedHosts, inbox: Inbox) -> std::io::Result<()> {
    super::start(NAME, move || {
        loop {
            let names = hosts.read().unwrap_or_else(PoisonError::into_inner).clone();
            look_up_all(&names, &inbox);
            std::thread::sleep(LOOK_UP_EVERY);
        }
    })
    .map(drop)
}

/// A name that can not be looked up keeps the addresses it had.
fn look_up_all(names: &[Arc<str>], inbox: &Inbox) {
    let mut failed = Vec::new();
    for host in names {
        match look_up(host) {
            Ok(addresses) => {
                inbox.deliver(Fact::HostResolved { host: host.clone(), addresses });
            }
            Err(error) => failed.push(format!("{host}: {error}")),
        }
    }
    if !names.is_empty() {
        let degraded = || Health::Degraded(failed.join("; "));
        tell(inbox, NAME, if failed.is_empty() { Health::Good } else { degraded() });
    }
}

fn look_up(host: &str) -> std::io::Result<Vec<IpAddr>> {
    let found = (host, 0).to_socket_addrs()?;
    let mut addresses: Vec<IpAddr> =
        found.map(|address| address.ip().to_canonical()).take(MOST_ADDRESSES).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}
