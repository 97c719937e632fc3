//! Laws that hold whatever happens: random events and commands, checked after each of them.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    Author, Element, Evidence, Family, Grade, Growth, Ladder, ListedHold, Measure, Offence,
    Process, Span, Strength, Until,
};

/// Caps small enough to be hit.
const CAPS: Caps = Caps {
    bans: 5,
    port_bans: 2,
    throttled: 4,
    allowed: 4,
    offenders: 3,
    unconfirmed: 3,
    doors: 6,
    proposals: 3,
};

/// Longest a measure in these stories lasts, if it ends at all.
const LONGEST: Duration = Duration::from_secs(10_000);

/// One step of a random story.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Offence(u8, Grade),
    KernelListed(u8),
    Hold(Measure, u8, u8),
    Lift(Lifted, u8, u8),
    Added(List, u8, u8),
    Removed(List, u8, u8),
    Protect(Vec<u8>),
    Restored(List, u8, u8),
    Host(u8),
    Lost,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nobody_protected_or_allowed_is_ever_in_desired(steps in prop::collection::vec(step(), 1..60)) {
        each_moment(&steps, |guard, _| {
            for (element, _) in guard.desired().iter() {
                if matches!(element.list, List::Protect | List::Allow) {
                    continue;
                }
                let subject = element.subject;
                prop_assert!(subject.never_a_stranger().is_none(), "{element}");
                prop_assert!(guard.register.protection(subject).is_none(), "{element}");
                prop_assert!(guard.register.allowance(subject).is_none(), "{element}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn caps_hold(steps in prop::collection::vec(step(), 1..80)) {
        each_moment(&steps, |guard, _| {
            let held = |list| guard.register.roll(list).len();
            prop_assert!(held(List::Ban) <= CAPS.bans);
            prop_assert!(held(List::ThrottleHard) <= CAPS.throttled);
            prop_assert!(held(List::ThrottleSoft) <= CAPS.throttled);
            prop_assert!(held(List::Allow) <= CAPS.allowed);
            prop_assert!(guard.offenders.len() <= CAPS.offenders);
            prop_assert!(guard.unconfirmed.len() <= CAPS.unconfirmed);
            Ok(())
        })?;
    }

    #[test]
    fn every_measure_with_an_end_ends(steps in prop::collection::vec(step(), 1..60)) {
        let (mut guard, now) = each_moment(&steps, |_, _| Ok(()))?;
        guard.handle_timeout(now.plus(LONGEST));
        for (element, until) in guard.desired().iter() {
            prop_assert_eq!(until, Until::FOREVER, "{}", element);
        }
        prop_assert_eq!(guard.poll_timeout(), None);
    }

    #[test]
    fn a_rewrite_of_the_kernel_is_what_is_desired(steps in prop::collection::vec(step(), 1..60)) {
        let (mut guard, now) = each_moment(&steps, |_, _| Ok(()))?;
        let what = "everything".to_owned();
        let fact = Fact::KernelLost { what, by: Process::default() };
        guard.handle_event(Event { at: now, fact }, now);
        let mut kernel = BTreeMap::new();
        play(&mut guard, &mut kernel);
        let desired: BTreeMap<Element, Until> = guard.desired().iter().collect();
        prop_assert_eq!(kernel, desired);
    }

    #[test]
    fn changes_one_by_one_lead_to_what_is_desired(steps in prop::collection::vec(step(), 1..60)) {
        let mut kernel: BTreeMap<Element, Until> = BTreeMap::new();
        each_moment_mut(&steps, |guard, step, now| {
            // An administrator's hand changes the kernel first.
            match step {
                Step::Added(list, host, len) => {
                    kernel.insert(element(*list, *host, *len), Until::at(now.plus(LONGEST / 2)));
                }
                Step::Removed(list, host, len) => { kernel.remove(&element(*list, *host, *len)); }
                _ => {}
            }
            play(guard, &mut kernel);
            kernel.retain(|_, until| !until.is_over(now));
            let desired: BTreeMap<Element, Until> = guard.desired().iter().collect();
            prop_assert_eq!(&kernel, &desired);
            Ok(())
        })?;
    }
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0..6_u8;
    let len = prop::sample::select(vec![32_u8, 32, 32, 30, 29]);
    let list = prop::sample::select(List::OF_SOURCES.to_vec());
    let measure = prop::sample::select(vec![
        Measure::Ban,
        Measure::Allow,
        Measure::Throttle(Strength::Soft),
        Measure::Throttle(Strength::Hard),
    ]);
    let lifted = prop::sample::select(vec![Lifted::Ban, Lifted::Allow, Lifted::Throttle]);
    let grade =
        prop::sample::select(vec![Grade::Forgeable, Grade::Handshake, Grade::Authenticated]);
    prop_oneof![
        (0..300_u64).prop_map(Step::Wait),
        (0..8_u8, grade).prop_map(|(host, grade)| Step::Offence(host, grade)),
        host.clone().prop_map(Step::KernelListed),
        (measure, host.clone(), len.clone()).prop_map(|(m, h, l)| Step::Hold(m, h, l)),
        (lifted, host.clone(), len.clone()).prop_map(|(m, h, l)| Step::Lift(m, h, l)),
        (list.clone(), host.clone(), len.clone()).prop_map(|(l, h, n)| Step::Added(l, h, n)),
        (list.clone(), host.clone(), len.clone()).prop_map(|(l, h, n)| Step::Removed(l, h, n)),
        prop::collection::vec(host.clone(), 0..2).prop_map(Step::Protect),
        (list, host.clone(), len).prop_map(|(l, h, n)| Step::Restored(l, h, n)),
        host.prop_map(Step::Host),
        Just(Step::Lost),
    ]
}

/// Returns the `host`-th address of the stories; the first ones lie side by side, the last are
/// this host itself and nobody.
fn address(host: u8) -> IpAddr {
    match host {
        6 => Ipv4Addr::LOCALHOST.into(),
        7 => Ipv4Addr::BROADCAST.into(),
        host => Ipv4Addr::new(203, 0, 113, host).into(),
    }
}

fn element(list: List, host: u8, len: u8) -> Element {
    Element { list, subject: Subject::containing(address(host), len), port: None }
}

fn ladder() -> Arc<Ladder> {
    Arc::new(Ladder {
        base: Duration::from_secs(60),
        growth: Growth::Quadratic,
        steps: vec![Strength::Soft],
        permanent_after: 6,
        max: Span::For(Duration::from_secs(1_000)),
        forget_after: Span::For(Duration::from_secs(2_000)),
        prefix_v4: 31,
        prefix_v6: 64,
    })
}

fn take(guard: &mut Guard, step: &Step, now: Timestamp) {
    let at = now;
    let author = Author::Operator(0);
    let until = Until::at(now.plus(LONGEST / 2));
    let by = Process::default();
    let fact = match step {
        Step::Wait(_) => return guard.handle_timeout(now),
        Step::Offence(host, grade) => Fact::Offence(Offence {
            peer: address(*host),
            origin: "trap tcp/23".into(),
            grade: *grade,
            ladder: ladder(),
            evidence: Evidence::default(),
            trap: None,
            ports: None,
        }),
        Step::KernelListed(host) => {
            let peer = address(*host);
            Fact::KernelListed { list: List::Ban, peer, subject: Subject::address(peer) }
        }
        Step::Hold(measure, host, len) => {
            let command = Command::Hold {
                measure: *measure,
                subject: Subject::containing(address(*host), *len),
                ports: Vec::new(),
                span: Span::For(LONGEST / 2),
                reason: "".into(),
                author,
            };
            // Both answers are right; the laws are about what follows.
            let _ = guard.handle_command(command, now);
            return;
        }
        Step::Lift(measure, host, len) => {
            let subject = Subject::containing(address(*host), *len);
            // As above.
            let _ = guard.handle_command(Command::Lift { measure: *measure, subject, author }, now);
            return;
        }
        Step::Added(list, host, len) => {
            Fact::ElementAdded { element: element(*list, *host, *len), until, by }
        }
        Step::Removed(list, host, len) => {
            Fact::ElementRemoved { element: element(*list, *host, *len), by }
        }
        Step::Protect(hosts) => Fact::Protected(
            hosts.iter().map(|host| (Subject::address(address(*host)), "is us".into())).collect(),
        ),
        Step::Restored(list, host, len) => Fact::Restored(vec![ListedHold {
            list: *list,
            subject: Subject::containing(address(*host), *len),
            ports: Vec::new(),
            since: now,
            until,
            nth_ban: 1,
            author: Author::Guard,
            reason: "".into(),
        }]),
        Step::Host(host) => {
            Fact::HostResolved { host: "home".into(), addresses: vec![address(*host)] }
        }
        Step::Lost => Fact::KernelLost { what: "all".to_owned(), by },
    };
    guard.handle_event(Event { at, fact }, now);
}

fn play(guard: &mut Guard, kernel: &mut BTreeMap<Element, Until>) {
    while let Some((_, demand)) = guard.poll_demand() {
        let Demand::Element(change) = demand else { continue };
        match change {
            Change::Install(element, until) => kernel.insert(element, until),
            Change::Remove(element) => kernel.remove(&element),
        };
    }
}

fn each_moment(
    steps: &[Step],
    mut law: impl FnMut(&Guard, Timestamp) -> Result<(), TestCaseError>,
) -> Result<(Guard, Timestamp), TestCaseError> {
    each_moment_mut(steps, |guard, _, now| {
        while guard.poll_demand().is_some() {}
        law(guard, now)
    })
}

fn each_moment_mut(
    steps: &[Step],
    mut law: impl FnMut(&mut Guard, &Step, Timestamp) -> Result<(), TestCaseError>,
) -> Result<(Guard, Timestamp), TestCaseError> {
    let mut guard = Guard::new(CAPS);
    let mut now = Timestamp::from_secs(1_000_000);
    guard.configure(Policy { hosts: vec!["home".into()], ..Policy::default() }, now);
    for step in steps {
        if let Step::Wait(seconds) = step {
            now = now.plus(Duration::from_secs(*seconds));
        }
        take(&mut guard, step, now);
        law(&mut guard, step, now)?;
    }
    Ok((guard, now))
}

#[test]
fn a_subject_map_answers_like_a_plain_list() {
    let subjects: Vec<Subject> = (0..64_u8)
        .flat_map(|host| [24, 28, 30, 32].map(|len| Subject::containing(address(host % 6), len)))
        .collect();
    let mut map = crate::SubjectMap::default();
    for subject in &subjects {
        map.insert(*subject, ());
    }
    for asked in &subjects {
        let covering: Vec<_> = map.covering(*asked).map(|(key, ())| key).collect();
        let within: Vec<_> = map.within(*asked).map(|(key, ())| *key).collect();
        let all: std::collections::BTreeSet<_> = subjects.iter().copied().collect();
        assert_eq!(
            covering,
            all.iter().copied().filter(|key| key.covers(asked)).collect::<Vec<_>>()
        );
        assert_eq!(within, all.iter().copied().filter(|key| asked.covers(key)).collect::<Vec<_>>());
        assert_eq!(asked.family(), Family::V4);
    }
}
