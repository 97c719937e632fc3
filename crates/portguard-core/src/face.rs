//! Names of a face's users: who gave an order through the web face.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::name::Names;

/// Longest name, in bytes: it fits a line of the journal.
const LONGEST_NAME: usize = 64;

static NAMES: Names = Names::new();

/// A user of a face, by the name that the face asserts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceUser(u8);

/// A text that is no name of a face's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a name has 1 to {LONGEST_NAME} letters, digits and signs of ASCII, and no spaces")]
pub struct FaceUserError;

impl FaceUser {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        NAMES.name(self.0)
    }
}

impl FromStr for FaceUser {
    type Err = FaceUserError;

    fn from_str(name: &str) -> Result<Self, FaceUserError> {
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            return Err(FaceUserError);
        }
        Ok(Self(NAMES.number(name)))
    }
}

impl fmt::Display for FaceUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for FaceUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaceUser({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_is_one_user() {
        let alice: FaceUser = "alice".parse().unwrap();
        let bob: FaceUser = "bob@example.net".parse().unwrap();
        assert_eq!((alice.name(), bob.name()), ("alice", "bob@example.net"));
        assert_eq!("alice".parse(), Ok(alice));
        assert_ne!(alice, bob);
        assert_eq!(size_of::<crate::Author>(), 8);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "a b", "a\n", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(name.parse::<FaceUser>(), Err(FaceUserError), "{name:?}");
        }
    }
}
