//! The part of the configuration that an import of Port Trap adds.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use portguard_core::{Family, Span};
use serde::Serialize;

use crate::config::Config;

use super::list::{Spared, Trap};

/// What the drop-in says about itself.
const HEAD: &str = "# Taken over from Port Trap by `portguard import port-trap`.\n";

/// What it says if it repeats the allow list.
const REPEATED: &str = "# The lists under [allow] take the place of those in portguard.toml and \
    repeat them: add to these.\n";

#[derive(Serialize)]
struct DropIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    ladders: Option<BTreeMap<&'static str, Ladder>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    allow: BTreeMap<&'static str, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traps: Vec<Traps>,
}

#[derive(Serialize)]
struct Ladder {
    permanent_after: u32,
}

#[derive(Serialize)]
struct Traps {
    ports: Vec<String>,
    family: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    base: String,
}

/// Writes the drop-in.
pub(super) fn write(
    traps: &[Trap],
    spared: &Spared,
    permanent_after: Option<u32>,
    config: &Config,
    report: &mut Vec<String>,
) -> String {
    let mut allow = BTreeMap::new();
    let addresses = spared.addresses.iter().map(ToString::to_string).collect();
    let patterns = spared.patterns.iter().map(ToString::to_string).collect();
    let known = config.allow.addresses.iter().map(|subject| subject.0.to_string()).collect();
    allow.extend(joined("addresses", known, addresses));
    let known = config.allow.patterns.iter().map(|pattern| pattern.0.to_string()).collect();
    allow.extend(joined("patterns", known, patterns));
    let has_list = !allow.is_empty();
    let repeats = !config.allow.addresses.is_empty() || !config.allow.patterns.is_empty();
    let drop_in = DropIn {
        ladders: permanent_after
            .map(|permanent_after| BTreeMap::from([("trap", Ladder { permanent_after })])),
        allow,
        traps: grouped(traps),
    };
    let mut text = HEAD.to_owned();
    if has_list {
        text.push_str(REPEATED);
    }
    if has_list && repeats {
        report.push("the allow list of the configuration is repeated in the drop-in".to_owned());
    }
    text.push('\n');
    text + &toml::to_string(&drop_in).expect("tables of texts and numbers can be written")
}

/// Returns a list of the allow list with what is known before what is new. A later file's list
/// takes the place of an earlier one, so it must not lose anything. Without news there is no list.
fn joined(
    name: &'static str,
    mut known: Vec<String>,
    new: Vec<String>,
) -> Option<(&'static str, Vec<String>)> {
    if new.is_empty() {
        return None;
    }
    for text in new {
        if !known.contains(&text) {
            known.push(text);
        }
    }
    Some((name, known))
}

/// Returns one table for all ports that share family, address and length of the first ban.
fn grouped(traps: &[Trap]) -> Vec<Traps> {
    let all: BTreeSet<_> = traps.iter().map(|trap| (trap.family, key(trap))).collect();
    let mut groups: BTreeMap<(&'static str, Option<IpAddr>, u64), Vec<u16>> = BTreeMap::new();
    for trap in traps {
        let is_in = |family| all.contains(&(family, key(trap)));
        let family = match (is_in(Family::V4), is_in(Family::V6)) {
            // One table stands for both, put there by the line of IPv4.
            (true, true) if trap.family == Family::V6 => continue,
            (true, true) => "both",
            (true, false) => "ipv4",
            _ => "ipv6",
        };
        groups.entry((family, trap.address, trap.base)).or_default().push(trap.port);
    }
    let table = |((family, address, base), ports): (_, Vec<u16>)| Traps {
        ports: ports.iter().map(ToString::to_string).collect(),
        family,
        address,
        base: Span::For(Duration::from_secs(base)).to_string(),
    };
    groups.into_iter().map(table).collect()
}

fn key(trap: &Trap) -> (Option<IpAddr>, u16, u64) {
    (trap.address, trap.port, trap.base)
}
