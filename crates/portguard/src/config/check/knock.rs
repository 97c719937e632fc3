//! Knocks that nobody could make, that could open nothing, or that a trap would be in the way of.

use std::collections::BTreeMap;

use portguard_core::{Port, Protocol};
use portguard_reach::knock::Knocker;

use crate::config::{Config, key::Key, trap::Trap};

use super::{Findings, check_name, is_a_while};

/// Most keys: of each, some hundred knocks are remembered at a time.
const MOST_KEYS: usize = 128;

/// Checks `[knock]`.
pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let (knock, here) = (&config.knock, Key::of("knock"));
    check_listen(config, &here.name("listen"), found);
    check_keys(config, &here.name("keys"), found);
    let what = "must be a time above zero and not `forever`";
    found.check(is_a_while(knock.open_for.0), &here.name("open_for"), what);
}

fn check_listen(config: &Config, here: &Key, found: &mut Findings<'_>) {
    let listen = &config.knock.listen;
    if listen.is_empty() {
        return;
    }
    let port = listen.parse::<Port>().ok().filter(|port| port.protocol == Protocol::Udp);
    let Some(port) = port else {
        return found.add(here, format!("`{listen}` is no UDP port; write it like `udp/62201`"));
    };
    let what = "nobody could knock; write the public keys of those who may into `knock.keys`";
    found.check(!config.knock.keys.is_empty(), here, what);
    let mut trapped = config.traps.iter().flat_map(Trap::all_ports);
    if trapped.any(|trapped| trapped == port) {
        found.add(here, format!("{listen} is a trap as well, which would throttle whoever knocks"));
    }
}

fn check_keys(config: &Config, here: &Key, found: &mut Findings<'_>) {
    let keys = &config.knock.keys;
    let what = format!("are too many; {MOST_KEYS} at most");
    found.check(keys.len() <= MOST_KEYS, here, &what);
    let mut known: BTreeMap<String, [u8; 32]> = BTreeMap::new();
    for (index, line) in keys.iter().enumerate() {
        let here = here.row(index);
        let knocker: Knocker = match line.parse() {
            Ok(knocker) => knocker,
            Err(error) => {
                found.add(&here, error.to_string());
                continue;
            }
        };
        for service in knocker.services.iter().flatten() {
            check_name("service", service, &config.services, &here, found);
        }
        if known.values().any(|key| *key == knocker.key) {
            found.add(&here, "is there twice");
        } else if known.contains_key(&knocker.name) {
            let what = format!("is the second one with the name `{}`", knocker.name);
            found.add(&here, format!("{what}; write another one behind the key"));
        }
        known.insert(knocker.name, knocker.key);
    }
}
