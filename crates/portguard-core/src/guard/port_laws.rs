//! Laws about ports that hold whatever happens: random events and commands, checked after each.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    Author, Door, DoorAct, Element, Follow, Listener, Owner, Port, Posture, Process, Service,
};

const CAPS_OF_DOORS: usize = 6;
const WAY_IN: &str = "tcp/22";
const PERSON: &str = "192.0.2.7";
const CONFIRM: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(10_000);

/// One step of a random story about ports.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Listen(Vec<u8>),
    Open(u8, Option<u8>, u64),
    Close(u8),
    OpenFromAfar(u8, Option<u8>, u64),
    CloseFromAfar(u8, Option<u8>),
    Knock(u8, u8, u64),
    Lockdown,
    Relax,
    Confirm,
    Rollback,
    Rule(u8, bool),
    Forget(u8),
    Configure(u8),
    Added(Door),
    Removed(Door),
    Stranger(u8),
    Lost,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn changes_one_by_one_and_a_rewrite_lead_to_what_is_desired(
        steps in prop::collection::vec(step(true), 1..60),
    ) {
        let mut kernel = BTreeMap::new();
        let (mut guard, now) = each_moment(&steps, |guard, step, now| {
            match step {
                Step::Added(door) => {
                    let until = Until::at(now.plus(LONGEST / 2));
                    kernel.insert(door.elements()[0], until);
                }
                Step::Removed(door) => drop(kernel.remove(&door.elements()[0])),
                Step::Stranger(port) => drop(kernel.insert(stranger(*port), Until::FOREVER)),
                _ => {}
            }
            play(guard, &mut kernel);
            kernel.retain(|_, until| !until.is_over(now));
            prop_assert_eq!(&kernel, &guard.desired().iter().collect::<BTreeMap<_, _>>());
            Ok(())
        })?;
        let fact = Fact::KernelLost { what: "all".to_owned(), by: Process::default() };
        guard.handle_event(Event { at: now, fact }, now);
        kernel.clear();
        play(&mut guard, &mut kernel);
        prop_assert_eq!(&kernel, &guard.desired().iter().collect::<BTreeMap<_, _>>());
    }

    #[test]
    fn what_is_never_open_is_never_granted_and_caps_hold(
        steps in prop::collection::vec(step(true), 1..60),
    ) {
        each_moment(&steps, |guard, _, _| {
            prop_assert!(guard.doors.len() <= CAPS_OF_DOORS);
            for (element, _) in guard.desired().iter() {
                let port = element.port.filter(|_| element.list == List::Grant);
                prop_assert!(port.is_none_or(|port| !guard.rules.is_never(port)), "{element}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn nobody_absent_takes_the_last_way_in(
        steps in prop::collection::vec(step(true), 1..60),
    ) {
        let person: Subject = PERSON.parse().unwrap();
        let mut had_one = true;
        each_moment(&steps, |guard, step, _| {
            let has_one = can_come_in(guard, person);
            if matches!(step, Step::OpenFromAfar(..) | Step::CloseFromAfar(..)) {
                prop_assert!(has_one || !had_one, "{:?}", guard.exposures());
            }
            had_one = has_one;
            Ok(())
        })?;
    }

    #[test]
    fn without_confirmation_the_way_in_comes_back(
        steps in prop::collection::vec(step(false), 1..60),
    ) {
        let (mut guard, now) = each_moment(&steps, |_, _, _| Ok(()))?;
        let listening = Fact::Listeners(vec![listener(0)]);
        guard.handle_event(Event { at: now, fact: listening }, now);
        guard.handle_timeout(now.plus(CONFIRM));
        prop_assert!(guard.is_open(WAY_IN.parse().unwrap()), "{:?}", guard.exposures());
        prop_assert_eq!(guard.pending(), None);
    }
}

/// Returns steps; those with which an operator may lock everybody out only if `all` are wanted.
fn step(all: bool) -> impl Strategy<Value = Step> {
    let port = 0..4_u8;
    let door =
        (any::<bool>(), port.clone(), prop::option::of(0..3_u8)).prop_map(|(shut, port, from)| {
            if shut {
                Door { act: DoorAct::Shut, from: None, port: number(port) }
            } else {
                Door { act: DoorAct::Open, from: from.map(source), port: number(port) }
            }
        });
    // The administrator's own hand may shut anything at once.
    let by_hand = door.clone().prop_filter("would lock out", move |door| {
        all || (door.act == DoorAct::Open && door.port != WAY_IN.parse().unwrap())
    });
    let confirm = if all { Step::Confirm } else { Step::Wait(1) };
    prop_oneof![
        (0..90_u64).prop_map(Step::Wait),
        prop::collection::vec(port.clone(), 0..4).prop_map(Step::Listen),
        (port.clone(), prop::option::of(0..3_u8), 1..200_u64)
            .prop_map(|(port, from, span)| Step::Open(port, from, span)),
        port.clone().prop_map(Step::Close),
        from_afar(all),
        (port.clone(), 0..3_u8, 1..200_u64)
            .prop_map(|(port, from, span)| Step::Knock(port, from, span)),
        Just(Step::Lockdown),
        Just(Step::Relax),
        Just(confirm),
        Just(Step::Rollback),
        (port.clone(), any::<bool>()).prop_map(|(port, approved)| Step::Rule(port, approved)),
        port.clone().prop_map(Step::Forget),
        (0..6_u8).prop_map(Step::Configure),
        by_hand.clone().prop_map(Step::Added),
        by_hand.prop_map(Step::Removed),
        port.prop_map(Step::Stranger),
        Just(Step::Lost),
    ]
}

/// Returns orders of somebody absent; those that close something only if `all` are wanted.
fn from_afar(all: bool) -> impl Strategy<Value = Step> {
    let (port, from) = (0..4_u8, prop::option::of(0..3_u8));
    let open = (port.clone(), from.clone(), 1..200_u64)
        .prop_map(|(port, from, span)| Step::OpenFromAfar(port, from, span));
    let close = (port, from).prop_map(|(port, from)| Step::CloseFromAfar(port, from));
    (open, close, any::<bool>())
        .prop_map(move |(open, close, closes)| if all && closes { close } else { open })
}

/// Returns whether somebody reaches a way in, by what the views show.
fn can_come_in(guard: &Guard, person: Subject) -> bool {
    guard.exposures().iter().any(|exposure| {
        let mut grants = exposure.grants.iter();
        exposure.address.is_some()
            && exposure.owner.as_ref().is_some_and(Owner::is_way_in)
            && (exposure.reach == crate::Reach::Open
                || grants.any(|(from, _)| from.covers(&person)))
    })
}

fn number(port: u8) -> Port {
    [WAY_IN, "tcp/80", "udp/53", "tcp/3306"][usize::from(port)].parse().unwrap()
}

fn source(host: u8) -> Subject {
    ["192.0.2.7", "192.0.2.0/24", "2001:db8::/64"][usize::from(host)].parse().unwrap()
}

fn listener(port: u8) -> Listener {
    let name = if port == 0 { "sshd" } else { "server" };
    Listener {
        port: number(port),
        address: ["::", "192.0.2.1", "0.0.0.0", "::"][usize::from(port)].parse().unwrap(),
        v6_only: port == 3,
        socket: port.into(),
        owner: Owner {
            pid: Some(1),
            name: name.into(),
            exe: None,
            user: "root".into(),
            unit: None,
            container: None,
        },
    }
}

/// Returns an element that nobody can decide by hand.
fn stranger(port: u8) -> Element {
    let subject = "0.0.0.0/0".parse().unwrap();
    Element { list: List::Grace, subject, port: Some(number(port)) }
}

/// Returns one of six configurations: open and closed, with and without the way in.
fn policy(index: u8) -> PortPolicy {
    let way_in: crate::service::PortRange = WAY_IN.parse().unwrap();
    let ssh = Service { ports: vec![way_in], rate: None };
    PortPolicy {
        posture: if index < 2 { Posture::Open } else { Posture::Closed },
        always: if matches!(index, 0 | 2) { vec![way_in] } else { Vec::new() },
        never: if index == 5 { vec![way_in] } else { vec!["tcp/3306".parse().unwrap()] },
        follow: [Follow::Approved, Follow::All, Follow::None][usize::from(index) % 3],
        grace: Duration::from_secs(u64::from(index) * 10),
        services: [("ssh".into(), ssh)].into(),
        ..PortPolicy::default()
    }
}

fn take(guard: &mut Guard, step: &Step, now: Timestamp) {
    let author = match step {
        Step::OpenFromAfar(..) | Step::CloseFromAfar(..) => Author::ControlFile(None),
        _ => Author::Operator(0),
    };
    let order = |port: u8, from: Option<u8>| PortOrder {
        ports: vec![number(port)],
        service: "".into(),
        from: from.map(source),
        author,
    };
    let of = |port: u8| crate::Approval {
        ports: vec![number(port).to_string().parse().unwrap()],
        ..crate::Approval::default()
    };
    let by = Process::default();
    let command = match step {
        Step::Wait(_) => return guard.handle_timeout(now),
        Step::Open(port, from, span) | Step::OpenFromAfar(port, from, span) => {
            let span = Span::For(Duration::from_secs(*span));
            Command::Open { order: order(*port, *from), span }
        }
        Step::Close(port) => Command::Close(order(*port, None)),
        Step::CloseFromAfar(port, from) => Command::Close(order(*port, *from)),
        Step::Lockdown => Command::Lockdown(author),
        Step::Relax => Command::Relax(author),
        Step::Confirm => Command::Confirm(author),
        Step::Rollback => Command::Rollback(author),
        Step::Rule(port, approved) => {
            Command::Rule { of: Some(of(*port)), approved: *approved, author }
        }
        Step::Forget(port) => Command::ForgetRuling(of(*port)),
        Step::Configure(index) => {
            let ports = policy(*index);
            return guard.configure(Policy { ports, ..Policy::default() }, now);
        }
        Step::Listen(_)
        | Step::Knock(..)
        | Step::Added(_)
        | Step::Removed(_)
        | Step::Stranger(_)
        | Step::Lost => {
            return guard.handle_event(Event { at: now, fact: fact(step, by, now) }, now);
        }
    };
    // Both answers are right; the laws are about what follows.
    let _ = guard.handle_command(command, now);
}

fn fact(step: &Step, by: Process, now: Timestamp) -> Fact {
    let until = Until::at(now.plus(LONGEST / 2));
    match step {
        Step::Listen(ports) => {
            let ports: std::collections::BTreeSet<u8> = ports.iter().copied().chain([0]).collect();
            Fact::Listeners(ports.into_iter().map(listener).collect())
        }
        Step::Knock(port, from, span) => {
            let address = source(*from).first_address();
            Fact::Knock(crate::Knock {
                key: "anna".parse().unwrap(),
                sender: address,
                address,
                service: "".into(),
                ports: vec![number(*port)],
                span: Span::For(Duration::from_secs(*span)),
            })
        }
        Step::Added(door) => Fact::ElementAdded { element: door.elements()[0], until, by },
        Step::Removed(door) => Fact::ElementRemoved { element: door.elements()[0], by },
        Step::Stranger(port) => {
            Fact::ElementAdded { element: stranger(*port), until: Until::FOREVER, by }
        }
        _ => Fact::KernelLost { what: "all".to_owned(), by },
    }
}

fn play(guard: &mut Guard, kernel: &mut BTreeMap<Element, Until>) {
    while let Some((_, demand)) = guard.poll_demand() {
        match demand {
            Demand::Element(Change::Install(element, until)) => {
                kernel.insert(element, until);
            }
            Demand::Element(Change::Remove(element)) => drop(kernel.remove(&element)),
            Demand::Units(_) | Demand::Ports(_) => {}
        }
    }
}

fn each_moment(
    steps: &[Step],
    mut law: impl FnMut(&mut Guard, &Step, Timestamp) -> Result<(), TestCaseError>,
) -> Result<(Guard, Timestamp), TestCaseError> {
    let mut guard = Guard::new(Caps { doors: CAPS_OF_DOORS, ..Caps::default() });
    let mut now = Timestamp::from_secs(1_000_000);
    guard.configure(Policy { ports: policy(0), ..Policy::default() }, now);
    let people = Fact::People([PERSON.parse().unwrap()].into());
    guard.handle_event(Event { at: now, fact: people }, now);
    for step in [Step::Listen(Vec::new())].iter().chain(steps) {
        if let Step::Wait(seconds) = step {
            now = now.plus(Duration::from_secs(*seconds));
        }
        take(&mut guard, step, now);
        law(&mut guard, step, now)?;
    }
    Ok((guard, now))
}
