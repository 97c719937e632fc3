//! The guard's behaviour as stories: what is told to it, and what it then does and says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::*;
use crate::{
    Author, Element, Evidence, Grade, Growth, Ladder, Measure, Offence, Process, Span, Strength,
    Until,
};

#[test]
fn a_ban_ends_by_itself() {
    check(
        "@0 trap 203.0.113.9
         @60",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @60 release ban 203.0.113.9: its time is over",
    );
}

#[test]
fn bans_grow_by_the_square_and_the_fourth_is_forever() {
    check(
        "@0 trap 203.0.113.9
         @100 trap 203.0.113.9
         @1000 trap 203.0.113.9
         @5000 trap 203.0.113.9",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @100 release ban 203.0.113.9: its time is over
         @100 ban 203.0.113.9 until 340 (2)
         @100 +ban 203.0.113.9 until 340
         @1000 release ban 203.0.113.9: its time is over
         @1000 ban 203.0.113.9 until 1540 (3)
         @1000 +ban 203.0.113.9 until 1540
         @5000 release ban 203.0.113.9: its time is over
         @5000 ban 203.0.113.9 until forever (4)
         @5000 +ban 203.0.113.9 until forever",
    );
}

#[test]
fn touches_of_one_burst_count_once() {
    check(
        "@0 trap 203.0.113.9
         @1 trap 203.0.113.9",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @1 excused 203.0.113.9: the ban had just begun",
    );
}

#[test]
fn a_subject_that_behaves_long_enough_starts_anew() {
    check(
        "@0 trap 203.0.113.9
         @90000 trap 203.0.113.9",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @90000 release ban 203.0.113.9: its time is over
         @90000 ban 203.0.113.9 until 90060 (1)
         @90000 +ban 203.0.113.9 until 90060",
    );
}

#[test]
fn a_forgeable_packet_only_throttles() {
    check(
        "@0 probe 203.0.113.9
         @10 probe 203.0.113.9
         @20 probe 203.0.113.9",
        "@0 throttle-hard 203.0.113.9 until 60 (0)
         @0 +throttle-hard 203.0.113.9 until 60",
    );
}

#[test]
fn an_ipv6_offender_is_banned_with_its_network() {
    check(
        "@0 trap 2001:db8::9",
        "@0 ban 2001:db8::/64 until 60 (1)
         @0 +ban 2001:db8::/64 until 60
         @0 -ban 2001:db8::9",
    );
}

#[test]
fn a_network_with_a_sheltered_neighbour_is_not_banned_as_a_whole() {
    check(
        "@0 protect 2001:db8::1
         @1 trap 2001:db8::9",
        "@0 +protect 2001:db8::1 until forever
         @1 ban 2001:db8::9 until 61 (1)
         @1 +ban 2001:db8::9 until 61
         @1 -ban 2001:db8::/64",
    );
}

#[test]
fn link_local_neighbours_are_banned_one_by_one() {
    check(
        "@0 trap fe80::9",
        "@0 ban fe80::9 until 60 (1)
         @0 +ban fe80::9 until 60
         @0 -ban fe80::/64",
    );
}

#[test]
fn a_protected_peer_that_touches_a_trap_is_freed_at_once() {
    check(
        "@0 protect 203.0.113.9
         @1 listed 203.0.113.9
         @1 trap 203.0.113.9",
        "@0 +protect 203.0.113.9 until forever
         @1 -ban 203.0.113.9
         @1 excused 203.0.113.9: 203.0.113.9 is protected: it has a session
         @1 -ban 203.0.113.9
         @1 -throttle-hard 203.0.113.9",
    );
}

#[test]
fn a_peer_that_matches_a_pattern_is_allowed_in_the_kernel() {
    check(
        "@0 pattern 12.34.56.*
         @1 trap 12.34.56.7",
        "@1 allow 12.34.56.7 until 86401 (0)
         @1 excused 12.34.56.7: 12.34.56.7 matches the allow pattern `12.34.56.*`
         @1 +allow 12.34.56.7 until 86401
         @1 -ban 12.34.56.7
         @1 -throttle-hard 12.34.56.7",
    );
}

