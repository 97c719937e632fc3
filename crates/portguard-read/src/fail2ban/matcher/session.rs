//! What is known of connections whose lines belong together.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher as _,
};

use foldhash::fast::RandomState;

use crate::fields::Fields;

use super::names::Marks;

/// How many sessions are kept; the one that began first goes.
const MOST_SESSIONS: usize = 1_024;

/// How long a session is kept after it began, in seconds of the log's own time.
const KEPT_FOR: i64 = 300;

/// How many users of one session are told apart.
const MOST_USERS: usize = 64;

/// What a line makes of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is a failure, if it is known whose.
    Failure,
    /// It is none, or not yet.
    NoFailure,
}

/// The sessions, by the hashes of their names in the log. The hashes are seeded, so that nobody can
/// choose names that meet.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: HashMap<u64, Session, RandomState>,
    /// In the order in which they began, each with its number; some of them may be over.
    order: VecDeque<(u64, u64)>,
    /// How many began so far.
    begun: u64,
    names: RandomState,
    /// One that is over, for its memory.
    spare: Session,
}

#[derive(Debug, Default)]
struct Session {
    number: u64,
    began: i64,
    fields: Fields,
    /// The hashes of the names that it tried.
    users: Vec<u64>,
    /// Failures were seen whose address is not known yet.
    waits_for_id: bool,
}

impl Sessions {
    /// Adds what a line says to its session, which it names, and returns how it stands. `line` then
    /// has all that is known.
    pub(super) fn take(&mut self, line: &mut Fields, marks: &Marks, now: Option<i64>) -> Standing {
        let is_marked = |mark: u16| line.of(mark).is_some_and(|text| !text.is_empty());
        let gained = is_marked(marks.gained);
        let is_over = is_marked(marks.forget);
        let mut is_spared = gained || is_marked(marks.spared);
        for mark in [marks.gained, marks.forget, marks.spared] {
            line.remove(mark);
        }
        let now = now.unwrap_or_default();
        let name = self.name(line, marks);
        if self.known.get(&name).is_none_or(|session| session.began + KEPT_FOR <= now) {
            self.begin(name, now);
        }
        let Some(session) = self.known.get_mut(&name) else { return Standing::NoFailure };
        // Whoever tries several users does not get away with one that succeeds.
        let user = line.of(marks.user).filter(|user| !user.is_empty());
        let tried_several =
            user.is_some_and(|user| session.tries_several(self.names.hash_one(user)));
        if (session.waits_for_id && !gained) || tried_several {
            is_spared = false;
        }
        session.waits_for_id = false;
        if !session.fields.is_empty() {
            let mut fields = std::mem::take(&mut session.fields);
            fields.extend(line);
            *line = fields;
        }
        if is_over {
            self.spare = self.known.remove(&name).unwrap_or_default();
        } else {
            session.fields.clone_from(line);
        }
        if is_spared { Standing::NoFailure } else { Standing::Failure }
    }

    /// Remembers that the session of a line failed before it is known whose it is.
    pub(super) fn wait_for_id(&mut self, line: &Fields, marks: &Marks) {
        let name = self.name(line, marks);
        if let Some(session) = self.known.get_mut(&name) {
            session.waits_for_id = true;
        }
    }

    fn name(&self, line: &Fields, marks: &Marks) -> u64 {
        self.names.hash_one(line.of(marks.session).unwrap_or_default())
    }

    fn begin(&mut self, name: u64, now: i64) {
        self.begun += 1;
        let mut session = std::mem::take(&mut self.spare);
        (session.number, session.began, session.waits_for_id) = (self.begun, now, false);
        session.fields.clear();
        session.users.clear();
        self.order.push_back((name, self.begun));
        self.known.insert(name, session);
        while self.order.len() > MOST_SESSIONS {
            let Some((name, number)) = self.order.pop_front() else { return };
            if self.known.get(&name).is_some_and(|session| session.number == number) {
                self.spare = self.known.remove(&name).unwrap_or_default();
            }
        }
    }
}

impl Session {
    /// Takes note of a user, and returns whether there are several.
    fn tries_several(&mut self, user: u64) -> bool {
        if !self.users.contains(&user) && self.users.len() < MOST_USERS {
            self.users.push(user);
        }
        self.users.len() > 1
    }
}
