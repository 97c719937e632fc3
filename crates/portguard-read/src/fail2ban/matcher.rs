//! A filter at work: line after line in, failures out.
//!
//! A connection's lines may belong together (`<F-MLFID>`): one names the user, another the address,
//! and only a third one says that it failed. What is known of such a session is kept.

mod names;
mod session;

use std::{borrow::Cow, collections::VecDeque, net::IpAddr, sync::Arc};

use crate::{
    fields::Fields,
    judgement::{Judgement, Sighting, Who},
    python_regex::{Pattern, PatternError, Search, TooManySteps},
};

use self::{
    names::{Marks, Names, Role},
    session::{Sessions, Standing},
};

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
    expressions: Expressions,
    dates: DateFinder,
    /// Whether times are cut out from between words.
    cuts_words: bool,
    /// How many lines are looked at together.
    most_lines: usize,
    lines: VecDeque<String>,
    sessions: Sessions,
    last_time: Option<i64>,
    too_slow: u64,
    /// The line that is looked at, without its time.
    text: String,
    known: Fields,
    search: Search,
}

/// The expressions of a filter.
#[derive(Debug)]
struct Expressions {
    prefix: Option<Expression>,
    failures: Vec<Expression>,
    ignored: Vec<Expression>,
    /// Which failures can begin with each byte of ASCII; the last are those of all other texts.
    beginning: Vec<Vec<u16>>,
    marks: Marks,
    names: Arc<[String]>,
}

/// One expression.
#[derive(Debug)]
struct Expression {
    pattern: Pattern,
    /// What each group finds. Those that stand in for others come last, by their names.
    groups: Vec<(usize, Role, u16)>,
    /// The groups of lines that are skipped.
    skipped: Vec<usize>,
}

/// What the expressions say of a text.
enum Found {
    Failure,
    Ignored,
    Nothing,
}

impl Matcher {
    /// Makes ready to match.
    ///
    /// # Errors
    /// When one of the expressions does not compile; it is named.
    pub fn new(filter: &Filter) -> Result<Self, PatternError> {
        let expressions = Expressions::new(filter)?;
        Ok(Self {
            known: Fields::named(&expressions.names),
            expressions,
            dates: DateFinder::new(filter.datepattern.as_deref())?,
            cuts_words: filter.datepattern.as_deref().is_none_or(cuts_words),
            most_lines: filter.maxlines.clamp(1, MOST_LINES) as usize,
            lines: VecDeque::new(),
            sessions: Sessions::default(),
            last_time: None,
            too_slow: 0,
            text: String::new(),
            search: Search::default(),
        })
    }

    /// Takes one line, without its end, and returns what it is. `before` is the line before it if
    /// that is known to match nothing; `given` is its time if that is known from elsewhere, as the
    /// journal's is.
    pub fn take(
        &mut self,
        before: &[u8],
        line: &str,
        given: Option<i64>,
        clock: &Clock,
    ) -> Judgement {
        let at = match given {
            Some(at) => {
                self.put_text(line);
                Some(at)
            }
            None => self.without_time(before, line, clock),
        };
        self.last_time = at.or(self.last_time);
        self.judge(at).unwrap_or_else(|TooManySteps| {
            self.too_slow += 1;
            Judgement::Nothing
        })
    }

    /// Returns how many lines took too many steps to tell whether they match.
    pub fn too_slow(&self) -> u64 {
        self.too_slow
    }

