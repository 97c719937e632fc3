//! Regular expressions as Python's `re` reads them, with the same meaning on lines of text.
//!
//! What is linear runs on a linear engine. Look-around, back-references and conditions backtrack,
//! with a limit on the steps: a line that exceeds it is told apart from a line that does not match.

mod program;
mod run;
mod set;
mod translate;

use std::sync::OnceLock;

use fancy_regex::RegexBuilder;
use memchr::memmem::Finder;

use crate::sieve::{Texts, longest};

use self::{
    program::Program,
    run::{NOWHERE, Room},
};

pub use self::translate::translate;

/// How many steps of backtracking one search may take.
const MOST_STEPS: usize = 100_000;

/// How large one compiled expression may be, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// A text of this length is looked for faster than an expression is tried that begins like it.
const LONG: usize = 12;

/// A compiled expression.
#[derive(Debug)]
pub struct Pattern {
    translated: String,
    /// Reads ASCII text, if the expression is of a kind that it can.
    program: Option<Program>,
    /// Lists of texts: each match contains one of every list.
    texts: Vec<Texts>,
    /// What every match of the program contains one of, if it is worth to look for that first.
    needed: Vec<Finder<'static>>,
    /// Reads any text; compiled when it is first asked.
    engine: OnceLock<Option<Box<fancy_regex::Regex>>>,
    /// Names of groups with their numbers.
    groups: Vec<(usize, String)>,
    /// The groups that every match has, and that are never empty.
    sure: Vec<usize>,
}

/// Room for searches, and the groups of the last match.
#[derive(Debug, Default)]
pub struct Search {
    room: Room,
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

impl Pattern {
    /// Compiles an expression. With `lines`, `^` and `$` match at every line of a text, otherwise
    /// at its beginning, and at its end or before the line end that it ends with.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(python: &str, lines: bool) -> Result<Self, PatternError> {
        let translated = translate(python, lines);
        let told = |why| PatternError {
            python: python.to_owned(),
            translated: translated.clone(),
            why: Box::new(why),
        };
        let tree = fancy_regex::Expr::parse_tree(&translated).map_err(told)?;
        let named = tree.named_groups.iter();
        let each = |(name, numbers): (&String, &Vec<usize>)| {
            numbers.iter().map(|number| (*number, name.clone())).collect::<Vec<_>>()
        };
        let mut groups: Vec<(usize, String)> = named.flat_map(each).collect();
        groups.sort_unstable();
        let program = Program::new(&tree.expr);
        let engine = OnceLock::new();
        if program.is_none() {
            let regex = engine_of(&translated).map_err(told)?;
            // It was just made.
            let _ = engine.set(Some(Box::new(regex)));
        }
        let texts = program::each_needed(&tree.expr);
        let is_long = |needed: &Texts| matches!(&needed[..], [one] if one.len() >= LONG);
        let needed = program.as_ref().and_then(|program| {
            longest(texts.clone()).filter(|needed| !program.is_held || is_long(needed))
        });
        let texts = [texts, program::each_spelled(&tree.expr)].concat();
        let finders = needed.iter().flatten().map(|text| Finder::new(text).into_owned());
        let needed = finders.collect();
        let sure = program::sure_groups(&tree.expr);
        Ok(Self { translated, program, texts, needed, engine, groups, sure })
    }

    /// Searches for the first match in a text that ends with a line end; its groups are in `search`
    /// then.
    ///
    /// # Errors
    /// When the search takes too long.
    pub fn search(&self, text: &str, search: &mut Search) -> Result<bool, TooManySteps> {
        self.search_known(text, text.is_ascii(), search)
    }

    /// The same for a text of which is known whether it is ASCII.
    pub(crate) fn search_known(
        &self,
        text: &str,
        is_ascii: bool,
        search: &mut Search,
    ) -> Result<bool, TooManySteps> {
        match &self.program {
            Some(program) if is_ascii => {
                let has = |finder: &Finder<'_>| finder.find(text.as_bytes()).is_some();
                if !self.needed.is_empty() && !self.needed.iter().any(has) {
                    return Ok(false);
                }
                program.search(text.as_bytes(), &mut search.room)
            }
            _ => self.search_any(text, search),
        }
    }

    /// The same by an engine that reads any letters, and against which programs are tested.
    ///
    /// # Errors
    /// When the search takes too long.
    pub fn search_any(&self, text: &str, search: &mut Search) -> Result<bool, TooManySteps> {
        let engine = || engine_of(&self.translated).ok().map(Box::new);
        // What its parser and ours can read, its compiler can too, unless it grows too large.
        let engine = self.engine.get_or_init(engine).as_ref().ok_or(TooManySteps)?;
        let slots = &mut search.room.slots;
        slots.clear();
        let Some(found) = engine.captures(text).map_err(|_| TooManySteps)? else {
            return Ok(false);
        };
        for group in found.iter() {
            let (start, end) = group.map_or((NOWHERE, NOWHERE), |at| (at.start(), at.end()));
            slots.extend([start, end]);
        }
        Ok(true)
    }

    /// Returns the names of the groups with their numbers.
    pub fn groups(&self) -> &[(usize, String)] {
        &self.groups
    }

    /// Returns whether every match has a group, with something in it.
    pub(crate) fn always_has(&self, group: usize) -> bool {
        self.sure.contains(&group)
    }

