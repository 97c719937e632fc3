//! The rules that let new connections in: grants, services, ports that are always open, and
//! listening sockets; and what is never open or shut. In the order of judgement. Pure.

use portguard_core::{Approval, Family, Follow, List, Protocol, service::PortRange};

use super::{
    FrameSpec,
    definition::{LINGERING, SERVICE_FAMILIES, service_meter_name},
    rule::{Chain, address_of, of_list, spare},
    verdict::{RATES, Verdicts, of_set},
};
use crate::nft::set::{ListSet, unit_set_name};

/// Returns the chain that new TCP and UDP connections go through; what it does not decide is left
/// to the posture.
pub(super) fn doors(spec: &FrameSpec, verdicts: &mut Verdicts) -> Chain {
    let rules = [
        never(spec, verdicts),
        grants(spec, verdicts, |set| set.prefix_len > 0),
        shut(spec, verdicts),
        grants(spec, verdicts, |set| set.prefix_len == 0),
        always(spec, verdicts),
        graces(spec, verdicts),
        followed(spec, verdicts),
    ]
    .concat();
    Chain { name: "doors".to_owned(), hook: None, rules }
}

/// Returns the chain that holds sources to the rates of services; none if no service has one.
pub(super) fn rates(spec: &FrameSpec, verdicts: &mut Verdicts) -> Option<Chain> {
    let services = spec.ports.services.iter();
    let rated: Vec<_> =
        services.filter_map(|(name, service)| Some((name, service, service.rate?))).collect();
    let mut rules = Vec::new();
    for (name, service, rate) in &rated {
        let block = verdicts.block(&format!("rate {name}"));
        for ports in port_matches(&service.ports) {
            for family in SERVICE_FAMILIES {
                let width = if family == Family::V4 { 32 } else { 64 };
                let source = ListSet { prefix_len: width, ..ListSet::whole(List::Allow, family) };
                rules.push(format!(
                    "{ports} update @{} {{ {} limit rate over {rate} burst {} packets }} {block} \
                     comment \"service rates\"",
                    service_meter_name(name, family),
                    address_of(source, "saddr"),
                    rate.count.max(1),
                ));
            }
        }
    }
    let ports = merged(rated.iter().flat_map(|(_, service, _)| &service.ports));
    let elsewhere =
        format!("th dport != {{ {} }} return comment \"service rates\"", listed(&ports));
    let first = [vec![elsewhere], spare(&spec.sets(), List::Protect)].concat();
    let name = RATES.to_owned();
    (!rules.is_empty()).then(|| Chain { name, hook: None, rules: [first, rules].concat() })
}

fn never(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    let matches = port_matches(&spec.ports.never);
    let rule = |ports| format!("{ports} {} comment \"never\"", verdicts.block("never"));
    matches.into_iter().map(rule).collect()
}

fn always(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    let matches = port_matches(&spec.ports.always);
    let rule =
        |ports| format!("{ports} {} comment \"always\"", verdicts.allow_in_measure("always"));
    matches.into_iter().map(rule).collect()
}

fn grants(
    spec: &FrameSpec,
    verdicts: &mut Verdicts,
    wanted: impl Fn(&ListSet) -> bool,
) -> Vec<String> {
    let sets = spec.sets();
    let grants = of_list(&sets, List::Grant).filter(wanted);
    grants
        .map(|set| {
            let reason = of_set("grant", set);
            let allow = if set.prefix_len > 0 {
                verdicts.allow(&reason)
            } else {
                verdicts.allow_in_measure(&reason)
            };
            format!("{} {allow} comment \"grant\"", port_key(set, "saddr"))
        })
        .collect()
}

fn shut(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    let sets = spec.sets();
    of_list(&sets, List::Shut)
        .map(|set| {
            let block = verdicts.block(&of_set("shut", set));
            format!("{} {block} comment \"shut\"", port_key(set, "saddr"))
        })
        .collect()
}

fn graces(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    if spec.ports.grace.is_zero() {
        return Vec::new();
    }
    let sets = spec.sets();
    of_list(&sets, List::Grace)
        .map(|set| {
            let allow = verdicts.allow_in_measure(&of_set("grace", set));
            format!("{} {allow} comment \"grace\"", port_key(set, "daddr"))
        })
        .collect()
}

