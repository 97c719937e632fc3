//! In an open posture: how many vacant ports, where nothing listens, one source is answered at. A scan is
//! met with silence before anybody has decided about it. Pure.
//!
//! Different ports count, not packets: whoever tries one port again and again is answered again and again.
//! Nothing that listens, and no port of a service, is touched. Sources may be made up, and so nobody is put
//! on a list: what a stranger can do in somebody's name is that it gets silence where it would be refused.

use portguard_core::{Family, List, Rate};

use super::{
    FrameSpec,
    definition::{SetDefinition, TIMED_AND_DYNAMIC, address_type, with_port},
    door::port_matches,
    rule::{Chain, address_of, spare},
    verdict::Verdicts,
};
use crate::nft::set::ListSet;

/// The chain, the word of its rules, and the set in which sources are metered.
const VACANT: &str = "vacant";

/// The set of the ports that a source was answered at.
const ANSWERED: &str = "answered";

/// How many sources are metered, and how many of their ports remembered, of each family. While a set is
/// full, whoever is not in it is answered.
const ROOM: u32 = 65_536;

/// Returns the rule that sends packets that may be for vacant ports through the chain.
///
/// Datagrams for everybody on the link are none: nobody answers those.
pub(super) fn rule(spec: &FrameSpec) -> Option<String> {
    // By number: `nft` looks names up in /etc/protocols, which small hosts lack.
    let judged = "ct state new,invalid,untracked meta l4proto { 6, 17 } meta pkttype host";
    rate(spec).map(|_| format!("{judged} jump {VACANT} comment \"{VACANT}\""))
}

/// Returns the chain that leaves what it does not turn away to the posture.
pub(super) fn chain(spec: &FrameSpec, verdicts: &mut Verdicts) -> Option<Chain> {
    let rate = rate(spec)?;
    let leave = |matches: String| format!("{matches} return comment \"{VACANT}\"");
    let mut rules = spare(&spec.sets(), List::Protect);
    rules.push(leave("socket transparent <= 1".to_owned()));
    // Answers are no attempts: a refusal, or an acceptance of what this host did not ask for.
    rules.push(leave("tcp flags & rst == rst".to_owned()));
    rules.push(leave("tcp flags & (syn | ack) == syn | ack".to_owned()));
    let services = spec.ports.services.values().flat_map(|service| &service.ports);
    let services: Vec<_> = services.copied().collect();
    rules.extend(port_matches(&services).into_iter().map(leave));
    let block = verdicts.block(VACANT);
    for family in FAMILIES {
        let source = source_of(family);
        let (port, answered) = (format!("{source} . meta l4proto . th dport"), answered(family));
        rules.push(leave(format!("{port} @{answered}")));
        rules.push(format!(
            "update @{} {{ {source} limit rate over {rate} burst {} packets }} {block} \
             comment \"{VACANT}\"",
            metered(family),
            rate.count.max(1),
        ));
        rules.push(format!("add @{answered} {{ {port} }} comment \"{VACANT}\""));
    }
    Some(Chain { name: VACANT.to_owned(), hook: None, rules })
}

/// Returns the definitions of the chain's sets.
pub(super) fn definitions(spec: &FrameSpec) -> Vec<SetDefinition> {
    let Some(rate) = rate(spec) else { return Vec::new() };
    // By then a source may be answered at as many ports as one that was never seen.
    let timeout = rate.per.seconds().max(60) * 1000;
    let definition = |name, key_type| SetDefinition {
        name,
        flags: TIMED_AND_DYNAMIC,
        key_type,
        size: ROOM,
        timeout,
        counter: false,
        // An element keeps the rate that it was added with: with another one the set begins anew.
        comment: Some(rate.to_string()),
    };
    let of_family = |family| {
        let address = address_type(family);
        [definition(metered(family), address), definition(answered(family), with_port(address))]
    };
    FAMILIES.into_iter().flat_map(of_family).collect()
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Returns the rate; `None` where there is none, or the kernel can not say what listens.
fn rate(spec: &FrameSpec) -> Option<Rate> {
    spec.ports.vacant.filter(|_| spec.features.socket)
}

fn metered(family: Family) -> String {
    format!("{VACANT}{}", digit(family))
}

fn answered(family: Family) -> String {
    format!("{ANSWERED}{}", digit(family))
}

const fn digit(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

/// Returns the expression for whom a packet is counted for: an IPv6 visitor commonly has a whole /64.
fn source_of(family: Family) -> String {
    let prefix_len = if family == Family::V4 { 32 } else { 64 };
    address_of(ListSet { prefix_len, ..ListSet::whole(List::Allow, family) }, "saddr")
}
