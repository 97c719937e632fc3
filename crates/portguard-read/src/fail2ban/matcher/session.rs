//! What is known of connections whose lines belong together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Groups;

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

/// The sessions, by their names in the log.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: BTreeMap<String, Session>,
    order: VecDeque<String>,
}

#[derive(Clone, Debug, Default)]
struct Session {
    began: i64,
    groups: Groups,
    users: BTreeSet<String>,
    /// Failures were seen whose address is not known yet.
    waits_for_id: bool,
}

impl Sessions {
    /// Adds what a line says to its session, and returns how it stands with all that is known.
    pub(super) fn take(
        &mut self,
        name: &str,
        mut line: Groups,
        now: Option<i64>,
    ) -> (Standing, Groups) {
        let is_marked =
            |groups: &Groups, mark: &str| groups.get(mark).is_some_and(|text| !text.is_empty());
        let gained = is_marked(&line, "mlfgained");
        let mut is_spared = gained || is_marked(&line, "nofail");
        let is_over = line.remove("mlfforget").is_some_and(|text| !text.is_empty());
        line.remove("mlfgained");
        line.remove("nofail");
        let user = line.get("user").filter(|user| !user.is_empty()).cloned();

        let now = now.unwrap_or_default();
        let before = self.known.get(name).filter(|session| session.began + KEPT_FOR > now);
        let is_new = before.is_none();
        let mut session = before.cloned().unwrap_or(Session { began: now, ..Session::default() });
        session.groups.extend(line);
        if let Some(user) = user.clone().filter(|_| session.users.len() < MOST_USERS) {
            session.users.insert(user);
        }
        if gained {
            session.waits_for_id = false;
        }
        // Whoever tries several users does not get away with one that succeeds.
        let tried_several = user.is_some() && session.users.len() > 1;
        if session.waits_for_id || tried_several {
            is_spared = false;
        }
        session.waits_for_id = false;
        let groups = session.groups.clone();
        if is_over {
            self.forget(name);
        } else {
            self.keep(name, session, is_new);
        }
        (if is_spared { Standing::NoFailure } else { Standing::Failure }, groups)
    }

    /// Remembers that a session failed before it is known whose it is.
    pub(super) fn wait_for_id(&mut self, name: &str) {
        if let Some(session) = self.known.get_mut(name) {
            session.waits_for_id = true;
        }
    }

    fn keep(&mut self, name: &str, session: Session, is_new: bool) {
        if is_new {
            self.order.retain(|known| known != name);
            self.order.push_back(name.to_owned());
        }
        self.known.insert(name.to_owned(), session);
        while self.known.len() > MOST_SESSIONS {
            let Some(first) = self.order.pop_front() else { return };
            self.known.remove(&first);
        }
    }

    fn forget(&mut self, name: &str) {
        self.known.remove(name);
        self.order.retain(|known| known != name);
    }
}
