//! A rule of either kind at work: line after line in, what each of them is out.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::{
    fail2ban::{Filter, date::Clock, matcher::Matcher},
    judgement::Judgement,
    python_regex::PatternError,
    rule::{Rule, RuleReader},
    sieve::{self, Sieve},
};

/// How many lines tell what the next ones are like.
const STRETCH: u64 = 1_024;

/// One in so many lines that may mean something makes it slower to look for them than to look at
/// every line (measured with our rule for sshd).
const MANY: u64 = 4;

/// A rule with what it remembers of the lines before.
#[derive(Debug)]
pub struct Reader {
    engine: Engine,
    /// Texts of which every line that may mean something contains one, if there are any.
    needed: Vec<Vec<u8>>,
    sieve: Option<Sieve>,
    /// How many lines were read lately, and how many of them were more than nothing.
    lately: (u64, u64),
    /// Whether the next lines are all looked at: most of them mean something, and a look is cheap.
    looks_at_all: bool,
    clock: Clock,
    /// How many lines are looked at together.
    together: usize,
    /// So many of the next lines may mean something, since one of those before them may.
    open: usize,
    /// The last lines that nobody looked at: their times, or they themselves, may matter to the next.
    passed: Vec<u8>,
}

#[derive(Debug)]
enum Engine {
    Own(Box<RuleReader>),
    Fail2ban(Box<Matcher>),
}

impl Reader {
    /// Makes one of our own rules ready, for times of a zone.
    pub fn of_rule(rule: Rule, zone: TimeZone) -> Self {
        let needed = rule.needed();
        let reader = RuleReader::new(rule, zone.clone());
        Self::new(Engine::Own(Box::new(reader)), needed, 1, zone)
    }

    /// Makes one of fail2ban's filters ready, for times of a zone.
    ///
    /// # Errors
    /// When one of its expressions does not compile; it is named.
    pub fn of_filter(filter: &Filter, zone: TimeZone) -> Result<Self, PatternError> {
        let matcher = Matcher::new(filter)?;
        let (needed, together) = (matcher.needed(), matcher.lines_together());
        Ok(Self::new(Engine::Fail2ban(Box::new(matcher)), needed, together, zone))
    }

    fn new(engine: Engine, needed: Vec<Vec<u8>>, together: usize, zone: TimeZone) -> Self {
        let needed = sieve::fewest(needed);
        let sieve = Sieve::new(needed.clone());
        let needed = if sieve.is_some() { needed } else { Vec::new() };
        let clock = Clock { now: 0, zone };
        let (lately, looks_at_all) = ((0, 0), false);
        let (open, passed) = (0, Vec::new());
        Self { engine, needed, sieve, lately, looks_at_all, clock, together, open, passed }
    }

    /// Takes one line, without its end, and returns what it is. `given` is its time if that is known
    /// from elsewhere, as the journal's is; `now` is the present; both in seconds since 1970.
    pub fn take(&mut self, line: &[u8], given: Option<i64>, now: i64) -> Judgement {
        let may_matter = self.sieve.as_ref().is_none_or(|sieve| sieve.find(line).is_some());
        if self.wants(may_matter) {
            return self.judge(b"", line, given, now);
        }
        self.pass(line);
        Judgement::Nothing
    }

