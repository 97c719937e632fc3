//! The names of what a filter's groups find, numbered, with those that mean something to the filter.

use std::{collections::BTreeMap, sync::Arc};

/// What a group does with what it matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Says it.
    Plain,
    /// Says it if nobody else does (`<F-ALT_NAME>`).
    Instead,
    /// Adds it to what others say (`<F-TUPLE_NAME>`).
    Added,
}

/// The numbers of the names that mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) session: u16,
    pub(super) gained: u16,
    pub(super) forget: u16,
    pub(super) spared: u16,
    pub(super) content: u16,
    pub(super) user: u16,
    pub(super) id: u16,
    pub(super) v4: u16,
    pub(super) v6: u16,
    pub(super) length: u16,
    pub(super) host: u16,
}

/// The names of a filter, as they come up.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: BTreeMap<String, u16>,
}

impl Names {
    /// Returns the number of a name.
    pub(super) fn number(&mut self, name: &str) -> u16 {
        let next = u16::try_from(self.numbers.len()).unwrap_or(u16::MAX);
        *self.numbers.entry(name.to_owned()).or_insert(next)
    }

    /// Returns what a group finds, and what it does with it.
    pub(super) fn of_group(&mut self, group: &str) -> (Role, u16) {
        let plain = group.strip_prefix("alt_").map(|rest| (Role::Instead, rest));
        let plain = plain.or_else(|| group.strip_prefix("tuple_").map(|rest| (Role::Added, rest)));
        match plain {
            Some((role, rest)) => (role, self.number(whole_name(rest))),
            None => (Role::Plain, self.number(group)),
        }
    }

    pub(super) fn marks(&mut self) -> Marks {
        Marks {
            session: self.number("mlfid"),
            gained: self.number("mlfgained"),
            forget: self.number("mlfforget"),
            spared: self.number("nofail"),
            content: self.number("content"),
            user: self.number("user"),
            id: self.number("fid"),
            v4: self.number("ip4"),
            v6: self.number("ip6"),
            length: self.number("cidr"),
            host: self.number("dns"),
        }
    }

    /// Returns all of them, by number.
    pub(super) fn all(self) -> Arc<[String]> {
        let mut all: Vec<_> = self.numbers.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(name, _)| name).collect()
    }
}

/// Returns the name that is meant by one with a number behind (`user_2`).
fn whole_name(name: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = name.rsplit_once('_').filter(|(_, number)| is_number(number));
    match numbered.map_or(name, |(plain, _)| plain) {
        "id" => "fid",
        "port" => "fport",
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_in_for_others() {
        let mut names = Names::default();
        let user = names.number("user");
        let id = names.marks().id;
        assert_eq!(names.of_group("user"), (Role::Plain, user));
        assert_eq!(names.of_group("alt_user_2"), (Role::Instead, user));
        assert_eq!(names.of_group("tuple_id"), (Role::Added, id));
        assert_eq!(names.all()[usize::from(user)], "user");
    }
}
