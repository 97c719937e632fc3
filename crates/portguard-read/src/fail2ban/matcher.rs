//! A filter at work: line after line in, failures out.
//!
//! A connection's lines may belong together (`<F-MLFID>`): one names the user, another the address,
//! and only a third one says that it failed. What is known of such a session is kept.

mod session;

use std::{collections::VecDeque, net::IpAddr};

use crate::{
    judgement::{Groups, Judgement, Sighting, Who},
    python_regex::{Match, Pattern, PatternError, TooManySteps},
};

use self::session::{Sessions, Standing};

use super::{
    Filter,
    date::{Clock, DateFinder},
    pattern::expand,
};

/// How long the time of the last line stands in for a line that has none, in seconds.
const SAME_TIME: i64 = 60;

/// Most lines that a filter looks at together.
const MOST_LINES: u32 = 1_000;

/// A filter with its state.
#[derive(Debug)]
pub struct Matcher {
    prefix: Option<Expression>,
    failures: Vec<Expression>,
    ignored: Vec<Expression>,
    dates: DateFinder,
    /// How many lines are looked at together.
    most_lines: usize,
    lines: VecDeque<String>,
    sessions: Sessions,
    last_time: Option<i64>,
    too_slow: u64,
}

/// One expression.
#[derive(Debug)]
struct Expression {
    pattern: Pattern,
}

