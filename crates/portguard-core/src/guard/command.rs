//! What operators ask for.

use std::sync::Arc;

use crate::{
    Approval, Author, List, ListedHold, Measure, Note, Port, Record, ReleaseCause, Span, Subject,
    Timestamp, Until,
};

use super::{Guard, Offender, PortOrder, Refusal, roll::Hold};

/// Most ports that one ban can be limited to; each is an element of its own in the kernel.
pub const MOST_PORTS_OF_A_BAN: usize = 64;

/// What an operator asks.
#[derive(Clone, Debug)]
pub enum Command {
    /// Put a measure in force.
    Hold {
        /// What to do.
        measure: Measure,
        /// To whom.
        subject: Subject,
        /// For which ports; empty for all. Bans only.
        ports: Vec<Port>,
        /// For how long.
        span: Span,
        /// Why; empty if the operator did not say.
        reason: Arc<str>,
        /// Who asks.
        author: Author,
    },
    /// End a measure.
    Lift {
        /// Which.
        measure: Lifted,
        /// On whom.
        subject: Subject,
        /// Who asks.
        author: Author,
    },
    /// End every ban.
    LiftAllBans {
        /// Who asks.
        author: Author,
    },
    /// Open ports.
    Open {
        /// Which, for whom.
        order: PortOrder,
        /// For how long.
        span: Span,
    },
    /// Close ports, or end what was opened for one source.
    Close(PortOrder),
    /// Let nothing pass but what is open by a rule; rolls back unless confirmed.
    Lockdown(Author),
    /// Let everything pass but offenders.
    Relax(Author),
    /// Keep the risky change that waits.
    Confirm(Author),
    /// Undo the risky change that waits.
    Rollback(Author),
    /// Turn nobody away for a while.
    Pause {
        /// For how long, at most [`super::LONGEST_PAUSE`].
        span: Span,
        /// Who asks.
        author: Author,
    },
    /// End the pause.
    Resume(Author),
    /// Say whether sockets may open their ports by listening.
    Rule {
        /// Which; `None` for all that wait for approval at the moment.
        of: Option<Approval>,
        /// Whether they may.
        approved: bool,
        /// Who asks.
        author: Author,
    },
    /// Take back what was said of sockets.
    ForgetRuling(Approval),
    /// Put a proposed rule in force.
    Accept {
        /// Its number.
        id: u64,
        /// Who asks.
        author: Author,
    },
    /// Take a proposed rule from the list.
    Dismiss {
        /// Its number.
        id: u64,
        /// Who asks.
        author: Author,
    },
    /// Take over what another program remembers.
    Import {
        /// Measures in force.
        holds: Vec<ListedHold>,
        /// Past offenders.
        offenders: Vec<(Subject, Offender)>,
    },
}

/// Which kind of measure to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifted {
    /// A ban, for all ports or some.
    Ban,
    /// An entry of the allow list.
    Allow,
    /// A throttle of either strength.
    Throttle,
}

/// What a command led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The change that is in the kernel once an outcome of this generation has come.
    pub generation: u64,
    /// How many subjects it was about.
    pub subjects: usize,
}

impl Guard {
    /// Carries out what an operator asks.
    ///
    /// # Errors
    /// A refusal, when the rules forbid it; it is journalled and nothing has changed.
    pub fn handle_command(&mut self, command: Command, now: Timestamp) -> Result<Done, Refusal> {
        self.handle_timeout(now);
        match command {
            Command::Hold { measure, subject, ports, span, reason, author } => {
                let ports = (!ports.is_empty()).then(|| Arc::new(ports));
                let (since, until) = (now, Until::after(span, now));
                let hold = Hold { since, until, nth_ban: 0, author, reason, ports, generation: 0 };
                let result = self.hold_as_asked(measure, subject, hold, now);
                if let Err(refusal) = &result {
                    let refusal = refusal.clone();
                    self.note(Note::Refused { subject, measure, refusal, author }, now);
                }
                result
            }
            Command::Lift { measure, subject, author } => {
                self.lift_as_asked(measure, subject, author, now)
            }
            Command::LiftAllBans { author } => Ok(self.lift_all_bans(author, now)),
            Command::Open { order, span } => self.open(&order, span, now),
            Command::Close(order) => self.close(order, now),
            Command::Lockdown(author) => self.lock_down(author, now),
            Command::Relax(author) => Ok(self.relax(author, now)),
            Command::Confirm(author) => self.confirm(author, now),
            Command::Rollback(author) => self.roll_back(Some(author), now),
            Command::Pause { span, author } => self.pause(span, author, now),
            Command::Resume(author) => self.resume(Some(author), now),
            Command::Rule { of: Some(of), approved, author } => {
                self.rule(of, approved, author, now)
            }
            Command::Rule { of: None, approved, author } => {
                self.rule_current(approved, author, now)
            }
            Command::ForgetRuling(of) => self.forget_ruling(&of),
            Command::Accept { id, author } => self.accept(id, author, now),
            Command::Dismiss { id, author } => self.dismiss(id, author, now),
            Command::Import { holds, offenders } => Ok(self.import(holds, offenders, now)),
        }
    }

