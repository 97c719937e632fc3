//! The frame: chains, rules and set definitions, generated whole as text for `nft -f -`. Pure.
//!
//! The text is one transaction: it empties and deletes the chains that stand, deletes sets that are
//! not wanted or differ, and declares everything anew. Sets that stay keep their elements.

mod definition;
mod door;
mod rule;
mod vacant;
mod verdict;

use std::{collections::BTreeSet, fmt, fmt::Write as _, net::IpAddr, sync::Arc, time::Duration};

use portguard_core::{Family, List, PortPolicy, Protocol, Rate};

use super::{element::Carried, inventory::Inventory, set::ListSet};

pub(super) use definition::SetDefinition;

/// What the chains, rules and sets of the table shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSpec {
    /// Priority of the input chain, against the hook's `filter` (0).
    pub input_priority: i32,
    /// Whether bans hold for forwarded traffic too.
    pub forward: bool,
    /// What one source on the soft throttle list may send.
    pub throttle_soft: Rates,
    /// What one source on the hard throttle list may send.
    pub throttle_hard: Rates,
    /// The traps.
    pub traps: Vec<TrapRule>,
    /// The NFLOG group that hears of touched traps.
    pub log_group: u16,
    /// Which ports are open, and for whom.
    pub ports: Arc<PortPolicy>,
    /// Which ICMP passes.
    pub icmp: Icmp,
    /// Which decisions are told, and where.
    pub log: Log,
    /// Where knocks are taken, if anywhere.
    pub knock: Option<KnockRule>,
    /// What this kernel can do.
    pub features: Features,
    /// The depths below the root at which units of approvals lie: index of the approval, depth.
    pub unit_levels: BTreeSet<(u16, u8)>,
    /// The sets to have beside those that are always there, one for each prefix length in use.
    pub networks: BTreeSet<ListSet>,
}

/// What one source may send: new connections for TCP and UDP, packets for ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// TCP.
    pub tcp: Rate,
    /// UDP.
    pub udp: Rate,
    /// ICMP and `ICMPv6`.
    pub icmp: Rate,
}

/// What a kernel can do beside the plain matches; what it can not is left out of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// It finds the socket that a packet is for (`CONFIG_NFT_SOCKET`).
    pub socket: bool,
    /// It finds the control group of that socket (`CONFIG_SOCK_CGROUP_DATA`, cgroup v2).
    pub cgroup: bool,
    /// It tells of packets (`CONFIG_NETFILTER_NETLINK_LOG`).
    pub log: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { socket: true, cgroup: true, log: true }
    }
}

/// Which ICMP passes; neighbour discovery always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmp {
    /// Errors about our own packets, and what the network needs to work.
    Essential,
    /// All of it.
    All,
    /// Nothing more.
    None,
}

/// Which decisions about packets are told by NFLOG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The group that hears of packets turned away; `None`: nobody does.
    pub blocked: Option<u16>,
    /// The group that hears of new connections let in; `None`: nobody does.
    pub allowed: Option<u16>,
    /// How many are told of at most, for each of the two.
    pub limit: Rate,
}

/// Where knocks come in: datagrams of one length and version to one port, that are told of and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnockRule {
    /// The UDP port.
    pub port: u16,
    /// The length of their payload, in bytes.
    pub payload: u16,
    /// The first byte of their payload.
    pub version: u8,
    /// The NFLOG group that hears of them.
    pub group: u16,
}

/// Ports that no honest peer touches, and what touching them does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapRule {
    /// The address family.
    pub family: Family,
    /// The transport protocol. A touched UDP port is always [`TrapEvidence::Probe`].
    pub protocol: Protocol,
    /// The address that the trap is bound to; `None` for every address of the host.
    pub address: Option<IpAddr>,
    /// The ports.
    pub ports: BTreeSet<u16>,
    /// What counts as touching them.
    pub evidence: TrapEvidence,
    /// How long the element that the kernel adds stays; the guard then says how long for good.
    pub hold: Duration,
    /// How wide that element is.
    pub prefix_len: u8,
    /// Whether connections are held open after the ban.
    pub tarpit: bool,
}

/// What counts as touching a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapEvidence {
    /// A completed handshake, which nobody can forge: the source is banned.
    Handshake,
    /// The first packet, which anybody can forge: the source is throttled hard. A handshake that
    /// completes bans here too.
    Probe,
}

