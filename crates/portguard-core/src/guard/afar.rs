//! Orders of those who are not there to confirm them.
//!
//! What they close stays closed, so they may not take the last way in from anybody whom `[protect]`
//! guards and who may need it: the peer of a live session, or an address that it names.

use crate::{Author, Door, DoorAct, Port, Subject, Timestamp, Until};

use super::{Done, Guard, PortOrder, Refusal};

/// A way in: a port that is open for everybody, or for certain sources.
type Way = (Option<Subject>, Port);

impl Guard {
    /// Closes ports for good, unless that strands somebody.
    pub(super) fn close_from_afar(
        &mut self,
        order: PortOrder,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let from = order.from.filter(|subject| subject.prefix_len() > 0);
        let order = PortOrder { from, ..order };
        // What waits may be undone: nobody knows yet which ways in stay.
        if order.ports.iter().any(|port| self.is_way_in(*port)) {
            self.refuse_if_pending()?;
        }
        if let Some((person, port)) = self.stranded_by(&order) {
            return Err(Refusal::last_way_in(port, person));
        }
        let is_granted =
            |port: &Port| self.doors.get(Door { act: DoorAct::Open, from, port: *port }).is_some();
        match from {
            None => self.close_for_good(order, now),
            Some(_) if order.ports.iter().any(is_granted) => self.end_grants(&order, now),
            Some(_) => Ok(self.done(0)),
        }
    }

    /// Returns whether a door is open anyway for longer than somebody absent wants it, and is a way
    /// in: to put that end to it would be to close it.
    pub(super) fn outlasts_absent(&self, door: Door, until: Until, author: Author) -> bool {
        let lasts = || self.doors.get(door).is_some_and(|hold| hold.until > until);
        author.is_absent() && self.is_way_in(door.port) && lasts()
    }

    /// Returns whom an order to close would leave without a way in, and by which port they come in.
    fn stranded_by(&self, order: &PortOrder) -> Option<(Subject, Port)> {
        let is_closed = |(from, port): &Way| *from == order.from && order.ports.contains(port);
        self.people.iter().find_map(|person| {
            let lost = self.ways_of(*person, &order.ports).into_iter().find(is_closed)?;
            let kept = self.lasting_ways_of(*person);
            kept.iter().all(is_closed).then_some((*person, lost.1))
        })
    }

    /// Returns the ways by which somebody could come in among these ports, whether or not something
    /// listens right now.
    fn ways_of(&self, person: Subject, ports: &[Port]) -> Vec<Way> {
        let ports = ports.iter().copied().filter(|port| self.is_way_in(*port));
        ports
            .flat_map(|port| {
                let open = self.is_open(port).then_some((None, port));
                open.into_iter().chain(self.grants_of(person, port).map(|(way, _)| way))
            })
            .collect()
    }

    /// Returns the ways by which somebody can come in, and that do not end by themselves.
    fn lasting_ways_of(&self, person: Subject) -> Vec<Way> {
        let open = self.open_ways_in().into_iter().filter(|port| {
            let door = Door { act: DoorAct::Open, from: None, port: *port };
            self.doors.get(door).is_none_or(|hold| hold.until == Until::FOREVER)
        });
        let mut ways: Vec<Way> = open.map(|port| (None, port)).collect();
        let listening = self.listening.sockets().filter(|listener| !listener.is_local());
        let ports = listening.map(|listener| listener.port).filter(|port| self.is_way_in(*port));
        for port in ports {
            let lasting = self.grants_of(person, port);
            ways.extend(lasting.filter(|(_, until)| *until == Until::FOREVER).map(|(way, _)| way));
        }
        ways
    }

