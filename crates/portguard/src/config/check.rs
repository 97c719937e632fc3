//! What a well-formed configuration can still get wrong.

use std::{collections::BTreeMap, net::IpAddr};

use portguard_core::{Family, Growth, Port, Protocol, Span};

use super::{
    Config, Mistake,
    guarding::{EvidenceKind, Trap, TrapFamily, TrapProtocol},
    read::{Source, unknown},
};

/// What the configuration has to get along with on this host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// Ports that an SSH server listens on.
    pub(crate) ssh_ports: Vec<u16>,
}

/// Most traps; each is a socket.
const MOST_TRAPS: usize = 4_096;

/// Sections that take effect in this version.
const IN_EFFECT: [&str; 9] =
    ["guard", "protect", "allow", "firewall", "throttle", "ladders", "traps", "api", "store"];

/// Keys of those sections that do not.
const NOT_YET: [&str; 6] = [
    "guard.confirm",
    "firewall.icmp",
    "firewall.log_blocked",
    "firewall.log_allowed",
    "firewall.log_limit",
    "api.report_socket",
];

/// Returns what is written, but takes no effect in this version.
pub(super) fn without_effect(source: &Source) -> Vec<String> {
    let sections = source.tree.keys().map(String::as_str);
    let sections = sections.filter(|name| !IN_EFFECT.contains(name));
    let keys = NOT_YET.into_iter().filter(|key| source.names(key));
    sections
        .chain(keys)
        .map(|name| source.mistake(name, "is read, but has no effect in this version yet".into()))
        .map(|mistake| mistake.to_string())
        .collect()
}

/// Returns every mistake.
pub(super) fn mistakes(config: &Config, around: &Surroundings, source: &Source) -> Vec<Mistake> {
    let mut found = Findings { source, mistakes: Vec::new() };
    check_guard(config, &mut found);
    check_ladders(config, &mut found);
    check_ports(config, &mut found);
    check_traps(config, around, &mut found);
    check_names(config, &mut found);
    check_web(config, &mut found);
    found.mistakes
}

struct Findings<'a> {
    source: &'a Source,
    mistakes: Vec<Mistake>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, what: impl Into<String>) {
        self.mistakes.push(self.source.mistake(key, what.into()));
    }
}

fn check_guard(config: &Config, found: &mut Findings<'_>) {
    let table = &config.firewall.table;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let starts = table.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    if !starts || !table.chars().all(is_name) || table.len() > 64 {
        found.add("firewall.table", format!("`{table}` is no table name; use letters, digits, `_` and `-`"));
    }
    if !(-300..=300).contains(&config.firewall.priority) {
        found.add("firewall.priority", "must lie between -300 and 300");
    }
    if config.guard.posture == super::Posture::Closed {
        found.add("guard.posture", "`closed` needs open ports, which this version can not set yet; use `open`");
    }
    for key in ["state_dir", "run_dir"] {
        let path = if key == "run_dir" { &config.guard.run_dir } else { &config.guard.state_dir };
        if !path.is_absolute() {
            found.add(&format!("guard.{key}"), format!("`{}` is no absolute path", path.display()));
        }
    }
    for (index, host) in config.allow.hosts.iter().enumerate() {
        if host.parse::<IpAddr>().is_ok() {
            found.add(&format!("allow.hosts[{index}]"), format!("`{host}` is an address; it goes into `allow.addresses`"));
        } else if host.is_empty() || host.contains(char::is_whitespace) {
            found.add(&format!("allow.hosts[{index}]"), format!("`{host}` is no host name"));
        }
    }
}

fn check_ladders(config: &Config, found: &mut Findings<'_>) {
    for (name, keys) in &config.ladders {
        let key = |key: &str| format!("ladders.{name}.{key}");
        if matches!(keys.base, Some(base) if base.0 == Span::Forever || base.0 == Span::For(std::time::Duration::ZERO)) {
            found.add(&key("base"), "must be a time above zero; `permanent_after = 1` bans forever at once");
        }
        if keys.growth.as_ref().is_some_and(|growth| growth.0 == Growth::List(Vec::new())) {
            found.add(&key("growth"), "an empty list has no first ban");
        }
        if keys.prefix_v4.is_some_and(|length| !(8..=32).contains(&length)) {
            found.add(&key("prefix_v4"), "must lie between 8 and 32");
        }
        if keys.prefix_v6.is_some_and(|length| !(16..=128).contains(&length)) {
            found.add(&key("prefix_v6"), "must lie between 16 and 128");
        }
    }
}

fn check_ports(config: &Config, found: &mut Findings<'_>) {
    for (index, never) in config.ports.never.iter().enumerate() {
        let clash = config.ports.always.iter().find(|always| {
            always.0.protocol == never.0.protocol
                && always.0.first <= never.0.last
                && never.0.first <= always.0.last
        });
        if let Some(always) = clash {
            found.add(&format!("ports.never[{index}]"), format!("{} is in `ports.always` too ({})", never.0, always.0));
        }
    }
}

