//! The rules, in the order of judgement, one function for each reason. Pure.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use portguard_core::{Family, List, Protocol, Strength};

use super::{
    FrameSpec, Icmp, KnockRule, THROTTLED, TrapEvidence, TrapRule,
    definition::{BURST, Metered, meter_name},
    door, vacant,
    verdict::{DELIVER_AT_ONCE, PAUSED, SPARED, Verdicts, of_set},
};
use crate::nft::set::ListSet;

/// A chain: where it is hooked in, if it is, and its rules.
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) hook: Option<String>,
    pub(super) rules: Vec<String>,
}

/// How many probes a second are told of at most; the rest is judged all the same.
const PROBE_LOGS_PER_SECOND: u32 = 2000;

/// How many knocks a second are told of at most: twice the flood that the reader has to bear, with room
/// for what comes while it is not scheduled. The rest is dropped unheard.
const KNOCKS_PER_SECOND: u32 = 200_000;
const KNOCK_BURST: u32 = 20_000;

/// The chain that takes knocks.
const KNOCKS: &str = "knocks";

/// Length of a UDP header (RFC 768), and of all headers before a knock: IPv6 with 80 bytes of extensions,
/// or the longest of IPv4.
const UDP_HEADER: u32 = 8;
const KNOCK_HEADERS: u32 = 40 + 80 + UDP_HEADER;

/// How much of a packet goes into the log, in bytes: the headers and the first words.
pub(super) const LOGGED_BYTES: u32 = 128;

/// Before connection tracking (-200) and the raw table (-300), after defragmentation (-400), so
/// that ports can be read and a ban cuts connections that stand.
const BAN_PRIORITY: i32 = -310;

/// Returns all chains; a chain comes after those that it jumps to.
pub(super) fn chains(spec: &FrameSpec) -> Vec<Chain> {
    let sets = spec.sets();
    let mut verdicts = Verdicts::new(spec);
    let rates = door::rates(spec, &mut verdicts);
    let called_ones = [
        throttle_chain("throttle_hard", Strength::Hard, spec, &mut verdicts),
        throttle_chain("throttle_soft", Strength::Soft, spec, &mut verdicts),
        called("throttles", throttled(&sets)),
        called("traps", [spared_by_traps(&sets), traps(spec, &mut verdicts)].concat()),
        door::doors(spec, &mut verdicts),
    ];
    let vacant = vacant::chain(spec, &mut verdicts);
    let hooked = [early_chain(spec, &sets, &mut verdicts), input_chain(spec, &sets, &mut verdicts)];
    let spared = called(SPARED, spared_by_bans(spec, &sets));
    let paused = called(PAUSED, paused(&sets));
    let exits = [paused, spared].into_iter().chain(rates).chain(verdicts.into_chains());
    exits.chain(vacant).chain(called_ones).chain(knocks(spec)).chain(hooked).collect()
}

fn called(name: &str, rules: Vec<String>) -> Chain {
    Chain { name: name.to_owned(), hook: None, rules }
}

/// What every packet meets first. Forwarded packets pass the prerouting hook only.
fn early_chain(spec: &FrameSpec, sets: &BTreeSet<ListSet>, verdicts: &mut Verdicts) -> Chain {
    let hook = if spec.forward { "prerouting" } else { "input" };
    Chain {
        name: "early".to_owned(),
        hook: Some(format!("type filter hook {hook} priority {BAN_PRIORITY}; policy accept;")),
        rules: early(spec, sets, verdicts),
    }
}

/// What a ban does not hold for. Only packets of listed sources come here, so that all the others
/// pass a few look-ups only.
fn spared_by_bans(spec: &FrameSpec, sets: &BTreeSet<ListSet>) -> Vec<String> {
    [
        neighbour_discovery(),
        pass_listed(sets, List::Protect),
        pass_listed(sets, List::Allow),
        held_connections(spec),
    ]
    .concat()
}

