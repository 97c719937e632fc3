//! Opening and shutting ports, by order and by other hands in the kernel's sets.

use std::sync::Arc;

use crate::{
    Author, Change, Door, DoorAct, Element, Follow, List, ListedDoor, Note, Port, Posture, Process,
    Record, ReleaseCause, RiskyChange, Span, Subject, Timestamp, Until,
};

use super::{Done, Guard, Refusal, doors, doors::DoorHold};

/// Most ports of one order; each is an element of its own in the kernel.
const MOST_PORTS_OF_AN_ORDER: usize = 4_096;

/// Ports to open or shut, as an operator names them.
#[derive(Clone, Debug)]
pub struct PortOrder {
    /// The ports, lowest first.
    pub ports: Vec<Port>,
    /// The service that was named, or empty.
    pub service: Arc<str>,
    /// For whom; `None` for everybody.
    pub from: Option<Subject>,
    /// Who asks.
    pub author: Author,
}

impl Guard {
    /// Returns every port that somebody opened or shut, in the order of act, source and port.
    pub fn doors(&self) -> impl Iterator<Item = (Door, &DoorHold)> {
        self.doors.iter()
    }

    /// Returns whether a port may be made reachable from elsewhere.
    ///
    /// # Errors
    /// When it is never to be open.
    pub fn may_share(&self, port: Port) -> Result<(), Refusal> {
        if self.rules.is_never(port) { Err(Refusal::never(port)) } else { Ok(()) }
    }

    /// Opens ports for a source or for everybody.
    pub(super) fn open(
        &mut self,
        order: &PortOrder,
        span: Span,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let PortOrder { ports, from, .. } = order;
        let from = from.filter(|subject| subject.prefix_len() > 0);
        self.may_open(ports)?;
        let until = Until::after(span, now);
        for port in ports {
            if from.is_none() {
                self.remove_door(Door { act: DoorAct::Shut, from: None, port: *port });
            }
            let door = Door { act: DoorAct::Open, from, port: *port };
            if self.outlasts_absent(door, until, order.author) {
                continue;
            }
            self.put_door(door, until, order, now);
        }
        self.note_doors(DoorAct::Open, &PortOrder { from, ..order.clone() }, until, now);
        if from.is_none() {
            self.forget_pending_shut(ports);
        }
        Ok(self.done(order.ports.len()))
    }

    /// Returns whether ports may be opened by order.
    pub(super) fn may_open(&self, ports: &[Port]) -> Result<(), Refusal> {
        if ports.len() > MOST_PORTS_OF_AN_ORDER {
            return Err(Refusal::too_many_ports_of_an_order(ports.len(), MOST_PORTS_OF_AN_ORDER));
        }
        if let Some(port) = ports.iter().find(|port| self.rules.is_never(**port)) {
            return Err(Refusal::never(*port));
        }
        if self.doors.len() + ports.len() > self.caps.doors {
            return Err(Refusal::doors_full(self.caps.doors));
        }
        Ok(())
    }

    /// Closes ports: what was opened ends, and what would be open all the same is shut.
    ///
    /// Where operators come in by one of the ports it is shut for a while only, until that is
    /// confirmed.
    pub(super) fn close(&mut self, order: PortOrder, now: Timestamp) -> Result<Done, Refusal> {
        if order.ports.len() > MOST_PORTS_OF_AN_ORDER {
            let count = order.ports.len();
            return Err(Refusal::too_many_ports_of_an_order(count, MOST_PORTS_OF_AN_ORDER));
        }
        if order.author.is_absent() {
            return self.close_from_afar(order, now);
        }
        if order.from.is_some_and(|subject| subject.prefix_len() > 0) {
            return self.end_grants(&order, now);
        }
        let ways_in: Vec<Port> = order
            .ports
            .iter()
            .copied()
            .filter(|port| self.is_way_in(*port) && self.is_open(*port))
            .collect();
        if !ways_in.is_empty() {
            return self.close_for_a_while(&order, now);
        }
        self.close_for_good(order, now)
    }

    /// Ends what was opened, and shuts what would be open all the same.
    pub(super) fn close_for_good(
        &mut self,
        order: PortOrder,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let ended = self.end_openings(&order, now);
        let wanted = |port: &Port| self.could_open(*port);
        let ports: Vec<Port> = order.ports.iter().copied().filter(wanted).collect();
        if ports.is_empty() {
            return Ok(self.done(ended));
        }
        let count = ports.len().max(ended);
        self.shut(&PortOrder { ports, ..order }, Until::FOREVER, now)?;
        Ok(self.done(count))
    }