    fn grants_of(&self, person: Subject, port: Port) -> impl Iterator<Item = (Way, Until)> {
        self.doors.for_some(port).filter_map(move |(door, hold)| {
            let from = door.from.filter(|from| from.covers(&person))?;
            let is_open = door.act == DoorAct::Open && !self.rules.is_never(port);
            is_open.then_some(((Some(from), port), hold.until))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

    use super::*;
    use crate::{
        Caps, Command, Event, Fact, Listener, Owner, Policy, PortPolicy, Posture, Service, Span,
    };

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const PERSON: &str = "192.0.2.7";

    /// A closed guard with two SSH servers, on ports 22 and 2222, and somebody who needs one.
    fn guard() -> Guard {
        let mut guard = Guard::new(Caps::default());
        let ports = |list: &[&str]| list.iter().map(|port| port.parse().unwrap()).collect();
        let services = [
            ("ssh", Service { ports: ports(&["tcp/22"]), rate: None }),
            ("web", Service { ports: ports(&["tcp/80"]), rate: None }),
        ];
        let policy = PortPolicy {
            posture: Posture::Closed,
            always: ports(&["tcp/22", "tcp/2222", "tcp/80"]),
            services: services.map(|(name, service)| (name.into(), service)).into(),
            ..PortPolicy::default()
        };
        guard.configure(Policy { ports: policy, ..Policy::default() }, NOW);
        let sshd = |number: &str, socket| Listener {
            port: number.parse().unwrap(),
            address: "0.0.0.0".parse().unwrap(),
            v6_only: false,
            socket,
            owner: Owner {
                pid: None,
                name: "sshd".into(),
                exe: None,
                user: "root".into(),
                unit: None,
                container: None,
            },
        };
        give(&mut guard, Fact::Listeners(vec![sshd("tcp/22", 1), sshd("tcp/2222", 2)]));
        give(&mut guard, Fact::People(BTreeSet::from([PERSON.parse().unwrap()])));
        guard
    }

    fn give(guard: &mut Guard, fact: Fact) {
        guard.handle_event(Event { at: NOW, fact }, NOW);
    }

    fn order(port: &str, from: Option<&str>) -> PortOrder {
        PortOrder {
            ports: vec![port.parse().unwrap()],
            service: "".into(),
            from: from.map(|from| from.parse().unwrap()),
            author: Author::ControlFile(NonZeroU32::new(12)),
        }
    }

    fn close(guard: &mut Guard, port: &str, from: Option<&str>) -> Result<Done, Refusal> {
        guard.handle_command(Command::Close(order(port, from)), NOW)
    }

    fn open(guard: &mut Guard, port: &str, from: Option<&str>, span: &str) {
        let span = span.parse().unwrap();
        guard.handle_command(Command::Open { order: order(port, from), span }, NOW).unwrap();
    }

    fn is_open(guard: &Guard, port: &str) -> bool {
        guard.is_open(port.parse().unwrap())
    }

    fn refused(port: &str) -> Refusal {
        Refusal::last_way_in(port.parse().unwrap(), PERSON.parse().unwrap())
    }

    #[test]
    fn a_way_in_is_closed_for_good_while_another_stays() {
        let mut guard = guard();
        close(&mut guard, "tcp/22", None).unwrap();
        assert!(!is_open(&guard, "tcp/22") && guard.pending().is_none());
        assert_eq!(close(&mut guard, "tcp/2222", None), Err(refused("tcp/2222")));
        guard.handle_timeout(NOW.plus(Duration::from_secs(86_400)));
        assert!(!is_open(&guard, "tcp/22") && is_open(&guard, "tcp/2222"));
        close(&mut guard, "tcp/80", None).unwrap();
        assert!(!is_open(&guard, "tcp/80"));
    }

    #[test]
    fn the_last_way_in_is_closed_when_nobody_needs_it() {
        let mut guard = guard();
        close(&mut guard, "tcp/22", None).unwrap();
        give(&mut guard, Fact::People(BTreeSet::new()));
        close(&mut guard, "tcp/2222", None).unwrap();
        assert!(!is_open(&guard, "tcp/2222") && guard.pending().is_none());
    }

    #[test]
    fn both_ways_in_at_once_are_not_closed() {
        let mut guard = guard();
        let mut both = order("tcp/22", None);
        both.ports.push("tcp/2222".parse().unwrap());
        assert_eq!(guard.handle_command(Command::Close(both), NOW), Err(refused("tcp/22")));
        assert!(is_open(&guard, "tcp/22"));
    }

    #[test]
    fn a_way_in_of_ones_own_is_one() {
        let mut guard = guard();
        close(&mut guard, "tcp/22", None).unwrap();
        open(&mut guard, "tcp/22", Some("192.0.2.0/24"), "forever");
        close(&mut guard, "tcp/2222", None).unwrap();
        let grant = Some("192.0.2.0/24");
        assert_eq!(close(&mut guard, "tcp/22", grant), Err(refused("tcp/22")));
        assert_eq!(close(&mut guard, "tcp/22", Some("192.0.2.9")).map(|done| done.subjects), Ok(0));
        give(&mut guard, Fact::People(BTreeSet::from(["198.51.100.1".parse().unwrap()])));
        close(&mut guard, "tcp/22", grant).unwrap();
    }

    #[test]
    fn a_way_in_that_ends_by_itself_does_not_stay() {
        let mut guard = guard();
        close(&mut guard, "tcp/22", None).unwrap();
        for from in [None, Some(PERSON)] {
            open(&mut guard, "tcp/22", from, "1h");
            assert_eq!(close(&mut guard, "tcp/2222", None), Err(refused("tcp/2222")));
        }
    }

    #[test]
    fn a_way_in_is_not_made_shorter() {
        let mut guard = guard();
        for (port, expected) in [("tcp/2222", Span::Forever), ("tcp/80", "30s".parse().unwrap())] {
            open(&mut guard, port, Some(PERSON), "forever");
            open(&mut guard, port, Some(PERSON), "30s");
            let from = Some(PERSON.parse().unwrap());
            let door = Door { act: DoorAct::Open, from, port: port.parse().unwrap() };
            let hold = guard.doors.get(door).unwrap();
            assert_eq!(hold.until, Until::after(expected, NOW), "{port}");
        }
    }

    #[test]
    fn a_service_tells_its_state() {
        let mut guard = guard();
        assert_eq!(guard.service_state("vpn"), None);
        let state = guard.service_state("web").unwrap();
        assert_eq!((state.open, state.closed, state.author), (1, 0, None));
        close(&mut guard, "tcp/80", None).unwrap();
        open(&mut guard, "tcp/80", Some(PERSON), "30s");
        let state = guard.service_state("web").unwrap();
        assert_eq!((state.open, state.closed, state.until), (0, 1, Some(Until::FOREVER)));
        assert_eq!(state.author, Some(order("tcp/80", None).author));
        let end = Until::after("30s".parse().unwrap(), NOW);
        assert_eq!(state.grants, [(PERSON.parse().unwrap(), end)]);
    }

    #[test]
    fn no_way_in_is_closed_while_a_change_waits() {
        let mut guard = guard();
        let author = Author::Operator(0);
        let by_operator = PortOrder { author, ..order("tcp/22", None) };
        guard.handle_command(Command::Close(by_operator), NOW).unwrap();
        assert!(close(&mut guard, "tcp/2222", None).unwrap_err().why.contains("waits"));
        assert!(close(&mut guard, "tcp/22", None).unwrap_err().why.contains("waits"));
        close(&mut guard, "tcp/80", None).unwrap();
        guard.handle_timeout(NOW.plus(Duration::from_secs(60)));
        assert!(is_open(&guard, "tcp/22"));
    }
}