impl FrameSpec {
    /// Returns the sets that the frame has for elements.
    ///
    /// Always there are the sets of whole addresses of every list, IPv6 /64 networks of bans and
    /// throttles, and bans of single ports; beside them the `networks`, and what the traps fill.
    pub fn sets(&self) -> BTreeSet<ListSet> {
        let families = [Family::V4, Family::V6];
        let slash_64 = |list| ListSet { prefix_len: 64, ..ListSet::whole(list, Family::V6) };
        let everybody = |list, family| ListSet { prefix_len: 0, ..ListSet::whole(list, family) };
        let mut sets: BTreeSet<_> = List::OF_SOURCES
            .into_iter()
            .chain([List::Grant, List::Grace, List::Follow])
            .flat_map(|list| families.map(|family| ListSet::whole(list, family)))
            .collect();
        for list in List::OF_DOORS {
            sets.extend(families.map(|family| everybody(list, family)));
        }
        sets.extend([List::Ban, List::ThrottleHard, List::ThrottleSoft, List::Grant].map(slash_64));
        sets.extend(
            families.map(|family| ListSet { ports: true, ..ListSet::whole(List::Ban, family) }),
        );
        for trap in &self.traps {
            sets.extend([List::Ban, List::ThrottleHard].map(|list| trap.set(list)));
        }
        let may_be = |set: &&ListSet| set.ports == set.has_ports();
        sets.extend(self.networks.iter().filter(|set| set.list == List::Ban || may_be(set)));
        sets
    }

    /// Returns the approvals and depths that have a set of control groups.
    pub(super) fn unit_sets(&self) -> BTreeSet<(u16, u8)> {
        if self.features.cgroup { self.unit_levels.clone() } else { BTreeSet::new() }
    }

    /// Returns the definition of every set of the frame: those for elements and the rate meters.
    pub(super) fn definitions(&self) -> Vec<SetDefinition> {
        let mut definitions: Vec<_> = self.sets().into_iter().map(SetDefinition::list).collect();
        definitions.extend(definition::meters(self));
        definitions.extend(definition::service_meters(self));
        definitions.extend(definition::units(self));
        definitions.extend(definition::lingering(self));
        definitions.extend(vacant::definitions(self));
        definitions
    }

    /// Returns the transaction that turns what stands in the table into this frame.
    ///
    /// `carried` are the elements of redefined sets, which go back in by the same transaction.
    pub(super) fn text(&self, table: &str, standing: &Inventory, carried: &[Carried]) -> String {
        let mut text = String::new();
        clear(&mut text, table, standing, &self.definitions());
        declare(&mut text, table, self);
        for element in carried {
            writeln!(text, "add element inet {table} {element}").expect(IN_MEMORY);
        }
        text
    }
}

/// Why writing into a `String` cannot fail.
const IN_MEMORY: &str = "a string grows as needed";

/// The named counters: packets dropped by bans, and by throttles.
pub(super) const BANNED: &str = "banned";
pub(super) const THROTTLED: &str = "throttled";

/// The named counters of all packets turned away and of all new connections let in, and of those
/// among them that were told of.
pub(super) const BLOCKED: &str = "blocked";
pub(super) const LOGGED_BLOCKED: &str = "logged_blocked";
pub(super) const ALLOWED: &str = "allowed";
pub(super) const LOGGED_ALLOWED: &str = "logged_allowed";

/// The named limits of what is told.
const LIMIT_BLOCKED: &str = "log_blocked";
const LIMIT_ALLOWED: &str = "log_allowed";

/// Makes sure that the table exists and takes out of it what the frame does not keep.
///
/// Every chain goes, because a base chain's hook and priority cannot be changed in place; the
/// packets see the old chains until the moment they see the new ones.
fn clear(text: &mut String, table: &str, standing: &Inventory, wanted: &[SetDefinition]) {
    let mut line = |words: fmt::Arguments<'_>| {
        text.write_fmt(words).expect(IN_MEMORY);
        text.push('\n');
    };
    line(format_args!("table inet {table} {{}}"));
    line(format_args!("flush table inet {table}"));
    for set in standing.sets.iter().filter(|set| !wanted.contains(set)) {
        let noun = if set.is_map() { "map" } else { "set" };
        line(format_args!("delete {noun} inet {table} {}", set.name));
    }
    for chain in &standing.chains {
        line(format_args!("delete chain inet {table} {chain}"));
    }
    // A limit that stands would keep its rate.
    for limit in &standing.limits {
        line(format_args!("delete limit inet {table} {limit}"));
    }
}

fn declare(text: &mut String, table: &str, spec: &FrameSpec) {
    let mut write = |words: fmt::Arguments<'_>| text.write_fmt(words).expect(IN_MEMORY);
    write(format_args!("table inet {table} {{\n"));
    for counter in [BANNED, THROTTLED, BLOCKED, LOGGED_BLOCKED, ALLOWED, LOGGED_ALLOWED] {
        write(format_args!("  counter {counter} {{}}\n"));
    }
    for limit in verdict::limits(&spec.log) {
        write(format_args!("  {limit}\n"));
    }
    for definition in spec.definitions() {
        write(format_args!("  {definition}\n"));
    }
    for chain in rule::chains(spec) {
        write(format_args!("  chain {} {{\n", chain.name));
        for line in chain.hook.iter().chain(&chain.rules) {
            write(format_args!("    {line}\n"));
        }
        write(format_args!("  }}\n"));
    }
    write(format_args!("}}\n"));
}

impl TrapRule {
    /// Returns the set that the kernel puts a source into.
    fn set(&self, list: List) -> ListSet {
        let prefix_len = self.prefix_len.min(self.family.bits());
        ListSet { list, family: self.family, prefix_len, ports: false }
    }
}

#[cfg(test)]
mod tests;
