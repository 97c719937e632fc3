//! Knocks: a service is opened for one address, for a while.
//!
//! Who knocked is known, where the packet came from is not: so a knock opens, and does nothing else. A
//! ban stays a ban, what is never open stays closed, and what is open for longer stays so.

use crate::{Author, Door, DoorAct, Knock, KnockNews, List, Note, Port, Subject, Timestamp, Until};

use super::{Guard, PortOrder, Refusal};

impl Guard {
    /// Opens what somebody knocked for, or tells why not.
    pub(super) fn take_knock(&mut self, knock: Knock, now: Timestamp) {
        let Knock { key, sender, address, service, ports, span } = knock;
        let from = Subject::address(address);
        let refused = self.may_knock(from, &ports).err().map(|refusal| refusal.why);
        let is_refused = refused.is_some();
        let news = KnockNews { key, sender, address, service: service.clone(), refused };
        self.note(Note::Knock(news), now);
        let until = Until::after(span, now);
        let is_shorter = |port: &Port| {
            let door = Door { act: DoorAct::Open, from: Some(from), port: *port };
            self.doors.get(door).is_none_or(|hold| hold.until < until)
        };
        let ports: Vec<Port> = ports.into_iter().filter(is_shorter).collect();
        if is_refused || ports.is_empty() {
            return;
        }
        let order = PortOrder { ports, service, from: Some(from), author: Author::Knock(key) };
        // What could be refused was asked before.
        let _ = self.open(&order, span, now);
    }

    fn may_knock(&self, from: Subject, ports: &[Port]) -> Result<(), Refusal> {
        let ban = self.register.roll(List::Ban).covering(from);
        match ban {
            Some((by, _)) => Err(Refusal::banned(from, by)),
            None => self.may_open(ports),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Caps, Command, DoorHold, Event, Fact, Measure, Policy, PortPolicy, Record, Span};

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const ADDRESS: &str = "192.0.2.7";

    fn guard(caps: Caps) -> Guard {
        let mut guard = Guard::new(caps);
        let never = vec!["tcp/3306".parse().unwrap()];
        let ports = PortPolicy { never, ..PortPolicy::default() };
        guard.configure(Policy { ports, ..Policy::default() }, NOW);
        guard
    }

    fn knock(ports: &[&str]) -> Knock {
        Knock {
            key: "anna".parse().unwrap(),
            sender: ADDRESS.parse().unwrap(),
            address: ADDRESS.parse().unwrap(),
            service: "ssh".into(),
            ports: ports.iter().map(|port| port.parse().unwrap()).collect(),
            span: "30s".parse().unwrap(),
        }
    }

    /// Hands the guard a knock; returns what it opened, and the journal's lines.
    fn take(guard: &mut Guard, knock: Knock) -> (Vec<(Door, DoorHold)>, Vec<String>) {
        while guard.poll_record().is_some() {}
        guard.handle_event(Event { at: NOW, fact: Fact::Knock(knock) }, NOW);
        let records = std::iter::from_fn(|| guard.poll_record());
        let lines = records.filter_map(|record| match record {
            Record::Entry(entry) => entry.note.words(),
            _ => None,
        });
        let lines = lines.collect();
        (guard.doors().map(|(door, hold)| (door, hold.clone())).collect(), lines)
    }

    fn seconds(guard: &Guard, port: &str) -> Option<u64> {
        let from = Some(ADDRESS.parse().unwrap());
        let door = Door { act: DoorAct::Open, from, port: port.parse().unwrap() };
        let until = guard.doors.get(door)?.until.moment()?;
        Some(until.since(NOW).as_secs())
    }

    #[test]
    fn a_knock_opens_for_its_address_for_a_while() {
        let mut guard = guard(Caps::default());
        let (doors, lines) = take(&mut guard, knock(&["tcp/22"]));
        let [(door, hold)] = doors.as_slice() else { panic!("{doors:?}") };
        assert_eq!(door.to_string(), "open tcp/22 from 192.0.2.7");
        assert_eq!(hold.author.to_string(), "knock of anna");
        let opened = "ssh (tcp/22) opened for 192.0.2.7 by knock of anna";
        assert_eq!(lines, ["knock of anna for ssh from 192.0.2.7", opened]);
        assert_eq!(guard.desired().iter().count(), 1);
        guard.handle_timeout(NOW.plus(Duration::from_secs(30)));
        assert_eq!(guard.doors().count(), 0);
    }

    #[test]
    fn a_knock_makes_nothing_shorter() {
        let mut guard = guard(Caps::default());
        let order = PortOrder {
            ports: vec!["tcp/22".parse().unwrap()],
            service: "ssh".into(),
            from: Some(ADDRESS.parse().unwrap()),
            author: Author::Operator(0),
        };
        let hour = Span::For(Duration::from_secs(3_600));
        guard.handle_command(Command::Open { order, span: hour }, NOW).unwrap();
        let (doors, lines) = take(&mut guard, knock(&["tcp/22", "tcp/80"]));
        assert_eq!((doors.len(), lines.len()), (2, 2), "{lines:?}");
        assert_eq!(seconds(&guard, "tcp/22"), Some(3_600));
        assert_eq!(seconds(&guard, "tcp/80"), Some(30));
        let (doors, lines) = take(&mut guard, knock(&["tcp/22"]));
        assert_eq!((doors.len(), lines.len()), (2, 1), "{lines:?}");
    }

    #[test]
    fn a_banned_address_and_a_port_that_is_never_open_stay_so() {
        let mut guard = guard(Caps { doors: 1, ..Caps::default() });
        let ban = Command::Hold {
            measure: Measure::Ban,
            subject: "198.51.100.0/24".parse().unwrap(),
            ports: Vec::new(),
            span: Span::Forever,
            reason: "".into(),
            author: Author::Operator(0),
        };
        guard.handle_command(ban, NOW).unwrap();
        let for_banned = Knock { address: "198.51.100.9".parse().unwrap(), ..knock(&["tcp/22"]) };
        for (knock, why) in [
            (for_banned, "refused: 198.51.100.9 is banned as part of 198.51.100.0/24"),
            (knock(&["tcp/22", "tcp/3306"]), "refused: tcp/3306 is in ports.never"),
            (knock(&["tcp/22", "tcp/80"]), "refused: 1 ports are opened or shut by order"),
        ] {
            let (doors, lines) = take(&mut guard, knock);
            assert_eq!((doors, lines.len()), (Vec::new(), 1));
            assert!(lines[0].contains(why), "{}", lines[0]);
        }
    }
}