    /// Returns texts of which every line that is anything but nothing contains one; none if there
    /// are no such texts.
    pub(crate) fn needed(&self) -> Vec<Vec<u8>> {
        let of = |expression: &Expression| {
            let texts = expression.pattern.needed().iter();
            texts.map(|text| unseamed(text).to_vec()).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.expressions.failures.iter().map(of).collect();
        let has_others = !self.cuts_words || self.most_lines > 1 || all.iter().any(Vec::is_empty);
        if has_others { Vec::new() } else { all.concat() }
    }

    fn put_text(&mut self, line: &str) {
        self.text.clear();
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Takes a line without its time, and returns the time.
    fn without_time(&mut self, before: &[u8], line: &str, clock: &Clock) -> Option<i64> {
        self.put_text(line.trim_end_matches(['\r', '\n']));
        match self.dates.find(&self.text, clock) {
            None => self.time_before(before, clock),
            Some(found) if found.start == found.end => {
                Some(self.time_before(before, clock).unwrap_or(clock.now))
            }
            Some(found) => {
                self.text.replace_range(found.start..found.end, "");
                found.at.or_else(|| self.time_before(before, clock))
            }
        }
    }

    /// Returns the time of the line before, if that is not long ago.
    fn time_before(&mut self, before: &[u8], clock: &Clock) -> Option<i64> {
        let before = format!("{}\n", String::from_utf8_lossy(before.trim_ascii_end()));
        let found = self.dates.find(&before, clock);
        self.last_time = found.and_then(|found| found.at).or(self.last_time);
        self.last_time.filter(|at| *at > clock.now - SAME_TIME)
    }

    fn judge(&mut self, at: Option<i64>) -> Result<Judgement, TooManySteps> {
        let text = if self.most_lines == 1 {
            Cow::Borrowed(self.text.as_str())
        } else {
            self.lines.push_back(self.text.clone());
            while self.lines.len() > self.most_lines {
                self.lines.pop_front();
            }
            Cow::Owned(self.lines.iter().map(String::as_str).collect())
        };
        self.known.clear();
        let together = (self.most_lines > 1).then_some(&mut self.lines);
        let found = self.expressions.judge(&text, &mut self.known, together, &mut self.search)?;
        Ok(match found {
            Found::Failure => self.completed(at),
            Found::Ignored => Judgement::Ignored,
            Found::Nothing => Judgement::Nothing,
        })
    }

    /// Returns what a match is, together with what is known of its session.
    fn completed(&mut self, at: Option<i64>) -> Judgement {
        let Self { known, sessions, expressions, .. } = self;
        let marks = &expressions.marks;
        if known.of(marks.session).is_some() {
            match sessions.take(known, marks, self.last_time) {
                Standing::NoFailure => return Judgement::Nothing,
                Standing::Failure if id_of(known, marks).is_none() => {
                    sessions.wait_for_id(known, marks);
                    return Judgement::Nothing;
                }
                Standing::Failure => {}
            }
        }
        let Some(who) = id_of(known, marks) else { return Judgement::Nothing };
        let user = known.of(marks.user).map(str::to_owned);
        let fields = std::mem::replace(known, Fields::named(&expressions.names));
        Judgement::Failure(Sighting { who, telling: 0, at, user, fields })
    }
}

/// Returns whether the times that a `datepattern` finds stand between words: it says nothing else of
/// what is around them (`{UNB}`), and cuts out nothing but a time.
fn cuts_words(pattern: &str) -> bool {
    let opens = |part: &str| !part.starts_with('?') && !part.starts_with("{DATE})");
    let has_group = |line: &str| line.split('(').skip(1).any(opens);
    pattern
        .lines()
        .all(|line| !line.contains("{UNB}") && (line.starts_with("{^LN-BEG}") || !has_group(line)))
}

/// Returns the longest piece of a text that no time was cut out of: what stands on both sides of one
/// is no part of a word.
fn unseamed(text: &[u8]) -> &[u8] {
    let mut pieces = text.chunk_by(|a, b| a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric());
    let first = pieces.next().unwrap_or_default();
    pieces.fold(first, |best, piece| if piece.len() > best.len() { piece } else { best })
}

impl Expressions {
    fn new(filter: &Filter) -> Result<Self, PatternError> {
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
        Ok(Self {
            beginning: beginning(&failures),
            prefix,
            failures,
            ignored,
            marks,
            names: names.all(),
        })
    }

    /// Returns what a text is, and puts what its groups are among what is known. `lines` are those
    /// that are looked at together.
    fn judge(
        &self,
        whole: &str,
        known: &mut Fields,
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
            prefix.put_groups(whole, known, search);
            let rest = prefix.span_of(self.marks.content, search).filter(|(from, to)| from < to);
            known.remove(self.marks.content);
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
        for index in self.candidates(text, is_ascii) {
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
    fn candidates(&self, text: &str, is_ascii: bool) -> &[u16] {
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
fn beginning(failures: &[Expression]) -> Vec<Vec<u16>> {
    let numbered = || failures.iter().zip(0..);
    let with = |byte: u8| {
        let may = |one: &Expression| one.pattern.begins_with(byte);
        numbered().filter_map(|(one, number)| may(one).then_some(number)).collect()
    };
    let all = numbered().map(|(_, number)| number).collect();
    (0..128).map(with).chain([all]).collect()
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

    /// Puts what the groups matched among what is known.
    fn put_groups(&self, text: &str, known: &mut Fields, search: &Search) {
        for (number, role, name) in &self.groups {
            let Some((start, end)) = search.span(*number) else { continue };
            let value = &text[start..end];
            let before = known.of(*name).filter(|before| !before.is_empty());
            match (role, before) {
                (Role::Plain, _) | (Role::Instead | Role::Added, None) => known.set(*name, value),
                (Role::Instead, Some(_)) => {}
                (Role::Added, Some(before)) => {
                    let both = format!("{before}, {value}");
                    known.set(*name, &both);
                }
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

/// Returns who failed: what the filter says, or else the address, or else the host.
fn id_of(known: &Fields, marks: &Marks) -> Option<Who> {
    if let Some(own) = known.of(marks.id) {
        return Some(Who::of(own));
    }
    if let Some(address) = known.of(marks.v4).or_else(|| known.of(marks.v6)) {
        let Some(length) = known.of(marks.length) else { return Some(Who::of(address)) };
        // Written in one way only, unless it is no possible address.
        let address = address.parse().map_or(address.to_owned(), |one: IpAddr| one.to_string());
        return Some(Who::Other(format!("{address}/{length}")));
    }
    known.of(marks.host).map(Who::of)
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
        let mut take = |line: &&str| match matcher.take(b"", line, None, &clock) {
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
    fn what_a_time_may_have_stood_in_is_in_pieces() {
        assert_eq!(unseamed(b"x[] refused "), b" refused ");
        assert_eq!(unseamed(b"authentication failure;"), b"authentication failure;");
        assert!(cuts_words("{^LN-BEG}%Y\n^%d") && cuts_words(r"^[^\[]*\[({DATE})"));
        assert!(!cuts_words("{UNB}%Y") && !cuts_words(r"^x(\d+)"));
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
