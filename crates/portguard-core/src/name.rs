//! Names of those who give orders, kept once each.
//!
//! An [`crate::Author`] stands in every hold, of which there may be a million, so a name is a number
//! into a table that only grows. It is written once for each name and read without a lock.

use std::sync::OnceLock;

/// How many names are told apart within one life of the process. There are a handful of users and
/// keys; beyond that they are all [`OTHERS`], so that a face gone wild can not fill the memory.
const MOST_NAMES: usize = 255;

/// Names that found no place.
const OTHERS: &str = "(others)";

/// A table of names.
pub(crate) struct Names([OnceLock<Box<str>>; MOST_NAMES]);

impl Names {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; MOST_NAMES])
    }

    /// Returns the number of a name, which gets one if it has none.
    pub(crate) fn number(&self, name: &str) -> u8 {
        let place = self.0.iter().position(|slot| **slot.get_or_init(|| name.into()) == *name);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    /// Returns the name of a number.
    pub(crate) fn name(&self, number: u8) -> &str {
        self.0.get(usize::from(number)).and_then(OnceLock::get).map_or(OTHERS, |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_table_are_the_others() {
        let names = Names::new();
        for number in 0..300 {
            let name = number.to_string();
            let expected = if number < 255 { name.as_str() } else { OTHERS };
            assert_eq!(names.name(names.number(&name)), expected);
            assert_eq!(names.number("0"), 0);
        }
    }
}