fn check_traps(config: &Config, around: &Surroundings, found: &mut Findings<'_>) {
    let mut seen: BTreeMap<(Family, Port), Vec<(Option<IpAddr>, usize)>> = BTreeMap::new();
    let mut count = 0;
    for (index, trap) in config.traps.iter().enumerate() {
        let here = format!("traps[{index}]");
        check_trap(config, trap, &here, found);
        let ports = match trap.port_list() {
            Ok(ports) => ports,
            Err((port, why)) => {
                found.add(&format!("{here}.ports[{port}]"), why);
                continue;
            }
        };
        let key = format!("{here}.ports");
        count += ports.len() * trap.families().len();
        if ports.is_empty() {
            found.add(&key, "a trap needs at least one port");
        }
        for port in ports {
            if config.ports.always.iter().any(|always| always.0.contains(port)) {
                found.add(&key, format!("{port} is always open by `ports.always`; a trap there would ban its users"));
            } else if port.protocol == Protocol::Tcp && around.ssh_ports.contains(&port.number) {
                found.add(&key, format!("{port} is the port that ssh listens on; a trap there would lock you out"));
            }
            for family in trap.families() {
                let address = trap.address.map(|address| address.0);
                let others = seen.entry((family, port)).or_default();
                let overlaps = |(other, _): &&(Option<IpAddr>, usize)| {
                    other.is_none() || address.is_none() || *other == address
                };
                if let Some((_, first)) = others.iter().find(overlaps) {
                    let place = if *first == index { "twice here".to_owned() } else { format!("in traps[{first}] too") };
                    found.add(&key, format!("{port} for {family} is listed {place}"));
                }
                others.push((address, index));
            }
        }
    }
    if count > MOST_TRAPS {
        found.add("traps", format!("{count} traps are too many; at most {MOST_TRAPS}"));
    }
}

fn check_trap(config: &Config, trap: &Trap, here: &str, found: &mut Findings<'_>) {
    let is_udp = trap.protocol == TrapProtocol::Udp;
    if is_udp && trap.evidence == Some(EvidenceKind::Handshake) {
        found.add(&format!("{here}.evidence"), "UDP has no handshake, its sources can be forged; write `probe`");
    }
    if is_udp && trap.tarpit {
        found.add(&format!("{here}.tarpit"), "UDP has no connection to hold; leave it out");
    }
    let family = match trap.address.map(|address| address.0) {
        Some(IpAddr::V4(_)) => TrapFamily::Ipv4,
        Some(IpAddr::V6(_)) => TrapFamily::Ipv6,
        None => TrapFamily::Both,
    };
    if trap.family != TrapFamily::Both && family != TrapFamily::Both && trap.family != family {
        found.add(&format!("{here}.family"), "does not fit the address");
    }
    let known = |name: &str| matches!(name, "default" | "trap") || config.ladders.contains_key(name);
    if !known(&trap.ladder) {
        let names = ["default", "trap"].into_iter().chain(config.ladders.keys().map(String::as_str));
        found.add(&format!("{here}.ladder"), unknown(&trap.ladder, names));
    }
    if matches!(trap.base, Some(base) if base.0 == Span::Forever || base.0 == Span::For(std::time::Duration::ZERO)) {
        found.add(&format!("{here}.base"), "must be a time above zero");
    }
}

fn check_names(config: &Config, found: &mut Findings<'_>) {
    let built_in = ["ssh", "https", "http"];
    for (key, names) in [("remote", &config.remote.services), ("knock", &config.knock.services)] {
        for (index, name) in names.iter().enumerate() {
            let known = built_in.contains(&name.as_str()) || config.services.contains_key(name);
            if !known {
                let names = built_in.into_iter().chain(config.services.keys().map(String::as_str));
                found.add(&format!("{key}.services[{index}]"), unknown(name, names));
            }
        }
    }
    for (index, watch) in config.watch.iter().enumerate() {
        if let Some(ladder) = watch.ladder.as_ref().filter(|name| {
            !matches!(name.as_str(), "default" | "trap") && !config.ladders.contains_key(*name)
        }) {
            let names = ["default", "trap"].into_iter().chain(config.ladders.keys().map(String::as_str));
            found.add(&format!("watch[{index}].ladder"), unknown(ladder, names));
        }
    }
}

fn check_web(config: &Config, found: &mut Findings<'_>) {
    let web = &config.web;
    match web.listen.parse::<std::net::SocketAddr>() {
        Err(_) => found.add("web.listen", format!("`{}` is no address with a port; write it like `127.0.0.1:6060`", web.listen)),
        Ok(address) if !address.ip().is_loopback() && web.tls_certificate.is_empty() => {
            found.add("web.listen", "beyond loopback the web face needs `web.tls_certificate` and `web.tls_key`");
        }
        Ok(_) => {}
    }
    if web.tls_certificate.is_empty() != web.tls_key.is_empty() {
        found.add("web.tls_certificate", "certificate and key belong together");
    }
}
