//! What is known of connections whose lines belong together.

use std::{collections::HashMap, hash::BuildHasher as _};

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

/// The sessions. They are told apart by the hashes of their names in the log, which are seeded, so
/// that nobody can choose names that meet.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Those that began last, each at the place of its number; some of them are over.
    last: Vec<Session>,
    /// How many began so far.
    begun: usize,
    /// The numbers of those that are not over, by their names.
    open: HashMap<u64, usize, RandomState>,
    names: RandomState,
}

#[derive(Debug, Default)]
struct Session {
    name: u64,
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
        line.remove_all(&[marks.gained, marks.forget, marks.spared]);
        let now = now.unwrap_or_default();
        let name = self.name(line, marks);
        let known = self.place(name).filter(|place| self.last[*place].began + KEPT_FOR > now);
        let place = known.unwrap_or_else(|| self.begin(name, now));
        // Whoever tries several users does not get away with one that succeeds.
        let user = line.of(marks.user).filter(|user| !user.is_empty());
        let user = user.map(|user| self.names.hash_one(user));
        let session = &mut self.last[place];
        let tried_several = user.is_some_and(|user| session.tries_several(user));
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
            self.open.remove(&name);
        } else {
            session.fields.clone_from(line);
        }
        if is_spared { Standing::NoFailure } else { Standing::Failure }
    }

    /// Remembers that the session of a line failed before it is known whose it is.
    pub(super) fn wait_for_id(&mut self, line: &Fields, marks: &Marks) {
        let name = self.name(line, marks);
        if let Some(place) = self.place(name) {
            self.last[place].waits_for_id = true;
        }
    }

    /// Returns whether a line names a session of which nothing is known.
    pub(super) fn is_unknown(&self, line: &Fields, marks: &Marks) -> bool {
        line.of(marks.session).is_some() && self.place(self.name(line, marks)).is_none()
    }

    fn name(&self, line: &Fields, marks: &Marks) -> u64 {
        self.names.hash_one(line.of(marks.session).unwrap_or_default())
    }

    /// Returns where the session of a name is, unless it is over.
    fn place(&self, name: u64) -> Option<usize> {
        self.open.get(&name).map(|number| number % MOST_SESSIONS)
    }

    /// Begins a session in the place, and the memory, of the one that began longest ago, and returns
    /// where that is.
    fn begin(&mut self, name: u64, now: i64) -> usize {
        let (number, place) = (self.begun, self.begun % MOST_SESSIONS);
        self.begun += 1;
        if place == self.last.len() {
            self.last.push(Session::default());
        } else if self.open.get(&self.last[place].name) == Some(&(number - MOST_SESSIONS)) {
            self.open.remove(&self.last[place].name);
        }
        self.open.insert(name, number);
        let session = &mut self.last[place];
        (session.name, session.began, session.waits_for_id) = (name, now, false);
        session.fields.clear();
        session.users.clear();
        place
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
