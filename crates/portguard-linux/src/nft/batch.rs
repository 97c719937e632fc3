//! Changes to elements, in bounded transactions.
//!
//! A batch of changes goes in by transactions of at most [`ELEMENTS_PER_TRANSACTION`]. Where the
//! kernel refuses one because of a single element, its changes are made one at a time, so that one
//! element too many never holds up the others.

use std::{fs, io};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use portguard_core::{Change, Element, Timestamp};
use rustix::io::Errno;
use thiserror::Error;

use super::{
    element::{self, Lifetime, Record},
    set::{Key, ListSet},
    socket::{Nack, Socket},
    wire::{Writer, kind},
};

/// How many elements go into one transaction.
///
/// A listener to notifications anywhere on the machine makes the kernel hold 4 KiB for each element
/// of a transaction until it commits: with 10,000 that is 40 MB, with a million 8 GB.
pub(super) const ELEMENTS_PER_TRANSACTION: usize = 10_000;

/// How many elements go into one message, whose list of elements has to stay below 64 KiB.
const ELEMENTS_PER_MESSAGE: usize = 500;

/// More bytes than an element takes with a message of its own around it.
const LARGEST_ELEMENT: usize = 192;

/// How often an element is put in again that ends or comes while it is looked at.
const REPLACE_ATTEMPTS: usize = 3;

/// What became of a batch.
#[must_use]
#[derive(Debug, Default)]
pub struct BatchOutcome {
    /// How many changes the kernel took over.
    pub applied: usize,
    /// Those that it did not, and why.
    pub not_applied: Vec<NotApplied>,
}

/// Why one element could not be changed, while others could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotApplied {
    /// The set holds as many elements as it may.
    #[error("set {set} is full: no room for {element}")]
    SetFull {
        /// The set.
        set: ListSet,
        /// The element.
        element: Element,
    },
    /// Rules put the element in and its time ended, over and over, while it was replaced.
    #[error("{element} changes too fast to be replaced")]
    Unsteady {
        /// The element.
        element: Element,
    },
}

/// Why a batch could not be applied, or not further.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The frame has no set for an element. Nothing of the batch was applied; the owner adds the
    /// set to the frame's networks, applies the frame and tries again.
    #[error("the frame has no set {0}")]
    MissingSet(ListSet),
    /// Somebody took the table or the set away.
    #[error("set {0} is gone from the kernel")]
    Gone(ListSet),
    /// The kernel refused.
    #[error("the kernel refused {element}")]
    Refused {
        /// The element.
        element: Element,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The netlink socket failed.
    #[error("cannot talk to nf_tables")]
    Socket(#[from] io::Error),
}

/// What this kernel's `nf_tables` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Removing an element that is absent is no error (Linux 6.3).
    pub(super) destroys: bool,
    /// Adding an element that exists gives it the new time (Linux 6.12).
    pub(super) updates: bool,
}

impl Abilities {
    pub(super) fn of_this_kernel() -> io::Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Self::of(&release))
    }

    fn of(release: &str) -> Self {
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|digits| digits.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self { destroys: version >= (6, 3), updates: version >= (6, 12) }
    }
}

/// Where a batch goes.
pub(super) struct Target<'table> {
    pub(super) socket: &'table mut Socket,
    pub(super) table: &'table str,
    pub(super) abilities: Abilities,
}

/// One change, ready for the kernel.
#[derive(Clone, Copy)]
struct Step {
    element: Element,
    set: ListSet,
    key: Key,
    verb: Verb,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Install(Lifetime),
    Remove,
}

