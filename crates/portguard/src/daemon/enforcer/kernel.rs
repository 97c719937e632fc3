//! Questions to the kernel table.

use std::collections::BTreeSet;

use portguard_api::view;
use portguard_core::{Element, Fact, List, Port, Subject, Timestamp, Until};
use portguard_linux::nft::{Found, ListSet, Table, Tally};

use crate::exit::with_causes;

use super::KernelState;

/// Most elements of one list that are compared with the guard's own at the start: listing costs
/// the square of their number, and this many take about half a second.
const MOST_COMPARED: u64 = 150_000;

/// Returns what the kernel holds, list by list; lists that are too large are left out, as are the
/// protected, which follow from the configuration.
pub(super) fn everything(table: &mut Table, sets: &BTreeSet<ListSet>, now: Timestamp) -> Fact {
    let mut held: Vec<(Element, Until)> = Vec::new();
    let of_sources = [List::Allow, List::Ban, List::ThrottleHard, List::ThrottleSoft];
    for list in of_sources.into_iter().chain(List::OF_DOORS) {
        let size = count(table, sets.iter().filter(|set| set.list == list));
        if size.is_some_and(|size| size > MOST_COMPARED) {
            continue;
        }
        let listed = table.dump(list).unwrap_or_default();
        held.extend(listed.into_iter().map(|listed| {
            let until = listed.remaining.map_or(Until::FOREVER, |left| Until::at(now.plus(left)));
            (listed.element, until)
        }));
    }
    Fact::KernelHolds(held)
}

/// Returns what the kernel says of a subject.
pub(super) fn check(
    table: Option<&mut Table>,
    subject: Subject,
    ports: &[Port],
) -> Result<view::Check, String> {
    let found = match table {
        Some(table) => {
            table.find(subject.first_address(), ports).map_err(|error| with_causes(&error))?
        }
        None => Vec::new(),
    };
    let mut matching: Vec<Found> =
        found.into_iter().filter(|found| found.element.subject.covers(&subject)).collect();
    matching.sort_by_key(|found| found.element);
    Ok(view::Check {
        address: subject.to_string(),
        verdict: verdict(&matching).to_owned(),
        elements: matching.iter().map(element).collect(),
    })
}

/// Returns the verdict of the first list that a packet meets.
fn verdict(found: &[Found]) -> &'static str {
    match found.iter().map(|found| found.element.list).min() {
        Some(List::Protect) => "protected",
        Some(List::Allow) => "allowed",
        Some(List::Ban) => "banned",
        Some(List::ThrottleHard | List::ThrottleSoft) => "throttled",
        _ => "none",
    }
}

fn element(found: &Found) -> view::KernelElement {
    let seconds = |left: std::time::Duration| left.as_millis().div_ceil(1000);
    view::KernelElement {
        list: found.element.list.to_string(),
        subject: found.element.subject.to_string(),
        port: found.element.port.map(|port| port.to_string()),
        seconds_left: found.remaining.map(|left| u64::try_from(seconds(left)).unwrap_or(u64::MAX)),
        packets: found.matched.packets,
        bytes: found.matched.bytes,
    }
}

/// Returns what the kernel counts.
pub(super) fn state(table: Option<&mut Table>, sets: &BTreeSet<ListSet>) -> KernelState {
    let Some(table) = table else { return KernelState::default() };
    let totals = table.counters().unwrap_or_default();
    KernelState {
        installed: count(table, sets.iter()),
        turned_away: view::TurnedAway {
            banned_packets: totals.banned.packets,
            banned_bytes: totals.banned.bytes,
            throttled_packets: totals.throttled.packets,
            throttled_bytes: totals.throttled.bytes,
            blocked_packets: totals.blocked.packets,
            blocked_bytes: totals.blocked.bytes,
            allowed_connections: totals.allowed.packets,
        },
        over_limit: unlogged(totals.blocked, totals.logged_blocked)
            + unlogged(totals.allowed, totals.logged_allowed),
    }
}

/// Returns how many were counted but not told of; nothing is told if the log is off.
fn unlogged(all: Tally, logged: Tally) -> u64 {
    if logged.packets == 0 { 0 } else { all.packets.saturating_sub(logged.packets) }
}

/// Returns how many elements the sets hold, `None` if the kernel does not tell.
fn count<'a>(table: &mut Table, sets: impl Iterator<Item = &'a ListSet>) -> Option<u64> {
    let mut sum = 0;
    for set in sets {
        sum += u64::from(table.count(*set).ok()??);
    }
    Some(sum)
}