#[test]
fn a_listing_without_proof_is_lifted() {
    check(
        "@0 listed 203.0.113.9
         @2",
        "@2 release ban 203.0.113.9: no handshake was completed
         @2 -ban 203.0.113.9",
    );
}

#[test]
fn a_listing_with_proof_stays() {
    check(
        "@0 listed 203.0.113.9
         @1 trap 203.0.113.9
         @5",
        "@1 ban 203.0.113.9 until 61 (1)
         @1 +ban 203.0.113.9 until 61",
    );
}

#[test]
fn whoever_gets_protected_is_freed() {
    check(
        "@0 trap 203.0.113.9
         @1 protect 203.0.113.9",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @1 release ban 203.0.113.9: it is protected: has a session
         @1 +protect 203.0.113.9 until forever
         @1 -ban 203.0.113.9",
    );
}

#[test]
fn an_operator_bans_and_unbans() {
    check(
        "@0 ban 203.0.113.9
         @1 unban 203.0.113.9
         @2 unban 203.0.113.9",
        "@0 ban 203.0.113.9 until 600 (0)
         @0 +ban 203.0.113.9 until 600
         @1 release ban 203.0.113.9: lifted by operator (uid 0)
         @1 -ban 203.0.113.9
         @2 refused: 203.0.113.9 is not banned",
    );
}

#[test]
fn what_lies_in_a_banned_network_is_unbanned_with_the_network() {
    check(
        "@0 ban 203.0.113.0/24
         @1 unban 203.0.113.9",
        "@0 ban 203.0.113.0/24 until 600 (0)
         @0 +ban 203.0.113.0/24 until 600
         @1 refused: 203.0.113.9 is banned as part of 203.0.113.0/24 [portguard unban 203.0.113.0/24]",
    );
}

#[test]
fn nobody_bans_this_host_or_what_is_protected_or_allowed() {
    check(
        "@0 protect 192.0.2.1
         @0 ban 127.0.0.1
         @0 ban 192.0.2.1
         @0 ban 192.0.2.0/24
         @0 ban 0.0.0.0/0
         @0 allow 198.51.100.0/24
         @0 ban 198.51.100.7",
        "@0 +protect 192.0.2.1 until forever
         @0 refused: 127.0.0.1 is protected: it is this host itself (loopback) [see [protect] in the configuration]
         @0 refused: 192.0.2.1 is protected: it has a session [see [protect] in the configuration]
         @0 refused: 192.0.2.0/24 contains 192.0.2.1, which is protected: it has a session [use a narrower network]
         @0 refused: 0.0.0.0/0 contains 127.0.0.0/8, which is protected: it is this host itself (loopback) [use a narrower network]
         @0 allow 198.51.100.0/24 until 600 (0)
         @0 +allow 198.51.100.0/24 until 600
         @0 refused: 198.51.100.7 is on the allow list as part of 198.51.100.0/24 [portguard disallow 198.51.100.0/24]",
    );
}

#[test]
fn whoever_is_allowed_is_freed_from_bans_and_throttles() {
    check(
        "@0 trap 203.0.113.9
         @1 allow 203.0.113.0/24",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @1 allow 203.0.113.0/24 until 601 (0)
         @1 release ban 203.0.113.9: it is on the allow list
         @1 +allow 203.0.113.0/24 until 601
         @1 -ban 203.0.113.9",
    );
}

#[test]
fn an_administrators_elements_are_taken_over() {
    check(
        "@0 added ban 203.0.113.9
         @1 removed ban 203.0.113.9
         @2 removed ban 203.0.113.9",
        "@0 ban 203.0.113.9 until forever (0)
         @0 +ban 203.0.113.9 until forever
         @1 release ban 203.0.113.9: lifted by administrator
         @1 -ban 203.0.113.9",
    );
}

