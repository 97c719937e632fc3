//! The rules that let new connections in: grants, services, ports that are always open, and
//! listening sockets; and what is never open or shut. In the order of judgement. Pure.

use portguard_core::{Approval, Family, Follow, List, Protocol, service::PortRange};

use super::{
    FrameSpec,
    definition::{SERVICE_FAMILIES, service_meter_name},
    rule::{Chain, address_of, of_list, spare_protected},
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
    let mut rules = spare_protected(&spec.sets());
    let protections = rules.len();
    for (name, service) in &spec.ports.services {
        let Some(rate) = service.rate else { continue };
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
    let name = RATES.to_owned();
    (rules.len() > protections).then_some(Chain { name, hook: None, rules })
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
fn followed(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    match spec.ports.follow {
        Follow::None => Vec::new(),
        Follow::All if !spec.features.socket => Vec::new(),
        Follow::All => {
            let allow = verdicts.allow_in_measure("follow");
            vec![format!("socket wildcard <= 1 {allow} comment \"follow\"")]
        }
        Follow::Approved => [units(spec, verdicts), followed_one_by_one(spec, verdicts)].concat(),
    }
}

/// Sockets of approved units, wherever they listen.
fn units(spec: &FrameSpec, verdicts: &mut Verdicts) -> Vec<String> {
    if !spec.features.cgroup {
        return Vec::new();
    }
    let mut rules = Vec::new();
    for (index, level) in &spec.unit_levels {
        let Some(approval) = spec.ports.approvals.get(usize::from(*index)) else { continue };
        let set = unit_set_name(*index, *level);
        let allow = verdicts.allow_in_measure(&format!("follow {set}"));
        for ports in approved_ports(approval) {
            rules.push(format!(
                "{ports}socket cgroupv2 level {level} @{set} {allow} comment \"follow\""
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
    let sets = spec.sets();
    of_list(&sets, List::Follow)
        .map(|set| {
            let listens = match (spec.features.socket, set.prefix_len) {
                (false, _) => "",
                (true, 0) => "socket wildcard 1 ",
                (true, _) => "socket wildcard 0 ",
            };
            let allow = verdicts.allow_in_measure(&of_set("follow", set));
            format!("{} {listens}{allow} comment \"follow\"", port_key(set, "daddr"))
        })
        .collect()
}

/// Returns the match for ports, one for each protocol that occurs.
pub(super) fn port_matches(ranges: &[PortRange]) -> Vec<String> {
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter_map(|protocol| {
            let of_protocol: Vec<String> = merged(ranges, protocol)
                .into_iter()
                .map(
                    |(first, last)| {
                        if first == last { first.to_string() } else { format!("{first}-{last}") }
                    },
                )
                .collect();
            let ports = of_protocol.join(", ");
            (!ports.is_empty()).then(|| format!("{protocol} dport {{ {ports} }}"))
        })
        .collect()
}

/// Returns the ranges of a protocol, lowest first, those that overlap or touch as one: `nft`
/// refuses overlapping intervals.
fn merged(ranges: &[PortRange], protocol: Protocol) -> Vec<(u16, u16)> {
    let of_protocol = ranges.iter().filter(|range| range.protocol == protocol);
    let mut sorted: Vec<_> = of_protocol.map(|range| (range.first, range.last)).collect();
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
