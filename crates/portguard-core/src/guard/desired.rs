//! What the kernel should hold, as changes one by one and as a whole.

use crate::{Author, Change, Demand, Element, List, ListedHold, Subject, Until};

use super::{
    Guard, elements,
    offence::listed,
    roll::{Hold, Roll},
};

/// How far a complete rewrite of the kernel's sets has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resync {
    /// Index into [`ROLLS`].
    roll: usize,
    after: Option<Subject>,
}

impl Resync {
    fn is_beginning(&self) -> bool {
        self.roll == 0 && self.after.is_none()
    }
}

/// The order of a rewrite: first who must not be hurt, then who is turned away.
const ROLLS: [WhichRoll; 6] = [
    WhichRoll::Of(List::Protect),
    WhichRoll::Of(List::Allow),
    WhichRoll::Of(List::Ban),
    WhichRoll::PortBans,
    WhichRoll::Of(List::ThrottleHard),
    WhichRoll::Of(List::ThrottleSoft),
];

#[derive(Clone, Copy, Debug)]
enum WhichRoll {
    Of(List),
    PortBans,
}

impl WhichRoll {
    fn list(self) -> List {
        match self {
            Self::Of(list) => list,
            Self::PortBans => List::Ban,
        }
    }
}

/// How many holds of a rewrite are turned into changes at a time, so that a rewrite of a million
/// never stands in the way of the next event.
const RESYNC_SLICE: usize = 1_024;

impl Guard {
    /// Returns the next change that the kernel has to take over, with its generation.
    pub fn poll_demand(&mut self) -> Option<(u64, Demand)> {
        if self.demands.is_empty() {
            self.continue_resync();
        }
        self.demands.pop_front()
    }

    /// Returns whether a complete rewrite of the kernel's sets is under way.
    pub fn is_resyncing(&self) -> bool {
        self.resync.is_some()
    }

    /// Returns what the kernel should hold.
    pub fn desired(&self) -> Desired<'_> {
        Desired { guard: self }
    }

    fn roll_at(&self, which: WhichRoll) -> &Roll {
        match which {
            WhichRoll::Of(list) => self.register.roll(list),
            WhichRoll::PortBans => &self.register.port_bans,
        }
    }

    fn continue_resync(&mut self) {
        if self.resync.is_some_and(|resync| resync.is_beginning()) {
            self.renew_doors();
        }
        let Some((which, slice)) = self.next_slice() else { return };
        for (subject, hold) in slice {
            let ports = hold.port_list();
            self.install(which.list(), subject, ports, hold.until);
        }
    }

    /// Demands every door and control group anew; there are far fewer of them than of sources.
    fn renew_doors(&mut self) {
        let elements: Vec<_> = self.door_elements().collect();
        for (element, until) in elements {
            self.change(Change::Install(element, until));
        }
        self.demand_units();
    }

    /// Returns every hold that the ledger keeps.
    pub(super) fn listed_holds(&self) -> impl Iterator<Item = ListedHold> {
        ROLLS.iter().flat_map(move |which| {
            let holds = self.roll_at(*which).holds().iter();
            holds
                .filter(|(_, hold)| hold.author != Author::Configuration)
                .map(move |(subject, hold)| listed(which.list(), *subject, hold))
        })
    }

    fn next_slice(&mut self) -> Option<(WhichRoll, Vec<(Subject, Hold)>)> {
        while let Some(Resync { roll, after }) = self.resync {
            let Some(which) = ROLLS.get(roll).copied() else {
                self.resync = None;
                return None;
            };
            let holds = self.roll_at(which).holds().after(after).take(RESYNC_SLICE);
            let slice: Vec<_> = holds.map(|(subject, hold)| (*subject, hold.clone())).collect();
            self.resync = Some(match slice.last() {
                Some((last, _)) => Resync { roll, after: Some(*last) },
                None => Resync { roll: roll + 1, after: None },
            });
            if !slice.is_empty() {
                return Some((which, slice));
            }
        }
        None
    }
}

/// What the kernel should hold.
#[derive(Clone, Copy, Debug)]
pub struct Desired<'a> {
    guard: &'a Guard,
}

impl Desired<'_> {
    /// Returns the generation of the last change.
    pub fn generation(&self) -> u64 {
        self.guard.generation
    }

    /// Returns every element with its end.
    pub fn iter(&self) -> impl Iterator<Item = (Element, Until)> {
        ROLLS
            .iter()
            .flat_map(move |which| {
                self.guard.roll_at(*which).holds().iter().flat_map(move |(subject, hold)| {
                    let ports = hold.port_list();
                    elements(which.list(), *subject, ports)
                        .map(move |element| (element, hold.until))
                })
            })
            .chain(self.guard.door_elements())
    }

    /// Returns how many subjects are held, protected ones included.
    pub fn len(&self) -> usize {
        ROLLS.iter().map(|which| self.guard.roll_at(*which).len()).sum()
    }

    /// Returns how many elements that makes: a ban for certain ports has one for each.
    pub fn elements(&self) -> usize {
        let of_ports = self.guard.register.port_bans.holds().iter();
        let ports: usize = of_ports.map(|(_, hold)| hold.port_list().len().max(1)).sum();
        let doors = self.guard.door_elements().count();
        self.len() - self.guard.register.port_bans.len() + ports + doors
    }

    /// Returns whether nobody is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
