//! A filter at work: line after line in, failures out.
//!
//! A connection's lines may belong together (`<F-MLFID>`): one names the user, another the address,
//! and only a third one says that it failed. What is known of such a session is kept.

mod expressions;
mod names;
mod session;

use std::{borrow::Cow, collections::VecDeque, net::IpAddr};

use compact_str::CompactString;

use crate::{
    fields::Fields,
    judgement::{Judgement, Sighting, Who},
    python_regex::{PatternError, Search, TooManySteps},
    reader::last_lines,
    sieve::{Texts, longest},
};

use self::{
    expressions::{Expression, Expressions, Found},
    names::Marks,
    session::{Sessions, Standing},
};

use super::{
    Filter,
    date::{Clock, DateFinder},
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

    /// Takes one line, without its end, and returns what it is. `before` are the lines before it of
    /// which is known that they match nothing; `given` is its time if that is known from elsewhere,
    /// as the journal's is.
    pub fn take(
        &mut self,
        before: &[u8],
        line: &str,
        given: Option<i64>,
        clock: &Clock,
    ) -> Judgement {
        if self.most_lines > 1 {
            self.pass(before, given, clock);
        }
        let at = self.text_of(before, line, given, clock);
        self.judge(at).unwrap_or_else(|TooManySteps| {
            self.too_slow += 1;
            Judgement::Nothing
        })
    }

    /// Returns how many lines took too many steps to tell whether they match.
    pub fn too_slow(&self) -> u64 {
        self.too_slow
    }

    /// Returns how many lines are looked at together.
    pub(crate) fn lines_together(&self) -> usize {
        self.most_lines
    }

    /// Takes lines that are known to match nothing by themselves, but are looked at with the next.
    fn pass(&mut self, lines: &[u8], given: Option<i64>, clock: &Clock) {
        for line in last_lines(lines, self.most_lines - 1).split_inclusive(|byte| *byte == b'\n') {
            self.text_of(b"", &String::from_utf8_lossy(line.trim_ascii_end()), given, clock);
            self.lines.push_back(self.text.clone());
        }
    }

    /// Puts a line's text in its place, without its time, and returns that.
    fn text_of(
        &mut self,
        before: &[u8],
        line: &str,
        given: Option<i64>,
        clock: &Clock,
    ) -> Option<i64> {
        let at = match given {
            Some(at) => {
                self.put_text(line);
                Some(at)
            }
            None => self.without_time(before, line, clock),
        };
        self.last_time = at.or(self.last_time);
        at
    }

    /// Returns texts of which every line that is anything but nothing contains one, or if lines are
    /// looked at together, one of these lines; none if there are no such texts.
    pub(crate) fn needed(&self) -> Vec<Vec<u8>> {
        if !self.cuts_words {
            return Vec::new();
        }
        let Expressions { prefix, failures, .. } = &self.expressions;
        let of_failures: Vec<_> =
            failures.iter().map(|one| longest(texts_of(one)).unwrap_or_default()).collect();
        let all_have_some = !of_failures.iter().any(Vec::is_empty);
        let of_failures = if all_have_some { of_failures.concat() } else { Vec::new() };
        let of_prefix = prefix.iter().flat_map(texts_of);
        longest(std::iter::once(of_failures).chain(of_prefix).collect()).unwrap_or_default()
    }

    fn put_text(&mut self, line: &str) {
        self.text.clear();
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Takes a line without its time, and returns the time.
    fn without_time(&mut self, before: &[u8], line: &str, clock: &Clock) -> Option<i64> {
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some((found, at)) =
            self.dates.settled(line).and_then(|found| Some((found, found.at?)))
        {
            self.put_text(&line[found.end..]);
            return Some(at);
        }
        self.put_text(line);
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

    /// Returns the time of the last line before, if that is not long ago.
    fn time_before(&mut self, before: &[u8], clock: &Clock) -> Option<i64> {
        let before = last_lines(before, 1).trim_ascii_end();
        let before = format!("{}\n", String::from_utf8_lossy(before));
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
        let known = (&mut self.known, &self.sessions);
        let found = self.expressions.judge(&text, known, together, &mut self.search)?;
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
        let is_of_session = known.of(marks.session).is_some();
        if is_of_session && sessions.take(known, marks, self.last_time) == Standing::NoFailure {
            return Judgement::Nothing;
        }
        let Some(who) = id_of(known, marks) else {
            if is_of_session {
                sessions.wait_for_id(known, marks);
            }
            return Judgement::Nothing;
        };
        let user = known.of(marks.user).map(CompactString::new);
        let fields = std::mem::replace(known, Fields::named(&expressions.names));
        Judgement::Failure(Sighting { who, telling: 0, at, user, fields })
    }
}

/// Returns whether the times that a `datepattern` finds stand between words: it says nothing else of
/// what is around them (`{UNB}`), and cuts out nothing but a time.
fn cuts_words(pattern: &str) -> bool {
    let known = ["?", "{DATE}", r"\[{DATE}", "%", ")"];
    let is_known = |part: &str| known.iter().any(|known| part.starts_with(known));
    let opens = |part: &str| !part.is_empty() && !is_known(part);
    let has_group = |line: &str| line.split('(').skip(1).any(opens);
    pattern
        .lines()
        .all(|line| !line.contains("{UNB}") && (line.starts_with("{^LN-BEG}") || !has_group(line)))
}

/// Returns lists of texts, without what a time may have been cut out of: every line that an
/// expression matches contains one of each list.
fn texts_of(expression: &Expression) -> Vec<Texts> {
    let piece = |text: &Vec<u8>| -> Vec<u8> {
        let pieces = text.split(|byte| *byte == b'\n').map(unseamed);
        pieces.max_by_key(|piece| piece.len()).unwrap_or_default().to_vec()
    };
    let lists = expression.pattern.needed().iter();
    lists.map(|texts| texts.iter().map(piece).collect()).collect()
}

/// Returns the longest piece of a text that no time was cut out of: what stands on both sides of one
/// is no part of a word.
fn unseamed(text: &[u8]) -> &[u8] {
    let mut pieces = text.chunk_by(|a, b| a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric());
    let first = pieces.next().unwrap_or_default();
    pieces.fold(first, |best, piece| if piece.len() > best.len() { piece } else { best })
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
    use proptest::prelude::*;

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
        assert!(cuts_words(r"^I\(()**"));
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
    fn a_user_may_be_named_in_several_places() {
        let user = |regex: &str, line: &str| {
            let mut matcher = Matcher::new(&filter(&[regex])).unwrap();
            let clock = Clock { now: NOW, zone: TimeZone::UTC };
            let Judgement::Failure(found) = matcher.take(b"", line, None, &clock) else {
                panic!("{line} is no failure")
            };
            found.user
        };
        let other = "^no <HOST> as=<F-ALT_USER>\\S*</F-ALT_USER>(?: user=<F-USER>\\S+</F-USER>)?$";
        assert_eq!(user(other, "no 192.0.2.7 as=eve user=root").as_deref(), Some("root"));
        assert_eq!(user(other, "no 192.0.2.7 as=eve").as_deref(), Some("eve"));
        let both = "^<F-USER>\\w+</F-USER>@<F-TUPLE_USER>\\w+</F-TUPLE_USER>(?:/<F-TUPLE_USER_2>\\w+\
                    </F-TUPLE_USER_2>)? <HOST>$";
        assert_eq!(user(both, "eve@here 192.0.2.7").as_deref(), Some("eve, here"));
        assert_eq!(user(both, "eve@here/now 192.0.2.7").as_deref(), Some("eve, here, now"));
    }

    #[test]
    fn where_lines_have_no_time_they_count_when_they_come() {
        let none = Filter { datepattern: Some("{NONE}".into()), ..filter(&["^\\d+ no <HOST>$"]) };
        let mut matcher = Matcher::new(&none).unwrap();
        let clock = Clock { now: NOW, zone: TimeZone::UTC };
        // Nothing is cut out of it, though it begins like a time.
        let found = matcher.take(b"", "1700000000 no 192.0.2.7", None, &clock);
        let Judgement::Failure(found) = found else { panic!("{found:?} is no failure") };
        assert_eq!((found.who.to_string().as_str(), found.at), ("192.0.2.7", Some(NOW)));
    }

    /// A filter whose lines begin with the name of their session.
    fn of_sessions() -> Filter {
        Filter {
            prefregex: Some(r"^<F-MLFID>\w+</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$".into()),
            ..filter(&[
                "^<F-NOFAIL>from</F-NOFAIL> <HOST>",
                "^failed <F-USER>\\w+</F-USER>$",
                "^<F-MLFFORGET><F-MLFGAINED>in</F-MLFGAINED></F-MLFFORGET> as <F-USER>\\w+</F-USER>$",
            ])
        }
    }

    #[test]
    fn lines_of_a_session_belong_together() {
        let filter = of_sessions();
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

    proptest! {
        #[test]
        fn an_ending_without_a_session_says_nothing(lines in prop::collection::vec(
            "[ab]: (from 192\\.0\\.2\\.[78]|failed (root|eve)|in as (root|eve)|in as)", 0..12,
        )) {
            // Where something may be ignored, every line is matched.
            let never = Filter { ignoreregex: vec!["^never$".into()], ..of_sessions() };
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(ids(&of_sessions(), &lines), ids(&never, &lines));
        }
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