    /// Returns whether a text of ASCII that begins with this byte may match.
    pub fn begins_with(&self, byte: u8) -> bool {
        let begins = self.program.as_ref().filter(|program| program.is_held);
        begins.and_then(|program| program.begins).is_none_or(|set| set.has(byte))
    }

    /// Returns lists of texts: each match contains one of every list.
    pub(crate) fn needed(&self) -> &[Texts] {
        &self.texts
    }
}

fn engine_of(translated: &str) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    RegexBuilder::new(translated)
        .backtrack_limit(MOST_STEPS)
        .delegate_size_limit(MOST_BYTES)
        .build()
}

impl Search {
    /// Returns where a group of the last match begins and ends; 0 is the whole match.
    #[inline]
    pub fn span(&self, number: usize) -> Option<(usize, usize)> {
        let slots = &self.room.slots;
        let (start, end) = (*slots.get(2 * number)?, *slots.get(2 * number + 1)?);
        (start != NOWHERE && end != NOWHERE).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Kinds of expressions that filters have.
    const PATTERNS: [&str; 16] = [
        r"^User (?P<user>\S+|.*?) from (?P<ip4>(?:\d{1,3}\.){3}\d{1,3})(?: (?:port \d+|on \S+)){0,3}\s*$",
        r"^(?:a|ab)(?P<x>b*?)c?(?P<y>.*)$",
        r"(?P<x>user|port)=?(?P<y>\S*) from",
        r"^(?P<c>invalid )?(?P<u>(?P<d>\S+)|(?(c)(?:(?! from ).)*?|[^:]+)) from (?P<a>\S+)(?(d): |$)",
        r"(?<=from )(?P<a>[\w.]+)\b",
        r"(?i)^USER\s+(?P<u>\w+)$",
        r"^(?P<q>['a]).*?(?P=q)",
        r"^\s*(?:\S+\s+)?(?P<x>.+?)\s*$",
        r"(?P<x>\d+)(?!\d*\.)",
        r"^(?:(?P<x>a)|(?P<y>b))*(?P<z>.)",
        r"(?P<dns>[\w\-.^_]*\w) port",
        r"^\[?(?P<x>[0-9a-f:.]+)\]?:? ",
        r"from(?P<x>.*)from(?P<y>.*)$",
        r"(?:user|from|port){2,3} (?P<x>.)",
        r"^a?a?a?(?P<x>a{2,3}?)$",
        r"\b(?P<x>1)\B",
    ];

    fn text() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "User ", "user", "a", "ab", "b", "c", " from ", "from", "1.2.3.4", " port ", "port",
            "22", ": ", "=", "'", " ", "invalid ", "[", "]", "é", ".", "on x", "\t",
        ]);
        prop::collection::vec(word, 0..12).prop_map(|words| words.concat() + "\n")
    }

    fn spans(
        pattern: &Pattern,
        search: &Search,
        found: bool,
    ) -> Option<Vec<Option<(usize, usize)>>> {
        let numbers = std::iter::once(0).chain(pattern.groups().iter().map(|(number, _)| *number));
        found.then(|| numbers.map(|number| search.span(number)).collect())
    }

    #[test]
    fn these_patterns_are_programs() {
        for python in PATTERNS {
            let is_loop_of_groups = python.contains("(?P<y>b))*");
            let pattern = Pattern::new(python, false).unwrap();
            assert!(pattern.program.is_some() || is_loop_of_groups, "{python}");
        }
    }

    #[test]
    fn classes_of_few_letters_are_spelled_out() {
        let pattern = Pattern::new(r"^\s[+-]\d{4} \S+ \d{3}0[1-9] x?(?i:k)[ab]", false).unwrap();
        let texts: Texts = (1..=9).map(|number| format!("0{number} ").into()).collect();
        assert!(pattern.needed().contains(&texts), "{:?}", pattern.needed());
        // The sign of Kelvin is a `k` too.
        let has_k = |text: &Vec<u8>| text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'k'));
        assert!(!pattern.needed().concat().iter().any(has_k));
    }

    #[test]
    fn groups_that_every_match_has_are_known() {
        let python =
            r"^(?P<a>x(?P<b>y*)(?P<c>z))(?P<d>w)?(?:(?P<e>v)|u)(?:(?P<f>t)){1,2}(?P<g>s|r)$";
        let pattern = Pattern::new(python, false).unwrap();
        let known = pattern.groups().iter().filter(|(number, _)| pattern.always_has(*number));
        let known: String = known.map(|(_, name)| name.as_str()).collect();
        assert_eq!(known, "acfg");
    }

    proptest! {
        #[test]
        fn programs_find_what_the_engine_finds(text in text()) {
            for python in PATTERNS {
                let pattern = Pattern::new(python, false).unwrap();
                let mut search = Search::default();
                let found = pattern.search(&text, &mut search).unwrap();
                let by_program = spans(&pattern, &search, found);
                let found = pattern.search_any(&text, &mut search).unwrap();
                let by_engine = spans(&pattern, &search, found);
                prop_assert_eq!(&by_program, &by_engine, "{} on {:?}", python, text);
                let has = |one: &Vec<u8>| memchr::memmem::find(text.as_bytes(), one).is_some();
                let has_all = pattern.needed().iter().all(|texts| texts.iter().any(has));
                prop_assert!(by_engine.is_none() || has_all, "{} on {:?}", python, text);
            }
        }
    }
}
