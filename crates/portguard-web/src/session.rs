//! Sessions: who is signed in, until when.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    access::{Access, Lifetime, Role},
    clock::Moment,
    secret::Digest,
};

/// Most sessions at a time; the one that was used longest ago goes.
const MOST_SESSIONS: usize = 1_000;

/// How long a one-time link's session may set a password without the old one.
const LINK_GRACE: Duration = Duration::from_secs(15 * 60);

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    pub(crate) user: String,
    /// The user's when it began; see [`crate::access::User`].
    epoch: u64,
    pub(crate) began: Moment,
    used: Moment,
    by_link: bool,
}

impl Session {
    /// Returns whether it may set a password without the old one.
    pub(crate) fn came_by_link(&self, now: Moment) -> bool {
        self.by_link && now.since(self.began) < LINK_GRACE
    }
}

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// With a one-time link.
    Link,
    /// With a password.
    Password,
}

/// All sessions, by the digest of their secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sessions {
    all: HashMap<Digest, Session>,
}

impl Sessions {
    /// Begins a session.
    pub(crate) fn begin(
        &mut self,
        key: Digest,
        (user, epoch): (&str, u64),
        entrance: Entrance,
        now: Moment,
    ) {
        if self.all.len() >= MOST_SESSIONS {
            let oldest = self.all.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.all.remove(&oldest);
            }
        }
        let by_link = entrance == Entrance::Link;
        let session = Session { user: user.to_owned(), epoch, began: now, used: now, by_link };
        self.all.insert(key, session);
    }

    /// Returns a session that has not ended, with the role of its user.
    pub(crate) fn find(
        &self,
        key: &Digest,
        access: &Access,
        lifetime: Lifetime,
        now: Moment,
    ) -> Option<(&Session, Role)> {
        let session = self.all.get(key)?;
        let user = access.users.get(&session.user)?;
        is_alive(session, user.epoch, lifetime, now).then_some((session, user.role))
    }

    /// Notes that a session is used.
    pub(crate) fn touch(&mut self, key: &Digest, now: Moment) {
        if let Some(session) = self.all.get_mut(key) {
            session.used = session.used.max(now);
        }
    }

    /// Ends a session.
    pub(crate) fn end(&mut self, key: &Digest) {
        self.all.remove(key);
    }

    /// Forgets sessions that have ended.
    pub(crate) fn sweep(&mut self, access: &Access, lifetime: Lifetime, now: Moment) {
        self.all.retain(|_, session| {
            let user = access.users.get(&session.user);
            user.is_some_and(|user| is_alive(session, user.epoch, lifetime, now))
        });
    }

    /// Returns how many sessions a user has.
    pub(crate) fn count(&self, user: &str) -> usize {
        self.all.values().filter(|session| session.user == user).count()
    }
}

fn is_alive(session: &Session, epoch: u64, lifetime: Lifetime, now: Moment) -> bool {
    session.epoch == epoch
        && now.since(session.began) < lifetime.whole
        && now.since(session.used) < lifetime.idle
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Lifetime =
        Lifetime { whole: Duration::from_secs(100), idle: Duration::from_secs(10) };

    fn at(seconds: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(seconds))
    }

    fn access() -> Access {
        let mut access = Access::default();
        access.set_user("anna", Role::Operator, Some("hash".to_owned())).unwrap();
        access
    }

    #[test]
    fn a_session_ends_unused_and_ends_anyway() {
        let (mut sessions, access, key) = (Sessions::default(), access(), Digest::of("key"));
        sessions.begin(key, ("anna", 0), Entrance::Password, at(0));
        let is_alive =
            |sessions: &Sessions, now| sessions.find(&key, &access, LIFETIME, at(now)).is_some();
        assert!(is_alive(&sessions, 9));
        assert!(!is_alive(&sessions, 10));
        for now in (9..99).step_by(9) {
            sessions.touch(&key, at(now));
        }
        assert!(is_alive(&sessions, 99));
        assert!(!is_alive(&sessions, 100));
        sessions.sweep(&access, LIFETIME, at(100));
        assert_eq!(sessions.count("anna"), 0);
    }

    #[test]
    fn signing_out_everywhere_ends_every_session_of_the_user() {
        let (mut sessions, mut access) = (Sessions::default(), access());
        let keys = ["one", "other"].map(Digest::of);
        for key in keys {
            sessions.begin(key, ("anna", 0), Entrance::Password, at(0));
        }
        sessions.end(&keys[0]);
        assert!(sessions.find(&keys[0], &access, LIFETIME, at(1)).is_none());
        assert!(sessions.find(&keys[1], &access, LIFETIME, at(1)).is_some());
        access.sign_out("anna");
        assert!(sessions.find(&keys[1], &access, LIFETIME, at(1)).is_none());
    }

    #[test]
    fn a_removed_user_is_signed_out() {
        let (mut sessions, key) = (Sessions::default(), Digest::of("key"));
        sessions.begin(key, ("anna", 0), Entrance::Password, at(0));
        assert!(sessions.find(&key, &Access::default(), LIFETIME, at(1)).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_the_idlest_goes() {
        let mut sessions = Sessions::default();
        for index in 0..=MOST_SESSIONS {
            let key = Digest::of(&index.to_string());
            sessions.begin(key, ("anna", 0), Entrance::Password, at(index as u64));
        }
        assert_eq!(sessions.count("anna"), MOST_SESSIONS);
        assert!(!sessions.all.contains_key(&Digest::of("0")));
    }

    #[test]
    fn a_link_sets_a_password_without_the_old_one_for_a_while() {
        let (mut sessions, access) = (Sessions::default(), access());
        let keys = ["link", "password"].map(Digest::of);
        sessions.begin(keys[0], ("anna", 0), Entrance::Link, at(0));
        sessions.begin(keys[1], ("anna", 0), Entrance::Password, at(0));
        let long = Lifetime { whole: Duration::from_secs(3_600), idle: Duration::from_secs(3_600) };
        let may =
            |key, now| sessions.find(key, &access, long, at(now)).unwrap().0.came_by_link(at(now));
        assert!(may(&keys[0], 1));
        assert!(!may(&keys[0], 900));
        assert!(!may(&keys[1], 1));
    }
}
