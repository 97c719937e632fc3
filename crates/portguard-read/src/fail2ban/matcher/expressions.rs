//! The expressions of a filter, and what they say of a text.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    fail2ban::{Filter, pattern::expand},
    fields::Fields,
    python_regex::{Pattern, PatternError, Search, TooManySteps},
};

use super::{
    names::{Marks, Names, Role},
    session::Sessions,
};

/// The expressions of a filter.
#[derive(Debug)]
pub(super) struct Expressions {
    pub(super) prefix: Option<Expression>,
    pub(super) failures: Vec<Expression>,
    ignored: Vec<Expression>,
    /// Which failures can begin with each byte of ASCII; the last are those of all other texts.
    beginning: Vec<Candidates>,
    pub(super) marks: Marks,
    pub(super) names: Arc<[String]>,
}

/// One expression.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) pattern: Pattern,
    /// What each group finds. Those that stand in for others come last, by their names.
    groups: Vec<(usize, Role, u16)>,
    /// The groups of lines that are skipped.
    skipped: Vec<usize>,
}

/// Expressions that are tried one after the other.
#[derive(Debug)]
struct Candidates {
    numbers: Vec<u16>,
    /// From here on, whichever matches only ends its session, without a failure: it says nothing
    /// where there is no session.
    endings: usize,
}

/// What the expressions say of a text.
pub(super) enum Found {
    Failure,
    Ignored,
    Nothing,
}

impl Expressions {
    pub(super) fn new(filter: &Filter) -> Result<Self, PatternError> {
        let together = filter.maxlines > 1;
        let with_hosts = filter.usedns.as_deref() != Some("no");
        let mut names = Names::default();
        let marks = names.marks();
        let mut compile = |regex: &String| {
            let pattern = Pattern::new(&expand(regex, with_hosts), together)?;
            Ok(Expression::new(pattern, &mut names))
        };
        let mut all =
            |regexes: &[String]| regexes.iter().map(&mut compile).collect::<Result<Vec<_>, _>>();
        let (failures, ignored) = (all(&filter.failregex)?, all(&filter.ignoreregex)?);
        let prefix = filter.prefregex.as_ref().map(&mut compile).transpose()?;
        // An ending that is ignored, or that takes lines away with it, says more.
        let may_skip = prefix.is_some() && ignored.is_empty() && !together;
        let is_ending = |one: &Expression| may_skip && one.is_ending(&marks);
        Ok(Self {
            beginning: beginning(&failures, &is_ending),
            prefix,
            failures,
            ignored,
            marks,
            names: names.all(),
        })
    }

    /// Returns what a text is, and puts what its groups are among what is known. `lines` are those
    /// that are looked at together.
    pub(super) fn judge(
        &self,
        whole: &str,
        (known, sessions): (&mut Fields, &Sessions),
        lines: Option<&mut VecDeque<String>>,
        search: &mut Search,
    ) -> Result<Found, TooManySteps> {
        let is_ascii = whole.is_ascii();
        if self.ignored.len() + 2 < self.failures.len() && self.is_ignored(whole, search)? {
            return Ok(Found::Ignored);
        }
        let content;
        let mut text = whole;
        if let Some(prefix) = &self.prefix {
            if !prefix.pattern.search_known(whole, is_ascii, search)? {
                return Ok(Found::Nothing);
            }
            prefix.put_groups_but(Some(self.marks.content), whole, known, search);
            let rest = prefix.span_of(self.marks.content, search).filter(|(from, to)| from < to);
            if let Some((from, to)) = rest {
                // The content mostly ends where its line does.
                text = if &whole[to..] == "\n" {
                    &whole[from..]
                } else {
                    content = format!("{}\n", &whole[from..to]);
                    &content
                };
            }
        }
        let Candidates { numbers, endings } = self.candidates(text, is_ascii);
        for (place, index) in numbers.iter().enumerate() {
            if place == *endings && sessions.is_unknown(known, &self.marks) {
                return Ok(Found::Nothing);
            }
            let expression = &self.failures[usize::from(*index)];
            if !expression.pattern.search_known(text, is_ascii, search)? {
                continue;
            }
            let matched = search.span(0).unwrap_or_default();
            expression.put_groups(text, known, search);
            let left = lines.is_some().then(|| expression.lines_left(search, text));
            let ignorable = if lines.is_some() { whole_lines(text, matched) } else { text };
            if self.is_ignored(ignorable, search)? {
                return Ok(Found::Ignored);
            }
            if let Some((lines, left)) = lines.zip(left) {
                *lines = left;
            }
            return Ok(Found::Failure);
        }
        Ok(Found::Nothing)
    }

