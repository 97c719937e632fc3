//! A rule of either kind at work: line after line in, what each of them is out.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::{
    fail2ban::{Filter, date::Clock, matcher::Matcher},
    judgement::Judgement,
    python_regex::PatternError,
    rule::{Rule, RuleReader},
    sieve::Sieve,
};

/// A rule with what it remembers of the lines before.
#[derive(Debug)]
pub struct Reader {
    engine: Engine,
    sieve: Option<Sieve>,
    clock: Clock,
    /// The last line that meant nothing: its time may be that of the next one, if that has none.
    passed: Vec<u8>,
}

#[derive(Debug)]
enum Engine {
    Own(Box<RuleReader>),
    Fail2ban(Box<Matcher>),
}

impl Reader {
    /// Makes one of our own rules ready, for times of a zone.
    ///
    /// # Errors
    /// When a built-in form of time does not compile.
    pub fn of_rule(rule: Rule, zone: TimeZone) -> Result<Self, PatternError> {
        let sieve = Sieve::new(rule.needed());
        let reader = RuleReader::new(rule, zone.clone())?;
        Ok(Self::new(Engine::Own(Box::new(reader)), sieve, zone))
    }

    /// Makes one of fail2ban's filters ready, for times of a zone.
    ///
    /// # Errors
    /// When one of its expressions does not compile; it is named.
    pub fn of_filter(filter: &Filter, zone: TimeZone) -> Result<Self, PatternError> {
        let matcher = Matcher::new(filter)?;
        let sieve = Sieve::new(matcher.needed());
        Ok(Self::new(Engine::Fail2ban(Box::new(matcher)), sieve, zone))
    }

    fn new(engine: Engine, sieve: Option<Sieve>, zone: TimeZone) -> Self {
        Self { engine, sieve, clock: Clock { now: 0, zone }, passed: Vec::new() }
    }

    /// Takes one line, without its end, and returns what it is. `given` is its time if that is known
    /// from elsewhere, as the journal's is; `now` is the present; both in seconds since 1970.
    pub fn take(&mut self, line: &[u8], given: Option<i64>, now: i64) -> Judgement {
        self.clock.now = now;
        if self.sieve.as_ref().is_some_and(|sieve| sieve.find(line).is_none()) {
            self.passed.clear();
            self.passed.extend_from_slice(line);
            return Judgement::Nothing;
        }
        let passed = std::mem::take(&mut self.passed);
        let judgement = self.judge(&passed, line, given);
        self.passed = passed;
        self.passed.clear();
        judgement
    }

    /// Takes a text of whole lines, hands over those that are anything but nothing, each with what
    /// it is, and returns how many lines there were.
    pub fn take_all(
        &mut self,
        text: &[u8],
        now: i64,
        hand: &mut dyn FnMut(&[u8], Judgement),
    ) -> u64 {
        self.clock.now = now;
        let (mut lines, mut rest) = (0, text);
        while !rest.is_empty() {
            let found = match &self.sieve {
                Some(sieve) => sieve.line(rest),
                None => Some((0, memchr::memchr(b'\n', rest).unwrap_or(rest.len()))),
            };
            let Some((start, end)) = found else {
                let ends = memchr::memchr_iter(b'\n', rest).count() as u64;
                return lines + ends + u64::from(!rest.ends_with(b"\n"));
            };
            lines += 1 + memchr::memchr_iter(b'\n', &rest[..start]).count() as u64;
            let judgement = self.judge(last_line(&rest[..start]), &rest[start..end], None);
            if !matches!(judgement, Judgement::Nothing) {
                hand(&rest[start..end], judgement);
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        lines
    }

    /// Returns what a line is. `before` is the line before it, if nobody looked at that one.
    fn judge(&mut self, before: &[u8], line: &[u8], given: Option<i64>) -> Judgement {
        match &mut self.engine {
            Engine::Own(reader) => reader.take(line, given, self.clock.now),
            Engine::Fail2ban(matcher) => matcher.take(before, &text(line), given, &self.clock),
        }
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

/// Returns the last of some whole lines, without its end.
fn last_line(lines: &[u8]) -> &[u8] {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    memchr::memrchr(b'\n', lines).map_or(lines, |end| &lines[end + 1..])
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
                Reader::of_rule(rule.as_ref().unwrap().clone(), TimeZone::UTC).unwrap(),
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
}