#[test]
fn an_administrator_can_not_ban_who_is_protected() {
    check(
        "@0 protect 192.0.2.1
         @1 added ban 192.0.2.1
         @2 removed protect 192.0.2.1",
        "@0 +protect 192.0.2.1 until forever
         @1 refused: 192.0.2.1 is protected: it has a session [see [protect] in the configuration]
         @1 -ban 192.0.2.1
         @2 repaired removal of protect 192.0.2.1, which the configuration demands by nft (process 42)
         @2 +protect 192.0.2.1 until forever",
    );
}

#[test]
fn what_the_kernel_lost_goes_in_again_and_nothing_else_does() {
    check(
        "@0 trap 203.0.113.9
         @1 ban 198.51.100.0/24
         @2 unban 198.51.100.0/24
         @10 lost",
        "@0 ban 203.0.113.9 until 60 (1)
         @0 +ban 203.0.113.9 until 60
         @1 ban 198.51.100.0/24 until 601 (0)
         @1 +ban 198.51.100.0/24 until 601
         @2 release ban 198.51.100.0/24: lifted by operator (uid 0)
         @2 -ban 198.51.100.0/24
         @10 repaired flush of everything by nft (process 42)
         @10 +ban 203.0.113.9 until 60",
    );
}

#[test]
fn a_full_ban_list_drops_its_next_to_end() {
    check(
        "@0 trap 203.0.113.1
         @1 trap 203.0.113.2
         @2 trap 203.0.113.3
         @3 trap 203.0.113.4",
        "@0 ban 203.0.113.1 until 60 (1)
         @0 +ban 203.0.113.1 until 60
         @1 ban 203.0.113.2 until 61 (1)
         @1 +ban 203.0.113.2 until 61
         @2 ban 203.0.113.3 until 62 (1)
         @2 +ban 203.0.113.3 until 62
         @3 release ban 203.0.113.1: the table was full and it was the next to end
         @3 full ban: 203.0.113.1
         @3 ban 203.0.113.4 until 63 (1)
         @3 -ban 203.0.113.1
         @3 +ban 203.0.113.4 until 63",
    );
}

#[test]
fn a_host_of_the_allow_list_that_moves_takes_its_allowance_along() {
    check(
        "@0 host 203.0.113.9
         @1 host 203.0.113.10",
        "@0 allow 203.0.113.9 until forever (0)
         @0 +allow 203.0.113.9 until forever
         @1 release allow 203.0.113.9: lifted by configuration
         @1 allow 203.0.113.10 until forever (0)
         @1 -allow 203.0.113.9
         @1 +allow 203.0.113.10 until forever",
    );
}

fn trap_ladder() -> Arc<Ladder> {
    Arc::new(Ladder {
        base: Duration::from_secs(60),
        growth: Growth::Quadratic,
        steps: Vec::new(),
        permanent_after: 4,
        max: Span::Forever,
        forget_after: Span::For(Duration::from_secs(86_400)),
        prefix_v4: 32,
        prefix_v6: 64,
    })
}

/// Tells the guard each line of the story and compares what it does and says.
fn check(story: &str, expect: &str) {
    let mut guard = Guard::new(Caps { bans: 3, ..Caps::default() });
    let mut told = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let second: u64 = words.next().unwrap().trim_start_matches('@').parse().unwrap();
        let now = Timestamp::from_secs(second);
        let words: Vec<&str> = words.collect();
        tell(&mut guard, &words, now);
        while let Some(record) = guard.poll_record() {
            told.extend(said(&record).map(|said| format!("@{second} {said}")));
        }
        while let Some((_, demand)) = guard.poll_demand() {
            let Demand::Element(change) = demand else { continue };
            told.push(format!("@{second} {}", done(&change)));
        }
    }
    let expect: Vec<&str> = expect.lines().map(str::trim).collect();
    assert_eq!(told.join("\n"), expect.join("\n"));
}

