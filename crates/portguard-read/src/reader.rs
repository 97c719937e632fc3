//! A rule of either kind at work: line after line in, what each of them is out.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::{
    fail2ban::{Filter, date::Clock, matcher::Matcher},
    judgement::Judgement,
    python_regex::PatternError,
    rule::{Rule, RuleReader},
};

/// A rule with what it remembers of the lines before.
#[derive(Debug)]
pub struct Reader {
    engine: Engine,
    zone: TimeZone,
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
        let reader = RuleReader::new(rule, zone.clone())?;
        Ok(Self { engine: Engine::Own(Box::new(reader)), zone })
    }

    /// Makes one of fail2ban's filters ready, for times of a zone.
    ///
    /// # Errors
    /// When one of its expressions does not compile; it is named.
    pub fn of_filter(filter: &Filter, zone: TimeZone) -> Result<Self, PatternError> {
        Ok(Self { engine: Engine::Fail2ban(Box::new(Matcher::new(filter)?)), zone })
    }

    /// Takes one line, without its end, and returns what it is. `given` is its time if that is known
    /// from elsewhere, as the journal's is; `now` is the present; both in seconds since 1970.
    pub fn take(&mut self, line: &[u8], given: Option<i64>, now: i64) -> Judgement {
        match &mut self.engine {
            Engine::Own(reader) => reader.take(line, given, now),
            Engine::Fail2ban(matcher) => {
                let text: Cow<'_, str> = String::from_utf8_lossy(line);
                matcher.take(&text, given, &Clock { now, zone: self.zone.clone() })
            }
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