    /// Takes a text of whole lines, hands over those that are anything but nothing, each with what
    /// it is, and returns how many lines there were.
    pub fn take_all(
        &mut self,
        text: &[u8],
        now: i64,
        hand: &mut dyn FnMut(&[u8], Judgement),
    ) -> u64 {
        let (mut lines, mut rest) = (0, text);
        while !rest.is_empty() {
            let next = || Some((0, memchr::memchr(b'\n', rest).unwrap_or(rest.len())));
            let found = match &self.sieve {
                Some(sieve) if self.open == 0 && !self.looks_at_all => sieve.line(rest),
                _ => next(),
            };
            let Some((start, end)) = found else {
                self.pass(rest.strip_suffix(b"\n").unwrap_or(rest));
                return lines + count_lines(rest);
            };
            let before = count_lines(&rest[..start]);
            lines += 1 + before;
            let line = &rest[start..end];
            let may_matter = self.open == 0
                || self.sieve.as_ref().is_none_or(|sieve| sieve.find(line).is_some());
            self.wants(may_matter);
            let judgement = self.judge(&rest[..start], line, None, now);
            let is_any = !matches!(judgement, Judgement::Nothing);
            self.saw(1 + before, is_any);
            if is_any {
                hand(line, judgement);
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        lines
    }

    /// Takes note of lines of which the last was looked at, and decides how the next are read.
    fn saw(&mut self, lines: u64, is_any: bool) {
        let (all, any) = &mut self.lately;
        (*all, *any) = (*all + lines, *any + u64::from(is_any));
        if *all >= STRETCH {
            let is_quick = matches!(&self.engine, Engine::Own(rule) if rule.is_quick());
            self.looks_at_all = is_quick && *any * MANY >= *all;
            self.lately = (0, 0);
        }
    }

    /// Returns texts of which every line that may mean something contains one; none if every line
    /// may.
    pub(crate) fn needed(&self) -> &[Vec<u8>] {
        &self.needed
    }

    /// Returns whether the next line is to be looked at whatever it contains.
    pub(crate) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Returns whether a line is to be looked at: if it may mean something, so may those that are
    /// looked at together with it.
    pub(crate) fn wants(&mut self, may_matter: bool) -> bool {
        let wants = may_matter || self.open > 0;
        self.open = if may_matter { self.together - 1 } else { self.open.saturating_sub(1) };
        wants
    }

    /// Takes note of lines that mean nothing by themselves, without the end of the last.
    pub(crate) fn pass(&mut self, lines: &[u8]) {
        if matches!(self.engine, Engine::Own(_)) {
            return;
        }
        let kept = last_lines(lines, self.together.max(2) - 1);
        if kept.len() < lines.len() || self.together <= 2 {
            self.passed.clear();
        }
        self.passed.extend_from_slice(kept);
        self.passed.push(b'\n');
        let surplus = self.passed.len() - last_lines(&self.passed, self.together.max(2)).len();
        self.passed.drain(..surplus);
    }

    /// Returns what a line is. `before` are the lines before it that nobody looked at, beside those
    /// that were passed.
    pub(crate) fn judge(
        &mut self,
        before: &[u8],
        line: &[u8],
        given: Option<i64>,
        now: i64,
    ) -> Judgement {
        self.clock.now = now;
        let matcher = match &mut self.engine {
            Engine::Own(reader) => return reader.take(line, given, now),
            Engine::Fail2ban(matcher) => matcher,
        };
        if self.passed.is_empty() {
            return matcher.take(before, &text(line), given, &self.clock);
        }
        let mut passed = std::mem::take(&mut self.passed);
        passed.extend_from_slice(before);
        let judgement = matcher.take(&passed, &text(line), given, &self.clock);
        passed.clear();
        self.passed = passed;
        judgement
    }

    /// Returns how many lines took too many steps to tell whether they match.
    pub fn too_slow(&self) -> u64 {
        match &self.engine {
            Engine::Own(reader) => reader.too_slow(),
            Engine::Fail2ban(matcher) => matcher.too_slow(),
        }
    }
}

/// Returns bytes as text; what is none is replaced.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Returns how many lines a text has.
fn count_lines(text: &[u8]) -> u64 {
    let is_open = !text.is_empty() && !text.ends_with(b"\n");
    memchr::memchr_iter(b'\n', text).count() as u64 + u64::from(is_open)
}

/// Returns the last so many of some lines.
pub(crate) fn last_lines(lines: &[u8], most: usize) -> &[u8] {
    let whole = lines.strip_suffix(b"\n").unwrap_or(lines);
    let start = memchr::memrchr_iter(b'\n', whole).nth(most - 1);
    start.map_or(lines, |end| &lines[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_are_read_as_line_after_line() {
        let rule =
            Rule::parse("about = \"\"\nfail = [\"no {addr}\"]\nok = [\"yes to {addr}\"]", &|_| {
                None
            });
        let filter = Filter {
            failregex: vec![
                r"^ no <HOST>$".into(),
                "^ yes to <F-NOFAIL>x</F-NOFAIL> <HOST>$".into(),
            ],
            maxlines: 1,
            ..Filter::default()
        };
        let text = "Aug 14 09:59:57 h x: y\nno 192.0.2.7\n\n1786701500 no 192.0.2.8\n1786701550 z\n no 192.0.2.9\r\nyes to 192.0.2.1";
        let readers = || {
            [
                Reader::of_rule(rule.as_ref().unwrap().clone(), TimeZone::UTC),
                Reader::of_filter(&filter, TimeZone::UTC).unwrap(),
            ]
        };
        for (mut one, mut other) in readers().into_iter().zip(readers()) {
            let mut all = Vec::new();
            let lines = one.take_all(text.as_bytes(), 1_786_701_600, &mut |line, judgement| {
                all.push((line.to_owned(), judgement));
            });
            let each: Vec<_> = text
                .split('\n')
                .map(|line| {
                    (line.as_bytes().to_owned(), other.take(line.as_bytes(), None, 1_786_701_600))
                })
                .filter(|(_, judgement)| *judgement != Judgement::Nothing)
                .collect();
            assert_eq!(lines, 7);
            assert!(each.len() >= 2, "{each:?}");
            assert_eq!(all, each);
        }
    }

    #[test]
    fn what_is_found_does_not_depend_on_how_many_lines_mean_something() {
        let reader =
            || Reader::of_rule(crate::rule::built_in("sshd").unwrap().unwrap(), TimeZone::UTC);
        let line = |number: u64| {
            let seconds = number / 60 % 60;
            let is_dense = (number / 2_500).is_multiple_of(2) && !number.is_multiple_of(3);
            let means_something = is_dense || number.is_multiple_of(97);
            let what = match (means_something, number % 2) {
                (true, 0) => "sshd[7]: Timeout before authentication for",
                (true, _) => "sshd[7]: Invalid user eve from",
                (false, _) => "sshd[7]: Connection from",
            };
            format!("Nov 19 12:00:{seconds:02} host {what} 192.0.2.{}\n", number % 250)
        };
        let text: String = (0..10_000).map(line).collect();
        let (mut at_once, mut each) = (Vec::new(), Vec::new());
        let mut whole = reader();
        let mut looked = Vec::new();
        for part in text.split_inclusive('\n').collect::<Vec<_>>().chunks(500) {
            let part = part.concat();
            whole.take_all(part.as_bytes(), 1_795_176_000, &mut |_, judgement| {
                at_once.push(judgement);
            });
            looked.push(whole.looks_at_all);
        }
        assert!(looked.contains(&true) && looked.contains(&false));
        let mut by_line = reader();
        each.extend(text.lines().map(|line| by_line.take(line.as_bytes(), None, 1_795_176_000)));
        each.retain(|judgement| *judgement != Judgement::Nothing);
        assert_eq!(at_once, each);
    }

    #[test]
    fn lines_that_belong_together_are_found_though_most_are_sieved_out() {
        let filter = Filter {
            failregex: vec![r"^beginning of <HOST>$<SKIPLINES>^end$".into()],
            maxlines: 4,
            ..Filter::default()
        };
        let x = "x\n".repeat(9);
        let text =
            format!("{x}beginning of 192.0.2.7\nx\nend\n{x}beginning of 192.0.2.8\n{x}end\n{x}");
        let found = |take: &mut dyn FnMut(&mut Reader, &mut Vec<String>)| {
            let mut reader = Reader::of_filter(&filter, TimeZone::UTC).unwrap();
            assert!(!reader.needed().is_empty());
            let mut found = Vec::new();
            take(&mut reader, &mut found);
            found
        };
        let note = |judgement: &Judgement, found: &mut Vec<String>| {
            if let Judgement::Failure(one) = judgement {
                found.push(one.who.to_string());
            }
        };
        let as_a_whole = found(&mut |reader, found| {
            reader.take_all(text.as_bytes(), 0, &mut |_, judgement| note(&judgement, found));
        });
        let by_line = found(&mut |reader, found| {
            for line in text.lines() {
                note(&reader.take(line.as_bytes(), None, 0), found);
            }
        });
        let in_parts = found(&mut |reader, found| {
            for line in text.split_inclusive('\n') {
                reader.take_all(line.as_bytes(), 0, &mut |_, judgement| note(&judgement, found));
            }
        });
        for found in [as_a_whole, by_line, in_parts] {
            assert_eq!(found, ["192.0.2.7"]);
        }
    }
}
