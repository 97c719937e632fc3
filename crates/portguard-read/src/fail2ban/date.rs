//! The time of a line: found by the templates of a `datepattern`, or by the built-in ones.
//!
//! Templates that hold a line's beginning are tried first, in their order; among the others the
//! match that begins first wins. The last template that matched is tried before all of its kind.

mod field;
mod template;

use jiff::{Timestamp, tz::TimeZone};

use crate::python_regex::{PatternError, Search};

use self::template::Template;

/// The built-in forms of times, those seen most often first.
const BUILT_IN: [&str; 17] = [
    // 2026-11-20T10:11:12.345+01:00
    r"%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?",
    // Fri Nov 20 10:11:12.345 2026, as the system log has it
    r"(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
    // Fri Nov 20 2026 10:11:12
    r"(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?",
    // 20/11/2026 10:11:12
    r"%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S",
    // 20/Nov/2026:10:11:12 +0100, as web servers have it
    r"%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?",
    // 11/20/2026:10:11:12
    r"%m/%d/%ExY:%H:%M:%S",
    // 11-20-2026 10:11:12
    r"%m-%d-%ExY %k:%M:%S(?:\.%f)?",
    "EPOCH",
    r"{^LN-BEG}%H:%M:%S",
    // <11/20/26@10:11:12>
    r"^<%m/%d/%Exy@%H:%M:%S>",
    // 261120 10:11:12
    r"%Exy%Exm%Exd  ?%H:%M:%S",
    // Nov 20, 2026 10:11:12 AM
    r"%b %d, %ExY %I:%M:%S %p",
    // Nov-20-26 10:11:12
    r"^%b-%d-%Exy %k:%M:%S",
    // 20261120T101112
    r"%ExY%Exm%Exd(?:T|  ?)%ExH%ExM%ExS(?:[.,]%f)?(?:\s*%z)?",
    // CET Fri Nov 20 10:11:12
    r"(?:%Z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
    // +01:00 Nov 20 10:11:12
    r"(?:%z )?(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?",
    "TAI64N",
];

/// Holds a template to the beginning of a line.
const AT_LINE: &str = "{^LN-BEG}";

/// Stands for all built-in forms.
const DEFAULT: &str = "{DEFAULT}";

/// Stands for any of the built-in forms.
const ANY: &str = "{DATE}";

/// Finds the times of lines.
#[derive(Debug)]
pub struct DateFinder {
    /// Those that hold a line's beginning or end, then the others.
    templates: Vec<Template>,
    last: Option<usize>,
    /// Whether all templates are built-in ones.
    is_built_in: bool,
    /// The time that the last line began with, if it can end nowhere else.
    settled: Option<(String, DateFound)>,
    search: Search,
}

/// What a line is read with.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The present, in seconds since 1970: what a line's time is completed with.
    pub now: i64,
    /// The zone of times that name none.
    pub zone: TimeZone,
}

/// The part of a line that is its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateFound {
    /// Where it begins.
    pub start: usize,
    /// Where it ends; where it begins if the line may have none.
    pub end: usize,
    /// In seconds since 1970; `None` if it is no possible time.
    pub at: Option<i64>,
}

impl DateFinder {
    /// Makes a finder for the lines of a `datepattern`; for all built-in forms if there is none.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    pub fn new(pattern: Option<&str>) -> Result<Self, PatternError> {
        let lines = pattern.unwrap_or_default().lines().map(str::trim);
        let mut forms: Vec<String> =
            lines.filter(|line| !line.is_empty()).flat_map(forms_of).collect();
        if forms.is_empty() {
            forms = [at_line_beginning(), BUILT_IN.map(str::to_owned).into()].concat();
        }
        let is_built_in = |line: &str| matches!(line, AT_LINE | DEFAULT);
        let is_built_in = pattern.unwrap_or_default().lines().map(str::trim).all(is_built_in);
        let mut seen = std::collections::BTreeSet::new();
        forms.retain(|form| seen.insert(form.clone()));
        let compiled =
            forms.iter().map(|form| Template::new(form)).collect::<Result<Vec<_>, _>>()?;
        let (held, free): (Vec<_>, Vec<_>) =
            compiled.into_iter().partition(|template| template.is_held);
        let templates = held.into_iter().chain(free).collect();
        Ok(Self { templates, last: None, is_built_in, settled: None, search: Search::default() })
    }

    /// Returns the time of a line if it begins with the same as the last one.
    pub(crate) fn settled(&self, line: &str) -> Option<DateFound> {
        let (text, found) = self.settled.as_ref()?;
        let rest = line.strip_prefix(text.as_str())?;
        is_settled(rest.as_bytes()).then_some(*found)
    }

    /// Returns the time of a line, which ends with a line end.
    pub fn find(&mut self, line: &str, clock: &Clock) -> Option<DateFound> {
        if let Some(found) = self.settled(line) {
            return Some(found);
        }
        let order = self.last.into_iter().chain(0..self.templates.len());
        let mut best: Option<(usize, DateFound)> = None;
        for index in order {
            let template = &self.templates[index];
            let Some(found) = template.find(line, clock, &mut self.search) else { continue };
            if template.is_held {
                best = Some((index, found));
                break;
            }
            if best.is_none_or(|(_, before)| found.start < before.start) {
                best = Some((index, found));
            }
        }
        let (index, found) = best?;
        let is_held = self.templates[index].is_held;
        self.last = is_held.then_some(index);
        let is_first = self.is_built_in && is_held && found.start == 0;
        if is_first && is_settled(&line.as_bytes()[found.end..]) {
            self.settled = Some((line[..found.end].to_owned(), found));
        }
        Some(found)
    }
}