impl Target<'_> {
    /// Applies all changes in their order; the sets must exist.
    pub(super) fn apply(
        &mut self,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<BatchOutcome, ApplyError> {
        let mut outcome = BatchOutcome::default();
        for chunk in changes.chunks(self.transaction_length()) {
            let steps: Vec<_> = chunk.iter().map(|change| Step::new(change, now)).collect();
            match self.commit(&steps)? {
                Ok(()) => outcome.applied += steps.len(),
                Err(_) if steps.len() > 1 || !self.is_modern() => {
                    for step in &steps {
                        self.apply_alone(step, &mut outcome)?;
                    }
                }
                Err(nack) => outcome.not_applied.push(refusal(&steps[0], nack)?),
            }
        }
        Ok(outcome)
    }

    fn transaction_length(&self) -> usize {
        (self.socket.transaction_limit() / LARGEST_ELEMENT).clamp(1, ELEMENTS_PER_TRANSACTION)
    }

    fn is_modern(&self) -> bool {
        self.abilities == Abilities { destroys: true, updates: true }
    }

    fn commit(&mut self, steps: &[Step]) -> io::Result<Result<(), Nack>> {
        let mut transaction = self.socket.begin();
        for run in steps.chunk_by(Step::shares_message_with) {
            for part in run.chunks(ELEMENTS_PER_MESSAGE) {
                let (kind, flags) = self.message_of(part[0].verb);
                transaction.message(kind, flags, |body| part_body(body, self.table, part));
            }
        }
        self.socket.commit(transaction)
    }

    /// Returns the message type and flags for a verb.
    ///
    /// A kernel that does not update times says so only when it is told to refuse what exists.
    fn message_of(&self, verb: Verb) -> (u8, u16) {
        match verb {
            Verb::Install(_) if self.abilities.updates => (kind::NEW_ELEMENT, NLM_F_CREATE),
            Verb::Install(_) => (kind::NEW_ELEMENT, NLM_F_CREATE | NLM_F_EXCL),
            Verb::Remove if self.abilities.destroys => (kind::DESTROY_ELEMENT, 0),
            Verb::Remove => (kind::DEL_ELEMENT, 0),
        }
    }

    fn apply_alone(&mut self, step: &Step, outcome: &mut BatchOutcome) -> Result<(), ApplyError> {
        let mut result = self.commit(std::slice::from_ref(step))?;
        for _ in 0..REPLACE_ATTEMPTS {
            match (step.verb, result) {
                (Verb::Install(lifetime), Err(Nack { errno: Errno::EXIST })) => {
                    result = self.replace(step, lifetime)?;
                }
                // Without DESTROYSETELEM: it was absent, which is as wanted.
                (Verb::Remove, Err(Nack { errno: Errno::NOENT })) if !self.abilities.destroys => {
                    result = Ok(());
                }
                _ => break,
            }
        }
        match result {
            Ok(()) => outcome.applied += 1,
            Err(nack) => outcome.not_applied.push(refusal(step, nack)?),
        }
        Ok(())
    }

    /// Puts an element with a new time in the place of the one that is there, with its counter.
    fn replace(&mut self, step: &Step, lifetime: Lifetime) -> io::Result<Result<(), Nack>> {
        let Some(old) = look_up(self.socket, self.table, step.set, step.key)? else {
            return self.commit(std::slice::from_ref(step));
        };
        let mut transaction = self.socket.begin();
        transaction.message(kind::DEL_ELEMENT, 0, |body| {
            element::write_elements(body, self.table, step.set, |elements| {
                element::write_key(elements, step.key);
            });
        });
        transaction.message(kind::NEW_ELEMENT, NLM_F_CREATE | NLM_F_EXCL, |body| {
            element::write_elements(body, self.table, step.set, |elements| {
                element::write_new(elements, step.key, lifetime, old.counter.as_deref());
            });
        });
        let result = self.socket.commit(transaction)?;
        // It ended in between: as if it had come back, so that the caller looks again.
        let vanished = Err(Nack { errno: Errno::NOENT });
        Ok(if result == vanished { Err(Nack { errno: Errno::EXIST }) } else { result })
    }
}

impl Step {
    fn new(change: &Change, now: Timestamp) -> Self {
        let element = change.element();
        let verb = match change {
            Change::Install(_, until) if until.is_over(now) => Verb::Remove,
            Change::Install(_, until) => Verb::Install(
                until.moment().map_or(Lifetime::FOREVER, |end| Lifetime::starting(end.since(now))),
            ),
            Change::Remove(_) => Verb::Remove,
        };
        Self { element, set: ListSet::of(&element), key: ListSet::key(&element), verb }
    }

    fn shares_message_with(&self, other: &Self) -> bool {
        self.set == other.set && (self.verb == Verb::Remove) == (other.verb == Verb::Remove)
    }
}

/// Tells a refusal of one element from one that stops the batch.
fn refusal(step: &Step, nack: Nack) -> Result<NotApplied, ApplyError> {
    let (set, element) = (step.set, step.element);
    match nack.errno {
        Errno::NFILE => Ok(NotApplied::SetFull { set, element }),
        Errno::EXIST => Ok(NotApplied::Unsteady { element }),
        Errno::NOENT => Err(ApplyError::Gone(set)),
        errno => Err(ApplyError::Refused { element, source: errno.into() }),
    }
}

/// Writes steps of one set that are all installs or all removals.
fn part_body(body: &mut Writer, table: &str, part: &[Step]) {
    element::write_elements(body, table, part[0].set, |elements| {
        for step in part {
            match step.verb {
                Verb::Install(lifetime) => {
                    element::write_new(elements, step.key, lifetime, None);
                }
                Verb::Remove => element::write_key(elements, step.key),
            }
        }
    });
}

/// Returns an element of a set, `None` if it is not there.
pub(super) fn look_up(
    socket: &mut Socket,
    table: &str,
    set: ListSet,
    key: Key,
) -> io::Result<Option<Record>> {
    look_up_in(socket, table, &set.to_string(), key)
}

/// Returns an element of the set with this name, `None` if it is not there.
pub(super) fn look_up_in(
    socket: &mut Socket,
    table: &str,
    set: &str,
    key: Key,
) -> io::Result<Option<Record>> {
    socket.request(
        kind::GET_ELEMENT,
        |body| {
            element::write_named_elements(body, table, set, |elements| {
                element::write_key(elements, key);
            });
        },
        |message| element::records(message).next(),
    )
}

#[cfg(test)]
mod tests;