    fn close_for_a_while(&mut self, order: &PortOrder, now: Timestamp) -> Result<Done, Refusal> {
        let what = RiskyChange::Shut { ports: order.ports.clone() };
        self.refuse_if_pending()?;
        if let Some(deadline) = self.begin_probation(what, order.author, now) {
            self.shut(order, Until::at(deadline), now)?;
        } else {
            self.end_openings(order, now);
            self.shut(order, Until::FOREVER, now)?;
        }
        Ok(self.done(order.ports.len()))
    }

    /// Makes what was shut for a while last, and ends the openings that it overrode.
    pub(super) fn confirm_shut(&mut self, ports: &[Port]) {
        for port in ports {
            let door = Door { act: DoorAct::Shut, from: None, port: *port };
            if let Some(hold) = self.doors.get(door).cloned() {
                self.install_door(door, DoorHold { until: Until::FOREVER, ..hold });
            }
            self.remove_door(Door { act: DoorAct::Open, from: None, port: *port });
        }
    }

    /// Opens again what was shut for a while.
    pub(super) fn undo_shut(&mut self, ports: &[Port]) {
        for port in ports {
            self.remove_door(Door { act: DoorAct::Shut, from: None, port: *port });
        }
    }

    fn shut(&mut self, order: &PortOrder, until: Until, now: Timestamp) -> Result<(), Refusal> {
        if self.doors.len() + order.ports.len() > self.caps.doors {
            return Err(Refusal::doors_full(self.caps.doors));
        }
        for port in &order.ports {
            self.put_door(Door { act: DoorAct::Shut, from: None, port: *port }, until, order, now);
        }
        self.note_doors(DoorAct::Shut, &PortOrder { from: None, ..order.clone() }, until, now);
        Ok(())
    }

    fn end_openings(&mut self, order: &PortOrder, now: Timestamp) -> usize {
        let doors =
            order.ports.iter().map(|port| Door { act: DoorAct::Open, from: None, port: *port });
        self.end_doors(doors.collect(), &ReleaseCause::Lifted(order.author), now)
    }

    pub(super) fn end_grants(
        &mut self,
        order: &PortOrder,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let doors: Vec<Door> = order
            .ports
            .iter()
            .map(|port| Door { act: DoorAct::Open, from: order.from, port: *port })
            .collect();
        match self.end_doors(doors, &ReleaseCause::Lifted(order.author), now) {
            0 => Err(Refusal::no_grant(&order.ports, order.from)),
            ended => Ok(self.done(ended)),
        }
    }

    /// Ends doors, tells it in one line for each source, and returns how many there were.
    pub(super) fn end_doors(
        &mut self,
        doors: Vec<Door>,
        cause: &ReleaseCause,
        now: Timestamp,
    ) -> usize {
        let ended: Vec<Door> = doors.into_iter().filter(|door| self.remove_door(*door)).collect();
        self.note_ended(&ended, cause, now);
        ended.len()
    }

    /// Ends the doors whose time is over; the kernel did so by itself.
    pub(super) fn end_doors_over(&mut self, now: Timestamp) {
        let over = self.doors.take_over(now);
        for door in &over {
            self.records.push_back(Record::DoorEnded(*door));
        }
        self.note_ended(&over, &ReleaseCause::Expired, now);
    }

    fn note_ended(&mut self, doors: &[Door], cause: &ReleaseCause, now: Timestamp) {
        let mut rest = doors.to_vec();
        rest.sort_by_key(|door| (door.act, door.from, door.port));
        while let Some(Door { act, from, .. }) = rest.first().copied() {
            let end = rest.partition_point(|door| (door.act, door.from) <= (act, from));
            let ports = rest.drain(..end).map(|door| door.port).collect();
            self.note(Note::DoorsEnded { act, from, ports, cause: cause.clone() }, now);
        }
    }

    fn note_doors(&mut self, act: DoorAct, order: &PortOrder, until: Until, now: Timestamp) {
        let PortOrder { ports, service, from, author } = order.clone();
        self.note(Note::Doors { act, from, ports, service, until, author }, now);
    }

    fn put_door(&mut self, door: Door, until: Until, order: &PortOrder, now: Timestamp) {
        let (author, service) = (order.author, order.service.clone());
        self.install_door(door, DoorHold { since: now, until, author, service, generation: 0 });
    }

    fn install_door(&mut self, door: Door, mut hold: DoorHold) {
        for element in door.elements() {
            hold.generation = self.change(Change::Install(element, hold.until));
        }
        self.records.push_back(Record::Door(doors::listed(door, &hold)));
        self.doors.insert(door, hold);
    }