/// Returns whether no built-in form of time goes on with this behind it: years, zones and fractions
/// begin with something else.
fn is_settled(rest: &[u8]) -> bool {
    matches!(rest, [b' ', letter, ..] if letter.is_ascii_lowercase())
}

/// Returns the templates that one line of a `datepattern` stands for.
fn forms_of(line: &str) -> Vec<String> {
    match line {
        AT_LINE => {
            let held = BUILT_IN.iter().filter(|form| form.starts_with('^'));
            [at_line_beginning(), held.map(|form| (*form).to_owned()).collect()].concat()
        }
        DEFAULT => [at_line_beginning(), BUILT_IN.map(str::to_owned).into()].concat(),
        "{NONE}" => vec!["{UNB}^".to_owned()],
        _ => {
            let place = line.to_uppercase().find(ANY).filter(|at| !line[..*at].ends_with('\\'));
            let Some(at) = place else { return vec![line.to_owned()] };
            let (before, behind) = (&line[..at], &line[at + ANY.len()..]);
            let inside = BUILT_IN.iter().filter(|form| form.contains('%'));
            inside
                .map(|form| {
                    let form = form.strip_prefix(AT_LINE).unwrap_or(form);
                    format!("{before}{}{behind}", form.trim_start_matches('^'))
                })
                .collect()
        }
    }
}

/// Returns the built-in forms, held to the beginning of a line.
fn at_line_beginning() -> Vec<String> {
    let free = BUILT_IN.iter().filter(|form| !form.starts_with('^'));
    free.map(|form| format!("{AT_LINE}{}", form.strip_prefix(AT_LINE).unwrap_or(form))).collect()
}

impl Clock {
    /// Returns the present as a moment.
    fn moment(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon of 14 August 2026 in Berlin.
    const NOW: i64 = 1_786_701_600;

    fn clock() -> Clock {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        Clock { now: NOW, zone }
    }

    fn found(pattern: Option<&str>, line: &str) -> Option<(String, String)> {
        let line = format!("{line}\n");
        let found = DateFinder::new(pattern).unwrap().find(&line, &clock())?;
        let at = found
            .at
            .map_or("no time".to_owned(), |at| Timestamp::from_second(at).unwrap().to_string());
        Some((line[found.start..found.end].to_owned(), at))
    }

    fn check(pattern: Option<&str>, line: &str, text: &str, at: &str) {
        assert_eq!(found(pattern, line), Some((text.to_owned(), at.to_owned())), "{line}");
    }

    #[test]
    fn built_in_forms_are_found() {
        for (line, text, at) in [
            ("Aug 14 11:59:59 host x", "Aug 14 11:59:59", "2026-08-14T09:59:59Z"),
            (
                "Fri Aug 14 11:59:59.123 2026 x",
                "Fri Aug 14 11:59:59.123 2026",
                "2026-08-14T09:59:59Z",
            ),
            ("Aug  4 11:59:59 host", "Aug  4 11:59:59", "2026-08-04T09:59:59Z"),
            ("2026-08-14T11:59:59.5Z x", "2026-08-14T11:59:59.5Z", "2026-08-14T11:59:59Z"),
            ("[2026-08-14 11:59:59 +0530] x", "2026-08-14 11:59:59 +0530", "2026-08-14T06:29:59Z"),
            (
                "1.2.3.4 - - [14/Aug/2026:11:59:59 -0100] x",
                "14/Aug/2026:11:59:59 -0100",
                "2026-08-14T12:59:59Z",
            ),
            ("1786701599 x", "1786701599", "2026-08-14T09:59:59Z"),
            ("260814 11:59:59 x", "260814 11:59:59", "2026-08-14T09:59:59Z"),
            ("11:59:59 x", "11:59:59", "2026-08-14T09:59:59Z"),
            ("Aug 14, 2026 11:59:59 PM x", "Aug 14, 2026 11:59:59 PM", "2026-08-14T21:59:59Z"),
            ("20260814T115959 x", "20260814T115959", "2026-08-14T09:59:59Z"),
            ("<08/14/26@11:59:59> x", "<08/14/26@11:59:59>", "2026-08-14T09:59:59Z"),
        ] {
            check(None, line, text, at);
        }
        assert_eq!(found(None, "nothing 12:30 here"), None);
    }

    #[test]
    fn a_year_or_a_day_that_is_missing_is_the_latest_that_is_not_in_the_future() {
        check(None, "Dec 24 11:59:59 host x", "Dec 24 11:59:59", "2025-12-24T10:59:59Z");
        check(None, "Aug 15 11:00:00 host x", "Aug 15 11:00:00", "2026-08-15T09:00:00Z");
        check(None, "13:59:59 x", "13:59:59", "2026-08-13T11:59:59Z");
    }

    #[test]
    fn patterns_say_where_the_time_stands() {
        let here = Some(r"^[^\[]*\[({DATE})");
        check(here, "x [2026-08-14 11:59:59] y", "2026-08-14 11:59:59", "2026-08-14T09:59:59Z");
        let own = Some(r"^t=%Y-%m-%dT%H:%M:%S%z");
        check(
            own,
            "t=2026-08-14T11:59:59+0000 x",
            "t=2026-08-14T11:59:59+0000",
            "2026-08-14T11:59:59Z",
        );
        assert_eq!(found(Some(AT_LINE), "x Aug 14 11:59:59 y"), None);
        check(Some("{NONE}"), "Aug 14 11:59:59 y", "", "no time");
    }

    #[test]
    fn impossible_times_are_no_times() {
        check(None, "Feb 30 11:59:59 host x", "Feb 30 11:59:59", "no time");
    }
}
