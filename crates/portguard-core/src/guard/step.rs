//! The wall clock jumped: every moment that is remembered moves along, so that no duration changes.

use crate::{Note, Timestamp, Until};

use super::{Guard, doors::Doors, roll::Roll};

/// A step of the clock in milliseconds, forwards if above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step(i64);

impl Step {
    /// Returns a moment after the step; the end of all time stays where it is.
    pub(super) fn moment(self, moment: Timestamp) -> Timestamp {
        if moment == Timestamp::MAX {
            return moment;
        }
        // One short of the last moment, which means "never".
        let latest = Timestamp::MAX.as_millis() - 1;
        Timestamp::from_millis(moment.as_millis().saturating_add_signed(self.0).min(latest))
    }

    pub(super) fn until(self, until: Until) -> Until {
        until.moment().map_or(until, |moment| Until::at(self.moment(moment)))
    }
}

impl Guard {
    /// Moves every remembered moment by a step of the wall clock, forwards if above zero. `now` is
    /// the moment after the step. The kernel counts time by itself and needs nothing.
    ///
    /// The ledger has to be given [`Guard::full_state`] afterwards.
    pub fn step_clock(&mut self, millis: i64, now: Timestamp) {
        let step = Step(millis);
        for list in crate::List::OF_SOURCES {
            let roll = self.register.roll_mut(list);
            *roll = stepped_roll(roll.take(), step);
        }
        let port_bans = self.register.port_bans.take();
        self.register.port_bans = stepped_roll(port_bans, step);
        self.offenders.step(step);
        for due in self.unconfirmed.values_mut() {
            *due = step.moment(*due);
        }
        for (due, _) in &mut self.proofs_due {
            *due = step.moment(*due);
        }
        for source in self.sources.values_mut() {
            source.since = step.moment(source.since);
        }
        for (_, at) in self.traps.values_mut().filter_map(|trap| trap.last.as_mut()) {
            *at = step.moment(*at);
        }
        self.doors = stepped_doors(&self.doors, step);
        self.listening.step(step);
        for ruling in self.rulings.values_mut() {
            ruling.since = step.moment(ruling.since);
        }
        if let Some(pending) = &mut self.standing.pending {
            pending.since = step.moment(pending.since);
            pending.deadline = step.moment(pending.deadline);
        }
        self.standing.paused = self.standing.paused.map(|until| step.moment(until));
        self.paused = self.paused.map(|until| step.moment(until));
        self.closed = self.closed.map(|until| step.until(until));
        self.note(Note::ClockStepped { seconds: millis / 1000 }, now);
    }
}

fn stepped_roll(roll: Roll, step: Step) -> Roll {
    let mut stepped = Roll::default();
    for (subject, hold) in roll.into_holds().iter() {
        let mut hold = hold.clone();
        hold.since = step.moment(hold.since);
        hold.until = step.until(hold.until);
        stepped.insert(*subject, hold);
    }
    stepped
}

fn stepped_doors(doors: &Doors, step: Step) -> Doors {
    let mut stepped = Doors::default();
    for (door, hold) in doors.iter() {
        let mut hold = hold.clone();
        hold.since = step.moment(hold.since);
        hold.until = step.until(hold.until);
        stepped.insert(door, hold);
    }
    stepped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Author, Caps, Command, Measure, Policy, PortOrder, Span, guard::Guard};

    #[test]
    fn a_clock_that_jumps_changes_no_duration() {
        for step in [-86_400_000_i64, 86_400_000, 1_600_000_000_000] {
            let start = Timestamp::from_secs(1_000_000);
            let mut guard = Guard::new(Caps::default());
            guard.configure(Policy::default(), start);
            let author = Author::Operator(0);
            let hour = Span::For(Duration::from_secs(3_600));
            let ban = Command::Hold {
                measure: Measure::Ban,
                subject: "203.0.113.9".parse().unwrap(),
                ports: Vec::new(),
                span: hour,
                reason: "".into(),
                author,
            };
            guard.handle_command(ban, start).unwrap();
            let ports = vec!["tcp/8080".parse().unwrap()];
            let order = PortOrder { ports, service: "".into(), from: None, author };
            guard.handle_command(Command::Open { order, span: hour }, start).unwrap();
            guard.handle_command(Command::Lockdown(author), start).unwrap();
            let before: Vec<Duration> = lengths(&guard, start);

            let now = Step(step).moment(start);
            guard.step_clock(step, now);

            assert_eq!(lengths(&guard, now), before);
            assert_eq!(guard.poll_timeout(), Some(now.plus(Duration::from_secs(60))));
            guard.handle_timeout(now.plus(Duration::from_secs(59)));
            assert!(guard.pending().is_some());
            guard.handle_timeout(now.plus(Duration::from_secs(60)));
            assert!(guard.pending().is_none());
            guard.handle_timeout(now.plus(Duration::from_secs(3_600)));
            assert!(guard.desired().is_empty());
        }
    }

    fn lengths(guard: &Guard, now: Timestamp) -> Vec<Duration> {
        let desired = guard.desired();
        let ends = desired.iter().filter_map(|(_, until)| until.moment());
        ends.map(|end| end.since(now)).collect()
    }
}