    pub(super) fn hold_as_asked(
        &mut self,
        measure: Measure,
        subject: Subject,
        hold: Hold,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        if let Some(ports) = &hold.ports {
            if measure != Measure::Ban {
                return Err(Refusal::ports_only_with_ban(measure));
            }
            if ports.len() > MOST_PORTS_OF_A_BAN {
                return Err(Refusal::too_many_ports(ports.len(), MOST_PORTS_OF_A_BAN));
            }
        }
        if measure != Measure::Allow
            && let Some(refusal) = self.excuse_whole(subject, now)
        {
            return Err(refusal);
        }
        let generation = self.hold(measure, subject, hold, now)?;
        match measure {
            Measure::Allow => self.free(subject, &ReleaseCause::Allowed, now),
            Measure::Throttle(strength) => {
                let other = match strength {
                    crate::Strength::Soft => List::ThrottleHard,
                    crate::Strength::Hard => List::ThrottleSoft,
                };
                self.end(other, subject, &ReleaseCause::Replaced, now);
            }
            Measure::Ban => {}
        }
        self.unconfirmed.remove(&subject);
        Ok(Done { generation: generation.max(self.generation), subjects: 1 })
    }

    fn lift_as_asked(
        &mut self,
        lifted: Lifted,
        subject: Subject,
        author: Author,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let cause = ReleaseCause::Lifted(author);
        let (lists, what, verb): (&[List], _, _) = match lifted {
            Lifted::Ban => (&[List::Ban], "banned", "unban"),
            Lifted::Allow => (&[List::Allow], "on the allow list", "disallow"),
            Lifted::Throttle => {
                (&[List::ThrottleHard, List::ThrottleSoft], "throttled", "unthrottle")
            }
        };
        if lifted == Lifted::Allow
            && let Some(hold) = self.register.roll(List::Allow).get(&subject)
            && hold.author == Author::Configuration
        {
            return Err(Refusal::from_configuration(subject));
        }
        let mut ended = false;
        for list in lists {
            ended |= self.end(*list, subject, &cause, now);
        }
        if lifted == Lifted::Ban {
            ended |= self.end_port_ban(subject, &cause, now);
        }
        if ended {
            return Ok(Done { generation: self.generation, subjects: 1 });
        }
        let wider = lists.iter().find_map(|list| self.register.roll(*list).covering(subject));
        Err(match wider {
            Some((by, _)) => Refusal::part_of(subject, by, what, verb),
            None => Refusal::not_held(subject, what),
        })
    }

    fn end(&mut self, list: List, subject: Subject, cause: &ReleaseCause, now: Timestamp) -> bool {
        let Some(hold) = self.register.roll_mut(list).remove(&subject) else { return false };
        self.forget_hold(list, (subject, &hold), cause.clone(), now);
        true
    }

    fn end_port_ban(&mut self, subject: Subject, cause: &ReleaseCause, now: Timestamp) -> bool {
        let Some(hold) = self.register.port_bans.remove(&subject) else { return false };
        self.forget_hold(List::Ban, (subject, &hold), cause.clone(), now);
        true
    }

    fn lift_all_bans(&mut self, author: Author, now: Timestamp) -> Done {
        let cause = ReleaseCause::Lifted(author);
        let whole = self.register.roll_mut(List::Ban).take().into_holds();
        let of_ports = self.register.port_bans.take().into_holds();
        for (subject, hold) in whole.iter().chain(of_ports.iter()) {
            self.forget_hold(List::Ban, (*subject, hold), cause.clone(), now);
        }
        Done { generation: self.generation, subjects: whole.len() + of_ports.len() }
    }

    fn import(
        &mut self,
        holds: Vec<ListedHold>,
        offenders: Vec<(Subject, Offender)>,
        now: Timestamp,
    ) -> Done {
        let mut subjects = 0;
        for (subject, past) in offenders {
            self.offenders.put(subject, past);
            self.records.push_back(Record::Offender(subject, past));
        }
        for listed in holds {
            let Some(measure) = Measure::of(listed.list) else { continue };
            let subject = listed.subject;
            let excused = measure != Measure::Allow && self.excuse_whole(subject, now).is_some();
            if excused || listed.until.is_over(now) {
                continue;
            }
            let hold = Hold {
                since: listed.since,
                until: listed.until,
                nth_ban: listed.nth_ban,
                author: Author::Import,
                reason: listed.reason,
                ports: (!listed.ports.is_empty()).then(|| Arc::new(listed.ports)),
                generation: 0,
            };
            subjects += usize::from(self.hold(measure, subject, hold, now).is_ok());
        }
        Done { generation: self.generation, subjects }
    }
}
