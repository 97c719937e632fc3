//! Port Trap's allow patterns, matched against the whole written address.
//!
//! A pattern is a regular expression written by people who think in wildcards: `12.34.56.*`,
//! `34.56.78.[2-9]`, `2a03:*:*:*::*`, `1\.2\.3\.[0-9]{1,3}`. Read as a bare regular expression
//! the first one would allow `12.345.6.7` too; an allow list must not be wider than it looks, so
//! the two habits are told apart by what stands beside a dot or star.

use std::{fmt, net::IpAddr, str::FromStr};

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

/// Longest pattern, in bytes; the longest written address has 45.
const LONGEST_PATTERN: usize = 256;

/// Most memory that one compiled pattern may take, in bytes.
const COMPILED_SIZE_LIMIT: usize = 1 << 20;

/// One allow pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    compiled: Regex,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing was written.
    #[error("an empty pattern matches no address")]
    Empty,
    /// It is longer than any sensible pattern.
    #[error("a pattern has at most {LONGEST_PATTERN} characters")]
    TooLong,
    /// A mask such as `/24` belongs into the list of addresses.
    #[error("`{0}` has a mask; a network goes into `allow.addresses`")]
    Mask(String),
    /// It is no regular expression.
    #[error("`{pattern}` is no pattern: {why}")]
    Unreadable {
        /// The pattern as written.
        pattern: String,
        /// What the regular expression compiler says, in one line.
        why: String,
    },
}

impl Pattern {
    /// Returns whether the address, written in its canonical form, matches as a whole.
    pub fn matches(&self, address: IpAddr) -> bool {
        self.compiled.is_match(address.to_canonical().to_string().as_bytes())
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let written = text.trim();
        if written.is_empty() {
            return Err(PatternError::Empty);
        }
        if written.len() > LONGEST_PATTERN {
            return Err(PatternError::TooLong);
        }
        if written.contains('/') {
            return Err(PatternError::Mask(written.to_owned()));
        }
        let unreadable =
            |why: String| PatternError::Unreadable { pattern: written.to_owned(), why };
        // The pattern must be sound by itself: `a)(b` would close the group put around it.
        regex_of(written).map_err(unreadable)?;
        let compiled = regex_of(&format!("^(?:{})$", translate(written))).map_err(unreadable)?;
        Ok(Self { written: written.to_owned(), compiled })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn regex_of(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(COMPILED_SIZE_LIMIT)
        .build()
        .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())
}

/// Returns the regular expression that the wildcards and dots of `written` stand for.
///
/// * `:*` and a leading `*`: any run of hexadecimal digits and colons, after the colon.
/// * `.*` behind anything but an escaped dot: a dot, then anything (`12.34.56.*`).
/// * A dot with no quantifier behind it: a dot.
/// * All else as in a regular expression.
fn translate(written: &str) -> String {
    let bytes: Vec<char> = written.chars().collect();
    let mut out = String::new();
    let mut in_class = false;
    let mut index = 0;
    while index < bytes.len() {
        let (here, next) = (bytes[index], bytes.get(index + 1).copied());
        let used = match (in_class, here, next) {
            (_, '\\', Some(escaped)) => {
                out.extend(['\\', escaped]);
                2
            }
            (true, ']', _) => {
                in_class = false;
                out.push(']');
                1
            }
            (false, '[', _) => {
                in_class = true;
                out.push('[');
                1
            }
            (false, ':', Some('*')) => {
                out.push_str(":[0-9a-f:.]*");
                2
            }
            (false, '*', _) if index == 0 => {
                out.push_str("[0-9a-f:.]*");
                1
            }
            (false, '.', Some('*' | '+')) if !starts_or_follows_escaped_dot(&bytes, index) => {
                out.push_str("\\.[0-9a-f:.]*");
                2
            }
            (false, '.', next) if !matches!(next, Some('*' | '+' | '?' | '{')) => {
                out.push_str("\\.");
                1
            }
            (_, other, _) => {
                out.push(other);
                1
            }
        };
        index += used;
    }
    out
}

fn starts_or_follows_escaped_dot(text: &[char], index: usize) -> bool {
    match index {
        0 => true,
        1 => matches!(text[0], '(' | '|' | '^'),
        _ => {
            matches!(text[index - 1], '(' | '|' | '^' | ':')
                || (text[index - 1] == '.' && text[index - 2] == '\\')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let read: Pattern = pattern.parse().unwrap();
        for (addresses, expect) in [(matching, true), (others, false)] {
            for address in addresses {
                assert_eq!(read.matches(address.parse().unwrap()), expect, "{pattern} {address}");
            }
        }
    }

    #[test]
    fn port_traps_own_examples_match_as_they_look() {
        check("12.34.56.*", &["12.34.56.1", "12.34.56.255"], &["12.34.57.1", "112.34.56.1"]);
        check("34.56.78.[2-9]", &["34.56.78.2"], &["34.56.78.1", "34.56.78.22"]);
        check("78.56.*.*", &["78.56.1.2"], &["78.57.1.2", "178.56.1.2"]);
        check(r"1\.2\.3\.[0-9]{1,3}", &["1.2.3.4", "1.2.3.255"], &["11.2.3.4", "1.2.30.4"]);
        check("2a03:*:*:*::*", &["2a03:1:2:3::4"], &["2a04:1:2:3::4", "12.34.56.7"]);
    }

    #[test]
    fn a_dot_is_a_dot_and_no_pattern_is_wider_than_it_looks() {
        check("12.3.4.*", &["12.3.4.5"], &["12.3.45.6", "12.30.4.5"]);
        check("1.2.3.4", &["1.2.3.4"], &["1.2.3.41", "11.2.3.4", "1.213.4.5"]);
    }

    #[test]
    fn regular_expressions_keep_their_meaning() {
        check(r"10\..*", &["10.1.2.3"], &["110.1.2.3", "100.1.2.3"]);
        check(r"(10|11)\.0\.0\.\d+", &["10.0.0.9", "11.0.0.9"], &["12.0.0.9"]);
        check(".*", &["192.0.2.7", "2001:db8::1"], &[]);
        check("2001:DB8:.*", &["2001:db8::1"], &["2001:db9::1"]);
        check("^192.0.2.7$", &["192.0.2.7"], &["192.0.2.71"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_name() {
        for (text, expect) in [
            ("", "an empty pattern matches no address"),
            ("10.0.0.0/8", "`10.0.0.0/8` has a mask; a network goes into `allow.addresses`"),
            ("1.2.3.[4", "`1.2.3.[4` is no pattern: error: unclosed character class"),
            ("a)(b", "`a)(b` is no pattern: error: unopened group"),
        ] {
            assert_eq!(text.parse::<Pattern>().unwrap_err().to_string(), expect);
        }
    }
}