fn tell(guard: &mut Guard, words: &[&str], now: Timestamp) {
    let subject = |index: usize| words[index].parse::<Subject>().unwrap();
    let by = Process { pid: Some(42), name: "nft".to_owned() };
    let author = Author::Operator(0);
    let event = |fact| Event { at: now, fact };
    match words {
        [] => guard.handle_timeout(now),
        ["trap" | "probe", peer] => {
            let grade = if words[0] == "trap" { Grade::Handshake } else { Grade::Forgeable };
            let offence = Offence {
                peer: peer.parse().unwrap(),
                origin: "trap tcp/23".into(),
                grade,
                ladder: trap_ladder(),
                evidence: Evidence::default(),
                trap: None,
                ports: None,
            };
            guard.handle_event(event(Fact::Offence(offence)), now);
        }
        ["listed", peer] => {
            let peer = peer.parse().unwrap();
            let fact = Fact::KernelListed { list: List::Ban, peer, subject: subject(1) };
            guard.handle_event(event(fact), now);
        }
        ["protect", _] => {
            let subjects = BTreeMap::from([(subject(1), "has a session".into())]);
            guard.handle_event(event(Fact::Protected(subjects)), now);
        }
        ["pattern", pattern] => {
            let patterns = vec![pattern.parse().unwrap()];
            guard.configure(Policy { patterns, ..Policy::default() }, now);
        }
        ["host", address] => {
            let host: Arc<str> = "home".into();
            guard.configure(Policy { hosts: vec![host.clone()], ..Policy::default() }, now);
            let addresses = vec![address.parse().unwrap()];
            guard.handle_event(event(Fact::HostResolved { host, addresses }), now);
        }
        ["added" | "removed", list, _] => {
            let list = *List::OF_SOURCES.iter().find(|known| known.name() == *list).unwrap();
            let element = Element { list, subject: subject(2), port: None };
            let added = Fact::ElementAdded { element, until: Until::FOREVER, by: by.clone() };
            let removed = Fact::ElementRemoved { element, by };
            guard.handle_event(event(if words[0] == "added" { added } else { removed }), now);
        }
        ["lost"] => {
            let what = "flush of everything".to_owned();
            guard.handle_event(event(Fact::KernelLost { what, by }), now);
        }
        ["ban" | "allow", _] => {
            let measure = if words[0] == "ban" { Measure::Ban } else { Measure::Allow };
            let command = Command::Hold {
                measure,
                subject: subject(1),
                ports: Vec::new(),
                span: Span::For(Duration::from_secs(600)),
                reason: "".into(),
                author,
            };
            // A refusal is journalled, and so part of what is compared.
            let _ = guard.handle_command(command, now);
        }
        ["unban", _] => {
            let (measure, subject) = (Lifted::Ban, subject(1));
            let refused = guard.handle_command(Command::Lift { measure, subject, author }, now);
            if let Err(refusal) = refused {
                guard.note(Note::Refused { subject, measure: Measure::Ban, refusal, author }, now);
            }
        }
        other => panic!("no such line in a story: {other:?}"),
    }
}

fn said(record: &Record) -> Option<String> {
    let Record::Entry(entry) = record else { return None };
    match &entry.note {
        Note::Decision(decision) => Some(format!(
            "{} {} until {} ({})",
            decision.measure,
            decision.subject,
            end(decision.until),
            decision.nth_ban
        )),
        Note::Release(release) => {
            Some(format!("release {} {}: {}", release.measure, release.subject, release.cause))
        }
        Note::Refused { refusal, .. } => {
            let hint = refusal.hint.as_ref().map(|hint| format!(" [{hint}]")).unwrap_or_default();
            Some(format!("refused: {}{hint}", refusal.why))
        }
        Note::Offence { peer, excused: Some(why), .. } => Some(format!("excused {peer}: {why}")),
        Note::Repaired { what, by } => Some(format!("repaired {what} by {by}")),
        Note::Full { table, dropped } => Some(format!("full {table}: {dropped}")),
        _ => None,
    }
}

fn done(change: &Change) -> String {
    match change {
        Change::Install(element, until) => format!("+{element} until {}", end(*until)),
        Change::Remove(element) => format!("-{element}"),
    }
}

fn end(until: Until) -> String {
    until.moment().map_or("forever".to_owned(), |moment| (moment.as_millis() / 1000).to_string())
}

#[test]
fn strength_names_are_those_of_the_command_line() {
    assert_eq!(Measure::Throttle(Strength::Soft).to_string(), "throttle-soft");
}
