//! Who may come in: users, API tokens, one-time links. Values in, values out; [`crate::folder`]
//! keeps them on disk.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{clock::Moment, secret::Digest};

/// Most users and most API tokens; what a host's operators need, many times over.
pub(crate) const MOST: usize = 100;

/// Most one-time links that wait; the oldest goes.
const MOST_LINKS: usize = 8;

/// Most browsers of one user that have a pace of their own; the oldest goes.
const MOST_DEVICES: usize = 16;

/// Longest names of users and tokens, in bytes: they stand in the guard's journal.
const LONGEST_NAME: usize = 32;

/// Shortest and longest passwords, in bytes. The shortest holds at two guesses a second for longer
/// than anybody tries; what is longer only costs time.
const PASSWORD: std::ops::RangeInclusive<usize> = 10..=256;

/// The user that a one-time link lets in.
pub(crate) const ADMIN: &str = "admin";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Give orders too.
    Operator,
}

impl Role {
    /// Returns the word that the daemon reads.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Everybody who may come in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) tokens: BTreeMap<String, Token>,
    links: Vec<Link>,
}

/// Somebody with a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) role: Role,
    /// Argon2id in PHC's form; none until one is set.
    pub(crate) password: Option<String>,
    /// Sessions of an earlier epoch have ended.
    pub(crate) epoch: u64,
    devices: Vec<Digest>,
}

/// A program that may come in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) role: Role,
    digest: Digest,
    /// When it was made, as RFC 3339.
    pub(crate) created: String,
}

/// A link that lets one in once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    digest: Digest,
    /// Moments are by this boot's clock.
    boot: String,
    until: Moment,
}

/// Why the users or tokens stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// The name can not be used.
    #[error("`{0}` is no name; write a letter, then letters, digits, `.`, `_` and `-`, at most 32")]
    Name(String),
    /// The password is too short or too long.
    #[error("a password has 10 to 256 bytes")]
    Password,
    /// There is nobody of this name.
    #[error("there is no `{0}`")]
    Unknown(String),
    /// There is one already.
    #[error("there is a `{0}` already")]
    Taken(String),
    /// There are too many.
    #[error("there are {MOST} already, which is the most")]
    Full,
    /// Nobody could give orders any more.
    #[error("`{0}` is the last operator with a password")]
    LastOperator(String),
    /// A new user would have no password.
    #[error("a new user needs a password")]
    NoPassword,
}

/// Checks a password before it is hashed.
pub(crate) fn check_password(password: &str) -> Result<(), Unchanged> {
    if PASSWORD.contains(&password.len()) { Ok(()) } else { Err(Unchanged::Password) }
}

fn check_name(name: &str) -> Result<(), Unchanged> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_inner);
    if is_name { Ok(()) } else { Err(Unchanged::Name(name.to_owned())) }
}

impl Access {
    /// Returns whether somebody has a password.
    pub(crate) fn has_password(&self) -> bool {
        self.users.values().any(|user| user.password.is_some())
    }

    /// Adds a user, or gives one another role or password (its hash).
    pub(crate) fn set_user(
        &mut self,
        name: &str,
        role: Role,
        password: Option<String>,
    ) -> Result<(), Unchanged> {
        check_name(name)?;
        if let Some(user) = self.users.get_mut(name) {
            let was = user.clone();
            user.epoch += u64::from(password.is_some() || role != was.role);
            user.role = role;
            user.password = password.or(user.password.take());
            if !self.has_operator() && is_full(&was) {
                self.users.insert(name.to_owned(), was);
                return Err(Unchanged::LastOperator(name.to_owned()));
            }
            return Ok(());
        }
        if self.users.len() >= MOST {
            return Err(Unchanged::Full);
        }
        let password = Some(password.ok_or(Unchanged::NoPassword)?);
        let user = User { role, password, epoch: 0, devices: Vec::new() };
        self.users.insert(name.to_owned(), user);
        Ok(())
    }