/// A port opens for as long as something listens: the `socket` expression finds the very socket
/// that would get the packet.
///
/// That may also be what is left of a connection that this host closed first, if the peer begins
/// another one from the same port; `wildcard` and `cgroupv2` do not match such a socket, but
/// `transparent` does, with either value.
fn followed(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    match spec.ports.follow {
        Follow::None => Vec::new(),
        Follow::All if !spec.features.socket => Vec::new(),
        Follow::All => {
            let allow = verdicts.allow_in_measure("follow");
            vec![format!("socket transparent <= 1 {allow} comment \"follow\"")]
        }
        Follow::Approved => {
            let left_over = left_over(spec, verdicts);
            [units(spec, verdicts), followed_one_by_one(spec, verdicts), left_over].concat()
        }
    }
}

/// What is left of a connection has no owner any more; it counts as approved while the port lets
/// connections in. Whether something still listens there is the kernel's to say.
fn left_over(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    if !spec.features.socket {
        return Vec::new();
    }
    let allow = verdicts.allow_in_measure("follow lingering");
    vec![
        "socket wildcard <= 1 return comment \"follow\"".to_owned(),
        format!("th dport @{LINGERING} socket transparent <= 1 {allow} comment \"follow\""),
    ]
}

/// Returns the statement that keeps the port for what is left of a connection later.
fn linger(spec: &FrameSpec) -> String {
    if spec.features.socket {
        format!("update @{LINGERING} {{ th dport }} ")
    } else {
        String::new()
    }
}

/// Sockets of approved units, wherever they listen.
fn units(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    if !spec.features.cgroup {
        return Vec::new();
    }
    let linger = linger(spec);
    let mut rules = Vec::new();
    for (index, level) in &spec.unit_levels {
        let Some(approval) = spec.ports.approvals.get(usize::from(*index)) else { continue };
        let set = unit_set_name(*index, *level);
        let allow = verdicts.allow_in_measure(&format!("follow {set}"));
        for ports in approved_ports(approval) {
            rules.push(format!(
                "{ports}socket cgroupv2 level {level} @{set} {linger}{allow} comment \"follow\""
            ));
        }
    }
    rules
}

fn approved_ports(approval: &Approval) -> Vec<String> {
    if approval.ports.is_empty() {
        return vec![String::new()];
    }
    port_matches(&approval.ports).into_iter().map(|ports| format!("{ports} ")).collect()
}

/// Sockets that were approved one by one: the port opens while the element is there and something
/// listens on exactly that address.
fn followed_one_by_one(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    let (sets, linger) = (spec.sets(), linger(spec));
    of_list(&sets, List::Follow)
        .map(|set| {
            let listens = match (spec.features.socket, set.prefix_len) {
                (false, _) => "",
                (true, 0) => "socket wildcard 1 ",
                (true, _) => "socket wildcard 0 ",
            };
            let allow = verdicts.allow_in_measure(&of_set("follow", set));
            format!("{} {listens}{linger}{allow} comment \"follow\"", port_key(set, "daddr"))
        })
        .collect()
}

/// Returns the match for ports, one for each protocol that occurs.
pub(super) fn port_matches(ranges: &[PortRange]) -> Vec<String> {
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter_map(|protocol| {
            let ports = merged(ranges.iter().filter(|range| range.protocol == protocol));
            (!ports.is_empty()).then(|| format!("{protocol} dport {{ {} }}", listed(&ports)))
        })
        .collect()
}

/// Returns ranges of ports as `nft` writes them between braces.
fn listed(ranges: &[(u16, u16)]) -> String {
    let words = ranges.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Returns ranges of ports, lowest first, those that overlap or touch as one: `nft` refuses
/// overlapping intervals.
fn merged<'a>(ranges: impl Iterator<Item = &'a PortRange>) -> Vec<(u16, u16)> {
    let mut sorted: Vec<_> = ranges.map(|range| (range.first, range.last)).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some(before) if u32::from(first) <= u32::from(before.1) + 1 => {
                before.1 = before.1.max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Returns the look-up of an address, the protocol and the destination port in a set.
fn port_key(set: ListSet, address: &str) -> String {
    format!("{} . meta l4proto . th dport @{set}", address_of(set, address))
}