impl Matcher {
    /// Makes ready to match.
    ///
    /// # Errors
    /// When one of the expressions does not compile; it is named.
    pub fn new(filter: &Filter) -> Result<Self, PatternError> {
        let together = filter.maxlines > 1;
        let names = filter.usedns.as_deref() != Some("no");
        let compile = |regex: &String| {
            Pattern::new(&expand(regex, names), together).map(|pattern| Expression { pattern })
        };
        let all = |regexes: &[String]| regexes.iter().map(compile).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            prefix: filter.prefregex.as_ref().map(compile).transpose()?,
            failures: all(&filter.failregex)?,
            ignored: all(&filter.ignoreregex)?,
            dates: DateFinder::new(filter.datepattern.as_deref())?,
            most_lines: filter.maxlines.clamp(1, MOST_LINES) as usize,
            lines: VecDeque::new(),
            sessions: Sessions::default(),
            last_time: None,
            too_slow: 0,
        })
    }

    /// Takes one line, without its end, and returns what it is. `given` is its time if that is known
    /// from elsewhere, as the journal's is.
    pub fn take(&mut self, line: &str, given: Option<i64>, clock: &Clock) -> Judgement {
        let (text, at) = match given {
            Some(at) => (format!("{line}\n"), Some(at)),
            None => self.without_time(line, clock),
        };
        self.last_time = at.or(self.last_time);
        self.judge(text, at).unwrap_or_else(|TooManySteps| {
            self.too_slow += 1;
            Judgement::Nothing
        })
    }

    /// Returns how many lines took too many steps to tell whether they match.
    pub fn too_slow(&self) -> u64 {
        self.too_slow
    }

    /// Returns a line without its time, and the time.
    fn without_time(&mut self, line: &str, clock: &Clock) -> (String, Option<i64>) {
        let line = format!("{}\n", line.trim_end_matches(['\r', '\n']));
        let before = self.last_time.filter(|at| *at > clock.now - SAME_TIME);
        match self.dates.find(&line, clock) {
            None => (line, before),
            Some(found) if found.start == found.end => {
                let at = before.unwrap_or(clock.now);
                (line, Some(at))
            }
            Some(found) => {
                let rest = format!("{}{}", &line[..found.start], &line[found.end..]);
                (rest, found.at.or(before))
            }
        }
    }

    fn judge(&mut self, text: String, at: Option<i64>) -> Result<Judgement, TooManySteps> {
        let mut text = self.with_lines_before(text);
        if self.ignored.len() + 2 < self.failures.len() && self.is_ignored(&text)? {
            return Ok(Judgement::Ignored);
        }
        let mut known = Groups::new();
        if let Some(prefix) = &self.prefix {
            let Some(found) = prefix.pattern.search(&text)? else {
                return Ok(Judgement::Nothing);
            };
            prefix.put_groups(&found, &mut known);
            if let Some(content) = known.remove("content").filter(|content| !content.is_empty()) {
                text = format!("{content}\n");
            }
        }
        for expression in &self.failures {
            let Some(found) = expression.pattern.search(&text)? else { continue };
            let matched = found.span(0).unwrap_or_default();
            let ignorable = if self.most_lines > 1 { whole_lines(&text, matched) } else { &text };
            if self.is_ignored(ignorable)? {
                return Ok(Judgement::Ignored);
            }
            expression.put_groups(&found, &mut known);
            self.lines = expression.lines_left(&found, &text);
            return Ok(self.completed(known, at));
        }
        Ok(Judgement::Nothing)
    }

    /// Returns the text to search: the line, behind those that were looked at and matched nothing.
    fn with_lines_before(&mut self, text: String) -> String {
        if self.most_lines == 1 {
            return text;
        }
        self.lines.push_back(text);
        while self.lines.len() > self.most_lines {
            self.lines.pop_front();
        }
        self.lines.iter().map(String::as_str).collect()
    }

    fn is_ignored(&self, text: &str) -> Result<bool, TooManySteps> {
        for expression in &self.ignored {
            if expression.pattern.matches(text)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns what a match is, together with what is known of its session.
    fn completed(&mut self, groups: Groups, at: Option<i64>) -> Judgement {
        let Some(session) = groups.get("mlfid").cloned() else {
            return sighting(groups, at).map_or(Judgement::Nothing, Judgement::Failure);
        };
        let (standing, groups) = self.sessions.take(&session, groups, self.last_time);
        match (standing, id_of(&groups)) {
            (Standing::NoFailure, _) => Judgement::Nothing,
            (Standing::Failure, None) => {
                self.sessions.wait_for_id(&session);
                Judgement::Nothing
            }
            (Standing::Failure, Some(_)) => {
                sighting(groups, at).map_or(Judgement::Nothing, Judgement::Failure)
            }
        }
    }
}

fn sighting(groups: Groups, at: Option<i64>) -> Option<Sighting> {
    let who = Who::of(&id_of(&groups)?);
    let user = groups.get("user").cloned();
    Some(Sighting { who, telling: 0, at, user, fields: groups })
}

impl Expression {
    /// Puts what the groups matched among what is known. `alt_NAME` stands in for `NAME`, and
    /// `tuple_NAME` adds to it.
    fn put_groups(&self, found: &Match<'_>, known: &mut Groups) {
        let mut others = Vec::new();
        for (number, name) in self.pattern.groups() {
            let Some(value) = found.group(*number) else { continue };
            match other_name(name) {
                Some(other) => others.push((name.as_str(), other, value)),
                None => drop(known.insert(name.clone(), value.to_owned())),
            }
        }
        others.sort_unstable();
        for (name, other, value) in others {
            let place = known.entry(other).or_default();
            if name.starts_with("tuple_") {
                if !place.is_empty() {
                    place.push_str(", ");
                }
                place.push_str(value);
            } else if place.is_empty() {
                value.clone_into(place);
            }
        }
    }

    /// Returns the lines of a text that a match leaves for the next lines: those around it, and
    /// those that it skipped.
    fn lines_left(&self, found: &Match<'_>, text: &str) -> VecDeque<String> {
        let (start, end) = found.span(0).unwrap_or_default();
        let skipped =
            self.pattern.groups().iter().filter(|(_, name)| name.starts_with("skiplines"));
        let skipped: Vec<_> = skipped.filter_map(|(number, _)| found.span(*number)).collect();
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

/// Returns the group that a group named like this stands in for (`alt_user_2`: `user`).
fn other_name(name: &str) -> Option<String> {
    let rest = name.strip_prefix("alt_").or_else(|| name.strip_prefix("tuple_"))?;
    let numbered = rest.rsplit_once('_');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = numbered.filter(|(_, number)| is_number(number)).map_or(rest, |(plain, _)| plain);
    Some(match plain {
        "id" => "fid".to_owned(),
        "port" => "fport".to_owned(),
        plain => plain.to_owned(),
    })
}

/// Returns who failed: what the filter says, or else the address, or else the host.
fn id_of(groups: &Groups) -> Option<String> {
    let own = groups.get("fid");
    if let Some(own) = own {
        return Some(own.clone());
    }
    if let Some(address) = groups.get("ip4").or_else(|| groups.get("ip6")) {
        let length = groups.get("cidr").map(|length| format!("/{length}")).unwrap_or_default();
        // Written in one way only, unless it is no possible address.
        let address = address.parse().map_or(address.clone(), |one: IpAddr| one.to_string());
        return Some(format!("{address}{length}"));
    }
    groups.get("dns").cloned()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const NOW: i64 = 1_786_701_600;

    fn filter(failregex: &[&str]) -> Filter {
        Filter {
            failregex: failregex.iter().map(|regex| (*regex).to_owned()).collect(),
            maxlines: 1,
            ..Filter::default()
        }
    }

    /// Returns who failed, line by line.
    fn ids(filter: &Filter, lines: &[&str]) -> Vec<Option<String>> {
        let mut matcher = Matcher::new(filter).unwrap();
        let clock = Clock { now: NOW, zone: TimeZone::UTC };
        let mut take = |line: &&str| match matcher.take(line, None, &clock) {
            Judgement::Failure(failure) => Some(failure.who.to_string()),
            _ => None,
        };
        lines.iter().map(&mut take).collect()
    }

    fn some(ids: &[&str]) -> Vec<Option<String>> {
        ids.iter().map(|id| (!id.is_empty()).then(|| (*id).to_owned())).collect()
    }

    #[test]
    fn the_time_is_cut_out_before_a_line_is_matched() {
        let filter = filter(&[r"^ host x\[\d+\]: no <HOST>$"]);
        let lines = ["Aug 14 09:59:59 host x[7]: no 192.0.2.7\r", "host x[7]: no 192.0.2.7"];
        assert_eq!(ids(&filter, &lines), some(&["192.0.2.7", ""]));
    }

    #[test]
    fn an_ignored_line_is_no_failure() {
        let ignoring = Filter { ignoreregex: vec!["good".into()], ..filter(&["no <HOST>"]) };
        assert_eq!(
            ids(&ignoring, &["no 192.0.2.7 good", "no 192.0.2.8"]),
            some(&["", "192.0.2.8"])
        );
    }

    #[test]
    fn the_id_goes_before_the_address_and_a_network_is_told() {
        let by_id = filter(&["no <F-ID>\\w+</F-ID> from <HOST>", "net <SUBNET>", "at <DNS>"]);
        let lines = ["no root from 192.0.2.7", "net 192.0.2.0/24", "at host.example"];
        assert_eq!(ids(&by_id, &lines), some(&["root", "192.0.2.0/24", "host.example"]));
    }

    #[test]
    fn lines_of_a_session_belong_together() {
        let filter = Filter {
            prefregex: Some(r"^<F-MLFID>\w+</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$".into()),
            ..filter(&[
                "^<F-NOFAIL>from</F-NOFAIL> <HOST>",
                "^failed <F-USER>\\w+</F-USER>$",
                "^<F-MLFFORGET><F-MLFGAINED>in</F-MLFGAINED></F-MLFFORGET> as <F-USER>\\w+</F-USER>$",
            ])
        };
        let lines = [
            "a: from 192.0.2.7",
            "b: from 192.0.2.8",
            "a: failed root",
            "b: in as root",
            "b: failed root",
            "c: failed root",
            "c: from 192.0.2.9",
        ];
        let expected = ["", "", "192.0.2.7", "", "", "", "192.0.2.9"];
        assert_eq!(ids(&filter, &lines), some(&expected));
    }

    #[test]
    fn lines_are_looked_at_together_and_skipped_ones_stay() {
        let filter = Filter { maxlines: 4, ..filter(&["^from <HOST>$<SKIPLINES>^failed$"]) };
        let lines = ["from 192.0.2.7", "from 192.0.2.8", "failed", "failed"];
        assert_eq!(ids(&filter, &lines), some(&["", "", "192.0.2.7", "192.0.2.8"]));
    }

    #[test]
    fn a_name_made_up_to_look_like_an_address_does_not_deceive_an_anchored_filter() {
        let filter = filter(&["^Failed password for .* from <HOST>$"]);
        let line = "Failed password for root from 192.0.2.1 from 203.0.113.9";
        assert_eq!(ids(&filter, &[line]), some(&["203.0.113.9"]));
    }
}