    /// Gives a user another password (its hash), and ends all sessions of that user.
    pub(crate) fn set_password(&mut self, name: &str, hash: String) -> Result<u64, Unchanged> {
        let user = self.users.get_mut(name).ok_or_else(|| Unchanged::Unknown(name.to_owned()))?;
        user.password = Some(hash);
        user.epoch += 1;
        Ok(user.epoch)
    }

    /// Takes a user away.
    pub(crate) fn remove_user(&mut self, name: &str) -> Result<(), Unchanged> {
        let user = self.users.remove(name).ok_or_else(|| Unchanged::Unknown(name.to_owned()))?;
        if is_full(&user) && !self.has_operator() {
            self.users.insert(name.to_owned(), user);
            return Err(Unchanged::LastOperator(name.to_owned()));
        }
        Ok(())
    }

    /// Ends all sessions of a user.
    pub(crate) fn sign_out(&mut self, name: &str) {
        if let Some(user) = self.users.get_mut(name) {
            user.epoch += 1;
        }
    }

    /// Adds an API token.
    pub(crate) fn add_token(
        &mut self,
        name: &str,
        role: Role,
        digest: Digest,
        created: String,
    ) -> Result<(), Unchanged> {
        check_name(name)?;
        if self.tokens.contains_key(name) {
            return Err(Unchanged::Taken(name.to_owned()));
        }
        if self.tokens.len() >= MOST {
            return Err(Unchanged::Full);
        }
        self.tokens.insert(name.to_owned(), Token { role, digest, created });
        Ok(())
    }

    /// Returns whose API token this is.
    pub(crate) fn token(&self, digest: &Digest) -> Option<(&str, Role)> {
        let found = self.tokens.iter().find(|(_, token)| token.digest == *digest);
        found.map(|(name, token)| (name.as_str(), token.role))
    }

    /// Takes an API token away.
    pub(crate) fn remove_token(&mut self, name: &str) -> Result<(), Unchanged> {
        match self.tokens.remove(name) {
            Some(_) => Ok(()),
            None => Err(Unchanged::Unknown(name.to_owned())),
        }
    }

    /// Adds a one-time link.
    pub(crate) fn add_link(&mut self, digest: Digest, boot: &str, until: Moment) {
        if self.links.len() >= MOST_LINKS {
            self.links.remove(0);
        }
        self.links.push(Link { digest, boot: boot.to_owned(), until });
    }

    /// Uses a one-time link up; returns the epoch of [`ADMIN`] if it let one in.
    pub(crate) fn use_link(&mut self, digest: &Digest, boot: &str, now: Moment) -> Option<u64> {
        self.links.retain(|link| link.boot == boot && link.until > now);
        let at = self.links.iter().position(|link| link.digest == *digest)?;
        self.links.remove(at);
        let fresh = || User { role: Role::Operator, password: None, epoch: 0, devices: Vec::new() };
        let admin = self.users.entry(ADMIN.to_owned()).or_insert_with(fresh);
        admin.role = Role::Operator;
        Some(admin.epoch)
    }

    /// Remembers a browser of a user.
    pub(crate) fn add_device(&mut self, name: &str, digest: Digest) {
        if let Some(user) = self.users.get_mut(name) {
            if user.devices.len() >= MOST_DEVICES {
                user.devices.remove(0);
            }
            user.devices.push(digest);
        }
    }

    /// Returns whether a browser is one of this user's.
    pub(crate) fn has_device(&self, name: &str, digest: &Digest) -> bool {
        self.users.get(name).is_some_and(|user| user.devices.contains(digest))
    }

    fn has_operator(&self) -> bool {
        self.users.values().any(is_full)
    }
}

