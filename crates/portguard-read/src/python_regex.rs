//! Regular expressions as Python's `re` reads them, with the same meaning on lines of text.
//!
//! What is linear runs on a linear engine. Look-around, back-references and conditions backtrack,
//! with a limit on the steps: a line that exceeds it is told apart from a line that does not match.

mod translate;

use fancy_regex::{Captures, RegexBuilder};

pub use self::translate::translate;

/// How many steps of backtracking one search may take.
const MOST_STEPS: usize = 100_000;

/// How large one compiled expression may be, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    regex: fancy_regex::Regex,
    /// Names of groups with their numbers.
    groups: Vec<(usize, String)>,
}

/// Why an expression can not be used.
#[derive(Debug, thiserror::Error)]
#[error("`{python}` does not compile as `{translated}`: {why}")]
pub struct PatternError {
    /// As it was written.
    pub python: String,
    /// As the engine was given it.
    pub translated: String,
    why: Box<fancy_regex::Error>,
}

/// A search took too many steps; whether the line matches is not known.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the search took too many steps")]
pub struct TooManySteps;

/// Where an expression matched, with the groups that did.
#[derive(Debug)]
pub struct Match<'t> {
    captures: Captures<'t, str>,
}

impl Pattern {
    /// Compiles an expression. With `lines`, `^` and `$` match at every line of a text, otherwise
    /// at its beginning, and at its end or before the line end that it ends with.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(python: &str, lines: bool) -> Result<Self, PatternError> {
        let translated = translate(python, lines);
        let regex = RegexBuilder::new(&translated)
            .backtrack_limit(MOST_STEPS)
            .delegate_size_limit(MOST_BYTES)
            .build()
            .map_err(|why| PatternError {
                python: python.to_owned(),
                translated,
                why: Box::new(why),
            })?;
        let named = |(number, name): (usize, Option<&str>)| Some((number, name?.to_owned()));
        let groups = regex.capture_names().enumerate().filter_map(named).collect();
        Ok(Self { regex, groups })
    }

    /// Returns the first match in a text that ends with a line end.
    ///
    /// # Errors
    /// When the search takes too long.
    pub fn search<'t>(&self, text: &'t str) -> Result<Option<Match<'t>>, TooManySteps> {
        let found = self.regex.captures(text).map_err(|_| TooManySteps)?;
        Ok(found.map(|captures| Match { captures }))
    }

    /// Returns whether a text that ends with a line end matches.
    ///
    /// # Errors
    /// When the search takes too long.
    pub fn matches(&self, text: &str) -> Result<bool, TooManySteps> {
        self.regex.is_match(text).map_err(|_| TooManySteps)
    }

    /// Returns the names of the groups with their numbers.
    pub fn groups(&self) -> &[(usize, String)] {
        &self.groups
    }
}

impl<'t> Match<'t> {
    /// Returns what a group matched.
    pub fn group(&self, number: usize) -> Option<&'t str> {
        self.captures.get(number).map(|found| found.as_str())
    }

    /// Returns where a group begins and ends.
    pub fn span(&self, number: usize) -> Option<(usize, usize)> {
        self.captures.get(number).map(|found| (found.start(), found.end()))
    }
}