    /// Takes a door out of force and returns whether it was in force.
    fn remove_door(&mut self, door: Door) -> bool {
        if self.doors.remove(door).is_none() {
            return false;
        }
        for element in door.elements() {
            self.change(Change::Remove(element));
        }
        self.records.push_back(Record::DoorEnded(door));
        true
    }

    /// Takes over doors that the ledger remembers, without a word in the journal.
    pub(super) fn restore_doors(&mut self, listed: Vec<ListedDoor>, now: Timestamp) {
        for ListedDoor { door, since, until, author, service } in listed {
            if until.is_over(now) {
                self.records.push_back(Record::DoorEnded(door));
                self.note_ended(&[door], &ReleaseCause::Expired, now);
                continue;
            }
            if self.rules.is_never(door.port) && door.act == DoorAct::Open {
                continue;
            }
            let mut hold = DoorHold { since, until, author, service, generation: 0 };
            for element in door.elements() {
                hold.generation = self.change(Change::Install(element, until));
            }
            self.doors.insert(door, hold);
        }
    }

    /// Returns whether a port could become open without an order: by the configuration, a
    /// listening socket or the posture.
    fn could_open(&self, port: Port) -> bool {
        let rules = &self.rules;
        let by_listening = match rules.follow {
            Follow::All => true,
            Follow::Approved => self.approvals().any(|approval| approval.covers(port)),
            Follow::None => false,
        };
        let open = self.posture() == Posture::Open || rules.is_always(port) || by_listening;
        open && !rules.is_never(port)
    }

    /// Takes an element that somebody else added to a list of doors as that administrator's door,
    /// or takes it out if nobody can decide that by hand.
    pub(super) fn adopt_door(&mut self, element: Element, until: Until, now: Timestamp) {
        let Some(door) = Door::of(&element) else { return self.put_door_element_back(element) };
        let known = self.doors.get(door).map(|hold| hold.until);
        if known.is_some_and(|known| super::foreign::is_about_the_same(known, until)) {
            return self.put_door_element_back(element);
        }
        let is_forbidden = door.act == DoorAct::Open && self.rules.is_never(door.port);
        if is_forbidden || self.doors.len() >= self.caps.doors {
            return self.put_door_element_back(element);
        }
        let order = PortOrder {
            ports: vec![door.port],
            service: Arc::default(),
            from: door.from,
            author: Author::Administrator,
        };
        self.put_door(door, until, &order, now);
        self.note_doors(door.act, &order, until, now);
    }

    /// Takes over a door's element that the kernel held before the daemon came and the ledger does
    /// not know.
    pub(super) fn adopt_unknown_door(&mut self, element: Element, until: Until, now: Timestamp) {
        if self.door_element_end(element).is_some() {
            return;
        }
        let is_presumed = element.list == List::Follow && self.listening.presume(element);
        if !is_presumed {
            self.adopt_door(element, until, now);
        }
    }

    /// Takes the removal of an element of a list of doors as that administrator's decision; what
    /// follows from the configuration and from what listens is put back.
    pub(super) fn let_go_door(&mut self, element: Element, by: &Process, now: Timestamp) {
        let cause = ReleaseCause::Lifted(Author::Administrator);
        match Door::of(&element) {
            Some(door) => {
                self.end_doors(vec![door], &cause, now);
            }
            None if self.door_element_end(element).is_some() => {
                self.put_door_element_back(element);
                let what = format!("removal of {element}");
                self.note(Note::Repaired { what, by: by.clone() }, now);
            }
            None => {}
        }
    }

    fn put_door_element_back(&mut self, element: Element) {
        let change = match self.door_element_end(element) {
            Some(until) => Change::Install(element, until),
            None => Change::Remove(element),
        };
        self.change(change);
    }

    /// Returns until when an element of a list of doors should be in the kernel.
    fn door_element_end(&self, element: Element) -> Option<Until> {
        match element.list {
            List::Closed => self.closed,
            List::Paused => self.paused.map(Until::at),
            List::Follow => self.listening.is_followed(element).then_some(Until::FOREVER),
            List::Grace => self.listening.grace_of(element),
            _ => Door::of(&element).and_then(|door| self.doors.get(door)).map(|hold| hold.until),
        }
    }

    /// Returns every element of the lists of doors that should be in the kernel.
    pub(super) fn door_elements(&self) -> impl Iterator<Item = (Element, Until)> {
        let doors = self.doors.iter().flat_map(|(door, hold)| {
            door.elements().into_iter().map(move |element| (element, hold.until))
        });
        let postures = self.closed_elements().chain(self.paused_elements());
        doors.chain(self.listening.elements()).chain(postures)
    }

    pub(super) fn done(&self, subjects: usize) -> Done {
        Done { generation: self.generation, subjects }
    }
}