/// Returns whether a user can come in and give orders.
fn is_full(user: &User) -> bool {
    user.role == Role::Operator && user.password.is_some()
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    /// From the log-in on.
    pub(crate) whole: Duration,
    /// Without being used.
    pub(crate) idle: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(seconds))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is what users have")]
    fn hash() -> Option<String> {
        Some("hash".to_owned())
    }

    #[test]
    fn a_link_lets_one_in_once_and_not_for_ever() {
        let mut access = Access::default();
        let (one, other) = (Digest::of("one"), Digest::of("other"));
        access.add_link(one, "boot", at(10));
        access.add_link(other, "boot", at(10));
        assert_eq!(access.use_link(&Digest::of("guess"), "boot", at(1)), None);
        assert_eq!(access.use_link(&one, "boot", at(1)), Some(0));
        assert_eq!(access.use_link(&one, "boot", at(1)), None);
        assert_eq!(access.use_link(&other, "boot", at(10)), None);
        access.add_link(one, "boot", at(20));
        assert_eq!(access.use_link(&one, "next boot", at(1)), None);
        assert_eq!(access.users[ADMIN].role, Role::Operator);
    }

    #[test]
    fn links_and_devices_are_bounded() {
        let mut access = Access::default();
        for index in 0..100 {
            access.add_link(Digest::of(&index.to_string()), "boot", at(10));
        }
        assert_eq!(access.links.len(), MOST_LINKS);
        access.use_link(&Digest::of("99"), "boot", at(1));
        for index in 0..100 {
            access.add_device(ADMIN, Digest::of(&index.to_string()));
        }
        assert!(!access.has_device(ADMIN, &Digest::of("0")));
        assert!(access.has_device(ADMIN, &Digest::of("99")));
        assert!(!access.has_device("somebody", &Digest::of("99")));
    }

    #[test]
    fn somebody_can_always_give_orders() {
        let mut access = Access::default();
        access.set_user("anna", Role::Operator, hash()).unwrap();
        access.set_user("otto", Role::Viewer, hash()).unwrap();
        let last = Err(Unchanged::LastOperator("anna".to_owned()));
        assert_eq!(access.remove_user("anna"), last);
        assert_eq!(access.set_user("anna", Role::Viewer, None), last);
        access.set_user("otto", Role::Operator, None).unwrap();
        assert_eq!(access.remove_user("anna"), Ok(()));
        assert_eq!(access.remove_user("anna"), Err(Unchanged::Unknown("anna".to_owned())));
    }

    #[test]
    fn another_password_or_role_ends_sessions() {
        let mut access = Access::default();
        access.set_user("anna", Role::Operator, hash()).unwrap();
        assert_eq!(access.set_password("anna", "other".to_owned()), Ok(1));
        access.set_user("anna", Role::Operator, None).unwrap();
        assert_eq!(access.users["anna"].epoch, 1);
        access.sign_out("anna");
        assert_eq!(access.users["anna"].epoch, 2);
    }

    #[test]
    fn names_and_passwords_are_checked() {
        let mut access = Access::default();
        for name in ["", "1a", "a b", "a\r\nb", "é", &"a".repeat(33)] {
            let refused = access.set_user(name, Role::Viewer, hash());
            assert_eq!(refused, Err(Unchanged::Name(name.to_owned())));
        }
        assert_eq!(access.set_user("a", Role::Viewer, None), Err(Unchanged::NoPassword));
        assert_eq!(check_password("123456789"), Err(Unchanged::Password));
        assert_eq!(check_password("1234567890"), Ok(()));
        assert_eq!(check_password(&"1".repeat(257)), Err(Unchanged::Password));
    }

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let mut access = Access::default();
        let digest = Digest::of("secret");
        access.add_token("ci", Role::Viewer, digest, String::new()).unwrap();
        assert_eq!(access.token(&digest), Some(("ci", Role::Viewer)));
        let again = access.add_token("ci", Role::Operator, digest, String::new());
        assert_eq!(again, Err(Unchanged::Taken("ci".to_owned())));
        access.remove_token("ci").unwrap();
        assert_eq!(access.token(&digest), None);
    }
}