/// During a pause nobody is turned away: it is an element for each family, which the kernel ends by
/// itself.
fn paused(sets: &BTreeSet<ListSet>) -> Vec<String> {
    of_list(sets, List::Paused)
        .map(|set| format!(r#"{} @{set} accept comment "paused""#, address_of(set, "saddr")))
        .collect()
}

fn input_chain(spec: &FrameSpec, sets: &BTreeSet<ListSet>, verdicts: &mut Verdicts) -> Chain {
    let priority = spec.input_priority;
    Chain {
        name: "input".to_owned(),
        hook: Some(format!("type filter hook input priority {priority}; policy accept;")),
        rules: [
            vec![r#"iif "lo" accept comment "loopback""#.to_owned()],
            // The packet that completes a handshake already counts as established.
            to_traps(spec),
            vec![r#"ct state established,related accept comment "established""#.to_owned()],
            allowed(sets, verdicts),
            icmp_essentials(spec.icmp),
            vec![r#"jump throttles comment "throttles""#.to_owned()],
            // By number: `nft` looks names up in /etc/protocols, which small hosts lack.
            vec![
                r#"ct state new,untracked meta l4proto { 6, 17 } jump doors comment "doors""#
                    .to_owned(),
            ],
            into_traps(spec, verdicts),
            dhcp(),
            any_icmp(spec, verdicts),
            posture(spec, sets, verdicts),
        ]
        .concat(),
    }
}

/// Takes knocks out of what is judged, before connections are tracked and before anything could answer
/// them. What has another length or version goes on like any datagram. The cheapest look comes first.
fn to_knocks(spec: &FrameSpec) -> Vec<String> {
    let Some(KnockRule { port, payload, version, .. }) = spec.knock else { return Vec::new() };
    let length = UDP_HEADER + u32::from(payload);
    let version = format!("@th,{},8 {version}", 8 * UDP_HEADER);
    vec![format!(
        "udp dport {port} udp length {length} {version} fib daddr type local goto {KNOCKS} \
         comment \"knock\""
    )]
}

/// Tells of knocks, and drops them.
fn knocks(spec: &FrameSpec) -> Option<Chain> {
    let KnockRule { payload, group, .. } = spec.knock?;
    let copied = KNOCK_HEADERS + u32::from(payload);
    let told = format!(
        "limit rate {KNOCKS_PER_SECOND}/second burst {KNOCK_BURST} packets log group {group} \
         snaplen {copied} queue-threshold {DELIVER_AT_ONCE} comment \"knock\""
    );
    let told = spec.features.log.then_some(told);
    let rules = told.into_iter().chain(["drop comment \"knock\"".to_owned()]);
    Some(called(KNOCKS, rules.collect()))
}

/// Without these IPv6 stops working; the hop limit proves a sender on the link (RFC 4861 section 6.1).
fn neighbour_discovery() -> Vec<String> {
    let types = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert";
    vec![format!(
        r#"icmpv6 type {{ {types} }} ip6 hoplimit 255 accept comment "neighbour discovery""#
    )]
}

/// Errors about our own packets, without which connections hang (RFC 4890 section 4.3.1), and who
/// listens to multicast on the link (RFC 4890 section 4.4.1). Neighbour discovery in any case.
fn icmp_essentials(icmp: Icmp) -> Vec<String> {
    let neighbours = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, \
                      nd-neighbor-advert, nd-redirect";
    if icmp == Icmp::None {
        let rule = format!("icmpv6 type {{ {neighbours} }} accept comment \"icmp essentials\"");
        return vec![rule];
    }
    let errors = "destination-unreachable, time-exceeded, parameter-problem";
    let listeners =
        "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report";
    vec![
        format!(r#"icmp type {{ {errors} }} accept comment "icmp essentials""#),
        format!(
            "icmpv6 type {{ {errors}, packet-too-big, {neighbours} }} accept \
             comment \"icmp essentials\""
        ),
        format!(
            "ip6 saddr fe80::/10 icmpv6 type {{ {listeners} }} accept comment \"icmp essentials\""
        ),
    ]
}

/// Answers that give this host its addresses: the questions were broadcast or multicast, so
/// connection tracking does not know them for answers (RFC 2131 section 4.1, RFC 8415 section 7.2).
fn dhcp() -> Vec<String> {
    vec![
        r#"meta nfproto ipv4 udp sport 67 udp dport 68 accept comment "dhcp""#.to_owned(),
        r#"ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept comment "dhcp""#.to_owned(),
    ]
}

fn any_icmp(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    if spec.icmp != Icmp::All {
        return Vec::new();
    }
    let allow = verdicts.allow_telling_of_new("icmp");
    vec![format!(r#"meta l4proto {{ 1, 58 }} {allow} comment "icmp""#)]
}

/// What is left: a closed posture is an element for each family, which the kernel may end by
/// itself. Live sessions of protected sources go on even if connection tracking missed how they began.
fn posture(spec: &FrameSpec, sets: &BTreeSet<ListSet>, verdicts: &mut Verdicts) -> Vec<String> {
    let mut rules = Vec::new();
    if spec.features.socket {
        let goes_on = "tcp flags & (fin|syn|rst|ack) == ack socket wildcard 0 accept";
        rules.extend(of_list(sets, List::Protect).map(|set| {
            format!(r#"{} @{set} {goes_on} comment "session""#, address_of(set, "saddr"))
        }));
    }
    let closed = verdicts.block("closed");
    rules
        .extend(of_list(sets, List::Closed).map(|set| {
            format!(r#"{} @{set} {closed} comment "closed""#, address_of(set, "saddr"))
        }));
    rules.extend(vacant::rule(spec));
    let open = verdicts.allow("open");
    rules.push(format!(r#"ct state new,untracked {open} comment "open""#));
    // Scans have such packets; what becomes of them is the network stack's affair.
    rules.extend(
        verdicts.tell("odd").map(|tell| format!(r#"ct state invalid {tell} comment "odd""#)),
    );
    rules
}

/// Accepts what allowed subjects begin.
fn allowed(sets: &BTreeSet<ListSet>, verdicts: &mut Verdicts) -> Vec<String> {
    of_list(sets, List::Allow)
        .map(|set| {
            let allow = verdicts.allow_telling_of_new(&of_set("allow", set));
            format!(r#"{} @{set} {allow} comment "allow""#, address_of(set, "saddr"))
        })
        .collect()
}

fn pass_listed(sets: &BTreeSet<ListSet>, list: List) -> Vec<String> {
    of_list(sets, list)
        .map(|set| format!(r#"{} @{set} accept comment "{list}""#, address_of(set, "saddr")))
        .collect()
}

/// Sources of a list leave the chain.
pub(super) fn spare(sets: &BTreeSet<ListSet>, list: List) -> Vec<String> {
    of_list(sets, list)
        .map(|set| format!(r#"{} @{set} return comment "{list}""#, address_of(set, "saddr")))
        .collect()
}

/// No trap touches a protected or an allowed source.
fn spared_by_traps(sets: &BTreeSet<ListSet>) -> Vec<String> {
    [spare(sets, List::Protect), spare(sets, List::Allow)].concat()
}

/// Lets the packets of a held connection pass, so that a tarpit goes on holding a banned source.
fn held_connections(spec: &FrameSpec) -> Vec<String> {
    spec.traps
        .iter()
        .filter(|trap| trap.tarpit && trap.protocol == Protocol::Tcp)
        .map(|trap| {
            let local = if trap.address.is_none() { "fib daddr type local " } else { "" };
            format!(r#"{local}{} tcp flags & syn == 0 accept comment "tarpit""#, target(trap))
        })
        .collect()
}

/// IPv4 first, and IPv4 packets go no further: most packets are of one family and in no set.
fn early(spec: &FrameSpec, sets: &BTreeSet<ListSet>, verdicts: &mut Verdicts) -> Vec<String> {
    let mut of_family = |family| {
        let sets = of_list(sets, List::Ban).filter(|set| set.family == family);
        let rules = sets.map(|set| {
            let port = if set.ports { " . meta l4proto . th dport" } else { "" };
            let block = verdicts.block_unless_spared(&of_set("ban", set));
            let source = address_of(set, "saddr");
            format!(r#"{source}{port} @{set} {block} comment "ban""#)
        });
        rules.collect::<Vec<_>>()
    };
    // Those that a ban does not hold for have left the chain.
    let knocks = to_knocks(spec);
    let of_v4 = knocks.iter().map(|rule| format!("meta nfproto ipv4 {rule}")).collect();
    let done = vec![r#"meta nfproto ipv4 accept comment "ban""#.to_owned()];
    [of_family(Family::V4), of_v4, done, of_family(Family::V6), knocks].concat()
}

/// Sends the packets to the ports of traps, and no others, through their rules.
fn to_traps(spec: &FrameSpec) -> Vec<String> {
    let ports_of = |protocol| {
        let traps = spec.traps.iter().filter(move |trap| trap.protocol == protocol);
        traps.flat_map(|trap| trap.ports.iter().copied()).collect::<BTreeSet<u16>>()
    };
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter_map(|protocol| {
            let ports: Vec<_> = ports_of(protocol).iter().map(u16::to_string).collect();
            let rule = format!(
                r#"{protocol} dport {{ {} }} jump traps comment "traps""#,
                ports.join(", ")
            );
            (!ports.is_empty()).then_some(rule)
        })
        .collect()
}

fn traps(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    spec.traps
        .iter()
        .filter(|trap| !trap.ports.is_empty())
        .flat_map(|trap| match (trap.protocol, trap.evidence) {
            (Protocol::Tcp, TrapEvidence::Handshake) => handshake(trap, spec),
            (Protocol::Tcp, TrapEvidence::Probe) => {
                let probe = "tcp flags & (fin|syn|rst|ack) == syn";
                [handshake(trap, spec), probed(trap, probe, spec)].concat()
            }
            (Protocol::Udp, _) => {
                // Answers to what this host asked from a port of the same number are no probes.
                let probe = "ct direction original";
                let block = verdicts.block("trap");
                let drop = format!(r#"{} {probe} {block} comment "trap probe""#, target(trap));
                [probed(trap, probe, spec), vec![drop]].concat()
            }
        })
        .collect()
}

/// Lets in what begins a connection with a trap, in whatever posture: only who completes the
/// handshake proves an address, and a closed port would never let one.
fn into_traps(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    let is_tcp = |trap: &&TrapRule| trap.protocol == Protocol::Tcp && !trap.ports.is_empty();
    let mut rule = |trap| {
        let allow = verdicts.allow("trap");
        format!(r#"{} ct state new,untracked {allow} comment "trap""#, target(trap))
    };
    spec.traps.iter().filter(is_tcp).map(&mut rule).collect()
}

/// Bans on the packet that completes the handshake.
///
/// `assured` says that this packet follows our own SYN/ACK. It is let in, so that the host's TCP
/// verifies it and the trap's listener gets the connection; all later ones meet the ban.
fn handshake(trap: &TrapRule, spec: &FrameSpec) -> Vec<String> {
    let completes = "ct direction original ct state established ct status assured";
    let told = trap_log(spec, "trap:handshake").map(|log| format!("{log} ")).unwrap_or_default();
    listings(trap, List::Ban)
        .into_iter()
        .map(|listing| {
            format!(
                "{} {completes} {listing} {told}accept comment \"trap handshake\"",
                target(trap)
            )
        })
        .collect()
}

/// Returns the statement that tells the guard of a touched trap; none if the kernel can not.
fn trap_log(spec: &FrameSpec, what: &str) -> Option<String> {
    let group = spec.log_group;
    let log = format!("log group {group} prefix \"{what}\" snaplen {LOGGED_BYTES}");
    spec.features.log.then_some(log)
}

/// Throttles on a packet that anybody can forge, and tells of it.
///
/// `add` leaves an element that is there as it is: a probe must not shorten a longer throttle.
fn probed(trap: &TrapRule, probe: &str, spec: &FrameSpec) -> Vec<String> {
    let target = target(trap);
    let mut rules: Vec<_> = listings(trap, List::ThrottleHard)
        .into_iter()
        .map(|listing| format!(r#"{target} {probe} {listing} comment "trap probe""#))
        .collect();
    rules.extend(trap_log(spec, "trap:probe").map(|log| {
        format!(
            "{target} {probe} limit rate {PROBE_LOGS_PER_SECOND}/second {log} \
             comment \"trap probe\""
        )
    }));
    rules
}

/// Returns the statements that put a packet's source into a list, with the match each needs.
///
/// All neighbours share the link-local /64, so a link-local source is always listed alone.
fn listings(trap: &TrapRule, list: List) -> Vec<String> {
    let hold = trap.hold.as_millis().max(1);
    let add =
        |set: ListSet| format!("add @{set} {{ {} timeout {hold}ms }}", address_of(set, "saddr"));
    let set = trap.set(list);
    if set.family == Family::V4 || set.prefix_len == Family::V6.bits() {
        return vec![add(set)];
    }
    vec![
        format!("ip6 saddr fe80::/10 {}", add(ListSet::whole(list, Family::V6))),
        format!("ip6 saddr != fe80::/10 {}", add(set)),
    ]
}

fn throttled(sets: &BTreeSet<ListSet>) -> Vec<String> {
    [(List::ThrottleHard, "throttle_hard"), (List::ThrottleSoft, "throttle_soft")]
        .into_iter()
        .flat_map(|(list, chain)| {
            of_list(sets, list).map(move |set| {
                format!(r#"{} @{set} jump {chain} comment "{list}""#, address_of(set, "saddr"))
            })
        })
        .collect()
}

/// Drops what goes beyond the rates of one source, unless it is protected. IPv6 sources are metered by their /64.
fn throttle_chain(
    name: &str,
    strength: Strength,
    spec: &FrameSpec,
    verdicts: &mut Verdicts,
) -> Chain {
    let rates = match strength {
        Strength::Hard => &spec.throttle_hard,
        Strength::Soft => &spec.throttle_soft,
    };
    let block = verdicts.block(List::throttle(strength).name());
    let meter = |metered: Metered, family: Family| {
        // By number: `nft` looks names up in /etc/protocols, which small hosts lack.
        let matches = match (metered, family) {
            (Metered::Transport(protocol), _) => {
                format!("meta l4proto {} ct state new,invalid", protocol.number())
            }
            (Metered::Icmp, Family::V4) => "meta l4proto 1".to_owned(),
            (Metered::Icmp, Family::V6) => "meta l4proto 58".to_owned(),
        };
        let prefix_len = if family == Family::V4 { 32 } else { 64 };
        let key = address_of(
            ListSet { prefix_len, ..ListSet::whole(List::throttle(strength), family) },
            "saddr",
        );
        format!(
            "{matches} update @{} {{ {key} limit rate over {} burst {BURST} packets }} \
             counter name \"{THROTTLED}\" {block} comment \"throttle {strength} {}\"",
            meter_name(strength, metered, family),
            metered.rate(rates),
            metered.name(),
        )
    };
    let mut rules = spare(&spec.sets(), List::Protect);
    for metered in Metered::ALL {
        rules.extend([Family::V4, Family::V6].map(|family| meter(metered, family)));
    }
    called(name, rules)
}

/// Returns the match for packets to a trap's ports.
fn target(trap: &TrapRule) -> String {
    let (version, word) = match trap.family {
        Family::V4 => ("ipv4", "ip"),
        Family::V6 => ("ipv6", "ip6"),
    };
    let address = match trap.address {
        Some(address) => format!("{word} daddr {address}"),
        None => format!("meta nfproto {version}"),
    };
    let ports: Vec<_> = trap.ports.iter().map(u16::to_string).collect();
    format!("{} dport {{ {} }} {address}", trap.protocol, ports.join(", "))
}

/// Returns the expression for the part of an address (`saddr`, `daddr`) that a set compares.
pub(super) fn address_of(set: ListSet, address: &str) -> String {
    let word = if set.family == Family::V4 { "ip" } else { "ip6" };
    if set.prefix_len == set.family.bits() {
        return format!("{word} {address}");
    }
    let host_bits = u32::from(set.family.bits() - set.prefix_len);
    let mask = match set.family {
        Family::V4 => {
            IpAddr::from(Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0)))
        }
        Family::V6 => {
            IpAddr::from(Ipv6Addr::from_bits(u128::MAX.checked_shl(host_bits).unwrap_or(0)))
        }
    };
    format!("{word} {address} & {mask}")
}

pub(super) fn of_list(sets: &BTreeSet<ListSet>, list: List) -> impl Iterator<Item = ListSet> {
    sets.iter().copied().filter(move |set| set.list == list)
}
