//! Traps that would contradict each other, the open ports, or the way in.

use std::net::IpAddr;

use portguard_core::{Family, Growth, Protocol, service::PortRange};

use crate::config::{
    Config,
    key::Key,
    trap::{EvidenceKind, Trap, TrapFamily, TrapProtocol},
};

use super::{Findings, NO_BASE, Surroundings, check_name, is_a_while};

/// Most traps; each is a socket of the daemon.
const MOST_TRAPS: usize = 4_096;

/// Checks all traps.
pub(super) fn check(config: &Config, around: &Surroundings, found: &mut Findings<'_>) {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, trap) in config.traps.iter().enumerate() {
        let here = Key::of("traps").row(index);
        check_alone(config, trap, &here, found);
        for stretch in stretches_of(trap, &here, found) {
            check_openness(config, around, &stretch, found);
            let clash = stretches.iter().find_map(|other| Some((other, other.overlap(&stretch)?)));
            if let Some((other, clash)) = clash {
                let place =
                    found.tree.place(&other.key).map_or(String::new(), |at| format!(" ({at})"));
                found.add(
                    &stretch.key,
                    format!("{clash} is a trap already by {}{place}", other.key),
                );
            }
            stretches.push(stretch);
        }
    }
    let count: usize = stretches.iter().map(Stretch::len).sum();
    let what = format!("{count} traps are too many; {MOST_TRAPS} can be set");
    found.check(count <= MOST_TRAPS, &Key::of("traps"), &what);
}

/// Returns the part that two ranges have in common.
pub(super) fn overlap(one: PortRange, other: PortRange) -> Option<PortRange> {
    let PortRange { protocol, first, last } = one;
    let (first, last) = (first.max(other.first), last.min(other.last));
    (protocol == other.protocol && first <= last).then_some(PortRange { protocol, first, last })
}

/// One entry of a trap's list of ports.
struct Stretch {
    key: Key,
    range: PortRange,
    families: Vec<Family>,
    address: Option<IpAddr>,
}

impl Stretch {
    /// Returns the ports that both are set on.
    fn overlap(&self, other: &Self) -> Option<PortRange> {
        let of_family = self.families.iter().any(|family| other.families.contains(family));
        let of_address = match (self.address, other.address) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        overlap(self.range, other.range).filter(|_| of_family && of_address)
    }

    fn len(&self) -> usize {
        (usize::from(self.range.last - self.range.first) + 1) * self.families.len()
    }
}

/// Returns the entries that fit the trap's protocol.
fn stretches_of(trap: &Trap, here: &Key, found: &mut Findings<'_>) -> Vec<Stretch> {
    let protocol = Protocol::from(trap.protocol);
    let mut stretches = Vec::new();
    for (index, ports) in trap.ports.iter().map(|ports| ports.0).enumerate() {
        let key = here.name("ports").row(index);
        if ports.protocol.is_some_and(|written| written != protocol) {
            found.add(&key, format!("`{ports}` does not fit `protocol`, which is `{protocol}`"));
            continue;
        }
        stretches.push(Stretch {
            key,
            range: PortRange { protocol, first: ports.first, last: ports.last },
            families: trap.families(),
            address: trap.bound_to(),
        });
    }
    stretches
}

/// Checks that nobody honest would be caught, least of all the operator.
fn check_openness(
    config: &Config,
    around: &Surroundings,
    stretch: &Stretch,
    found: &mut Findings<'_>,
) {
    let ssh = around.ssh_ports.iter().map(|port| PortRange {
        protocol: Protocol::Tcp,
        first: *port,
        last: *port,
    });
    if let Some(ssh) = ssh.into_iter().find_map(|ssh| overlap(stretch.range, ssh)) {
        let what = format!("{ssh} is where ssh listens; a trap there would lock you out");
        found.add(&stretch.key, what);
        return;
    }
    let always = config.ports.always.iter().find_map(|always| overlap(stretch.range, always.0));
    if let Some(always) = always {
        let what =
            format!("{always} is always open by `ports.always`; a trap there would ban its users");
        found.add(&stretch.key, what);
    }
}

/// Checks what a trap says by itself.
fn check_alone(config: &Config, trap: &Trap, here: &Key, found: &mut Findings<'_>) {
    let ports = !trap.ports.is_empty();
    found.check(ports, &here.name("ports"), "a trap needs at least one port");
    let is_udp = trap.protocol == TrapProtocol::Udp;
    let handshake = is_udp && trap.evidence == Some(EvidenceKind::Handshake);
    let what = "UDP has no handshake, its sources can be forged; write `probe`";
    found.check(!handshake, &here.name("evidence"), what);
    let what = "UDP has no connection that could be held; leave it out";
    found.check(!(is_udp && trap.tarpit), &here.name("tarpit"), what);
    check_family(trap, here, found);
    check_name("ladder", &trap.ladder, &config.ladders, &here.name("ladder"), found);
    check_base(config, trap, here, found);
}

fn check_family(trap: &Trap, here: &Key, found: &mut Findings<'_>) {
    let Some(address) = trap.address else { return };
    let (family, name) = match address.0 {
        IpAddr::V4(_) => (TrapFamily::Ipv4, "ipv4"),
        IpAddr::V6(_) => (TrapFamily::Ipv6, "ipv6"),
    };
    let fits = trap.family == TrapFamily::Both || trap.family == family;
    let what = format!("does not fit `address`; write `{name}` or leave it out");
    found.check(fits, &here.name("family"), &what);
}

fn check_base(config: &Config, trap: &Trap, here: &Key, found: &mut Findings<'_>) {
    let Some(base) = trap.base else { return };
    let key = here.name("base");
    found.check(is_a_while(base.0), &key, NO_BASE);
    let growth = config.ladders.get(&trap.ladder).and_then(|keys| keys.growth.as_ref());
    if matches!(growth, Some(growth) if matches!(growth.0, Growth::List(_))) {
        let what = format!("has no effect: the ladder `{}` is a list of durations", trap.ladder);
        found.add(&key, what);
    }
}