    /// Returns which failures a text may be.
    fn candidates(&self, text: &str, is_ascii: bool) -> &Candidates {
        let first = text.as_bytes().first().filter(|_| is_ascii);
        &self.beginning[first.map_or(self.beginning.len() - 1, |byte| usize::from(*byte))]
    }

    fn is_ignored(&self, text: &str, search: &mut Search) -> Result<bool, TooManySteps> {
        for expression in &self.ignored {
            if expression.pattern.search(text, search)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns which expressions can begin with each byte of ASCII, and last, all.
fn beginning(failures: &[Expression], is_ending: &dyn Fn(&Expression) -> bool) -> Vec<Candidates> {
    let with = |may: &dyn Fn(&Expression) -> bool| {
        let chosen: Vec<_> = failures.iter().zip(0..).filter(|(one, _)| may(one)).collect();
        let endings = chosen.iter().rev().take_while(|(one, _)| is_ending(one)).count();
        let numbers: Vec<u16> = chosen.into_iter().map(|(_, number)| number).collect();
        Candidates { endings: numbers.len() - endings, numbers }
    };
    let of_byte = |byte: u8| with(&|one| one.pattern.begins_with(byte));
    (0..128).map(of_byte).chain([with(&|_| true)]).collect()
}

impl Expression {
    fn new(pattern: Pattern, names: &mut Names) -> Self {
        let of_group = |(number, name): &(usize, String)| {
            let (role, meant) = names.of_group(name);
            (name.clone(), (*number, role, meant))
        };
        let mut groups: Vec<_> = pattern.groups().iter().map(of_group).collect();
        groups.sort_by_key(|(name, (number, role, _))| match role {
            Role::Plain => (false, String::new(), *number),
            Role::Instead | Role::Added => (true, name.clone(), *number),
        });
        let skipped = pattern.groups().iter().filter(|(_, name)| name.starts_with("skiplines"));
        let skipped = skipped.map(|(number, _)| *number).collect();
        Self { groups: groups.into_iter().map(|(_, group)| group).collect(), pattern, skipped }
    }

    /// Returns whether whatever it matches only ends its session, without a failure.
    fn is_ending(&self, marks: &Marks) -> bool {
        let always = |mark: u16| {
            let of_mark = |(_, role, name): &&(usize, Role, u16)| {
                *name == mark && matches!(role, Role::Plain)
            };
            self.groups.iter().find(of_mark).is_some_and(|(at, ..)| self.pattern.always_has(*at))
        };
        let names_session = self.groups.iter().any(|(.., name)| *name == marks.session);
        let is_spared = always(marks.gained) || always(marks.spared);
        is_spared && always(marks.forget) && !names_session
    }

    /// Puts what the groups matched among what is known.
    fn put_groups(&self, text: &str, known: &mut Fields, search: &Search) {
        self.put_groups_but(None, text, known, search);
    }

    /// The same without what the groups of one name matched.
    fn put_groups_but(
        &self,
        left_out: Option<u16>,
        text: &str,
        known: &mut Fields,
        search: &Search,
    ) {
        for (number, role, name) in &self.groups {
            if left_out == Some(*name) {
                continue;
            }
            let Some((start, end)) = search.span(*number) else { continue };
            let value = &text[start..end];
            let before = match role {
                Role::Plain => None,
                Role::Instead | Role::Added => known.of(*name).filter(|before| !before.is_empty()),
            };
            match (role, before) {
                (_, None) => known.set(*name, value),
                (Role::Added, Some(before)) => {
                    let both = format!("{before}, {value}");
                    known.set(*name, &both);
                }
                (_, Some(_)) => {}
            }
        }
    }

    fn span_of(&self, name: u16, search: &Search) -> Option<(usize, usize)> {
        let (number, ..) = self.groups.iter().find(|(_, _, known)| *known == name)?;
        search.span(*number)
    }

    /// Returns the lines of a text that a match leaves for the next lines: those around it, and
    /// those that it skipped.
    fn lines_left(&self, search: &Search, text: &str) -> VecDeque<String> {
        let (start, end) = search.span(0).unwrap_or_default();
        let skipped: Vec<_> =
            self.skipped.iter().filter_map(|number| search.span(*number)).collect();
        let mut left = VecDeque::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let (from, to) = (at, at + line.len());
            at = to;
            let is_matched = from < end.max(start + 1) && to > start;
            let is_skipped = skipped.iter().any(|(first, last)| *first <= from && to <= *last);
            if !is_matched || is_skipped {
                left.push_back(line.to_owned());
            }
        }
        left
    }
}

/// Returns the lines that a span of a text lies in.
fn whole_lines(text: &str, (start, end): (usize, usize)) -> &str {
    let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let behind = end.max(start + 1) - 1;
    let last = text[behind..].find('\n').map_or(text.len(), |at| behind + at + 1);
    &text[first..last]
}
