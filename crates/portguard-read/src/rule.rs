//! Rules of our own: templates of the lines by which a service tells that somebody failed, or did
//! not, with lines beside them on which each rule is tried.
//!
//! A rule is a TOML document:
//!
//! ```toml
//! about    = "what it finds, and where the service writes that"
//! programs = ["sshd"]               # whose lines, where a line says so; absent: anybody's
//! with     = ["access"]             # other rules that belong to it
//! time     = "ts"                   # where the time stands in a line of JSON
//! fail     = ["Failed {word} for {user} from {addr}", { "request.ip" = "{addr}", "status" = "401" }]
//! also     = [["Invalid user {user} from {addr}"]]
//! ok       = ["Accepted {word} for {user} from {addr} port {number}{any}"]
//! ignore   = ["{any} from health check"]
//! [tests]                           # `ADDRESS USER | LINE`, or `ADDRESS | LINE`
//! fail     = ["192.0.2.7 root | Nov 20 10:00:00 host sshd[7]: Invalid user root from 192.0.2.7"]
//! ok       = []
//! none     = ["a line that means nothing"]
//! ```
//!
//! A service may tell of one failure in several lines. The lines of `fail`, and those of each list in
//! `also`, are one *telling*: what is told in two of them is counted in each by itself, so that one
//! failure never counts twice.

mod form;
mod json;
mod library;
mod message;
mod template;

use std::net::IpAddr;

use compact_str::CompactString;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::{
    fields::Fields,
    judgement::{Judgement, Sighting, Who},
    needle::{Head, begins},
    stamp::Stamps,
};

pub use self::{
    form::RuleError,
    library::{NAMES, built_in, built_in_text},
    template::{Template, TemplateError},
};
use self::{json::Shape, message::Message, template::Found};

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What it finds.
    pub about: String,
    programs: Vec<Vec<u8>>,
    time: Option<String>,
    lines: Vec<Line>,
    shapes: Vec<(Meaning, Shape)>,
    /// Which of `lines` may fit a text, by its first byte.
    by_first_byte: Vec<Vec<usize>>,
    /// Those of `lines` that may begin with any byte.
    open: Vec<usize>,
    examples: Vec<Example>,
    /// How many tellings there are.
    tellings: u8,
}

/// A template and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    meaning: Meaning,
    /// What texts begin with that may fit.
    head: Head,
    template: Template,
    /// As it is written.
    text: String,
}

/// What a line means that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Somebody failed.
    Fail,
    /// Somebody succeeded.
    Ok,
    /// Nothing, though another template may fit too.
    Ignore,
}

/// What a line means, and in which telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meaning {
    sense: Sense,
    telling: u8,
}

/// A line on which a rule is tried, and what it must find.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Example {
    expected: Option<(Sense, IpAddr, Option<CompactString>)>,
    line: String,
}

/// What a rule found in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    meaning: Meaning,
    address: IpAddr,
    user: Option<CompactString>,
    /// Where the time stands if not at the beginning.
    time: Option<i64>,
}

/// A rule with what it needs to read a log.
#[derive(Debug)]
pub struct RuleReader {
    rule: Rule,
    stamps: Stamps,
    too_slow: u64,
}

impl Rule {
    /// Returns its templates as they are written, with what they mean.
    pub fn lines(&self) -> impl Iterator<Item = (Sense, String)> {
        let texts = self.lines.iter().map(|line| (line.meaning.sense, line.text.clone()));
        texts.chain(self.shapes.iter().map(|(meaning, shape)| (meaning.sense, shape.to_string())))
    }

    /// Returns the programs whose lines it reads; none: anybody's.
    pub fn programs(&self) -> impl Iterator<Item = String> {
        self.programs.iter().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// Returns the lines of its own examples.
    pub fn examples(&self) -> impl Iterator<Item = String> {
        self.examples.iter().map(|example| example.line.clone())
    }

    /// Returns texts of which every line that is anything contains one; none if there are no such
    /// texts.
    pub(crate) fn needed(&self) -> Vec<Vec<u8>> {
        let all: Vec<_> = self.lines.iter().map(|line| line.template.needed()).collect();
        let has_others = !self.shapes.is_empty() || all.iter().any(Vec::is_empty);
        if has_others { Vec::new() } else { all.concat() }
    }

    /// Tries the rule on its own examples.
    ///
    /// # Errors
    /// When one of them is not what it should be; each is named.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let faults: Vec<String> =
            self.examples.iter().filter_map(|example| self.fault(example)).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fault(&self, example: &Example) -> Option<String> {
        let found = self.find(example.line.as_bytes());
        let found = found.map(|hit| hit.map(|hit| (hit.meaning.sense, hit.address, hit.user)));
        let is_right = match (&example.expected, &found) {
            (Some((sense, address, None)), Ok(Some(found))) => {
                (sense, address) == (&found.0, &found.1)
            }
            (expected, Ok(found)) => expected == found,
            (_, Err(_)) => false,
        };
        let told = || {
            format!("`{}` gives {found:?} where {:?} is expected", example.line, example.expected)
        };
        (!is_right).then(told)
    }

    /// Returns what a line is.
    fn find(&self, line: &[u8]) -> Result<Option<Hit>, template::TooManySteps> {
        let message = message::split(line.trim_ascii_end());
        for text in self.texts(&message) {
            if let Some(hit) = self.find_in(text)? {
                return Ok(Some(hit).filter(|hit| hit.meaning.sense != Sense::Ignore));
            }
        }
        Ok(None)
    }

    /// Returns the texts of a line that the rule is about.
    fn texts<'l>(&self, message: &Message<'l>) -> impl Iterator<Item = &'l [u8]> + use<'l> {
        let is_ours = |name: &[u8]| {
            self.programs.is_empty() || self.programs.iter().any(|program| is_of(name, program))
        };
        let ours = message.program.filter(|(name, _)| is_ours(name)).map(|(_, text)| text);
        // What a program of ours wrote is not read twice; what merely looks like a program's name
        // may be part of the text.
        let whole = (ours.is_none() || self.programs.is_empty()).then(|| message.whole());
        ours.into_iter().chain(whole)
    }

    fn find_in(&self, text: &[u8]) -> Result<Option<Hit>, template::TooManySteps> {
        let first = text.first().map(|byte| &self.by_first_byte[usize::from(*byte)]);
        let head = Head::of(text);
        for index in first.unwrap_or(&self.open) {
            let line = &self.lines[*index];
            if !head.begins_with(line.head) {
                continue;
            }
            if let Some(Found { address, user }) = line.template.find(text)? {
                let user = user.map(|user| name(&text[user]));
                // Lines to ignore need not name anybody.
                let address = address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
                return Ok(Some(Hit { meaning: line.meaning, address, user, time: None }));
            }
        }
        if self.shapes.is_empty() || text.first() != Some(&b'{') {
            return Ok(None);
        }
        let Ok(object) = serde_json::from_slice::<Value>(text) else { return Ok(None) };
        let time = self.time.as_ref().and_then(|path| json::time(&object, path));
        for (meaning, shape) in &self.shapes {
            if let Some((address, user)) = shape.find(&object)? {
                let address = address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
                return Ok(Some(Hit { meaning: *meaning, address, user, time }));
            }
        }
        Ok(None)
    }
}

/// Returns a name as text; what is none is replaced.
fn name(bytes: &[u8]) -> CompactString {
    // Whole texts are copied at once.
    std::str::from_utf8(bytes)
        .map_or_else(|_| CompactString::from_utf8_lossy(bytes), CompactString::new)
}

/// Returns whether a program's name is the one meant: `postfix` means `postfix/smtpd` too, and
/// `wordpress` means `wordpress(example.com)`.
fn is_of(name: &[u8], program: &[u8]) -> bool {
    let next = || name.get(program.len());
    begins(name, program) && next().is_none_or(|next| matches!(next, b'/' | b'('))
}

impl RuleReader {
    /// Makes ready to read.
    pub fn new(rule: Rule, zone: TimeZone) -> Self {
        Self { rule, stamps: Stamps::anywhere(zone), too_slow: 0 }
    }

    /// Takes one line, without its end, and returns what it is. `given` is its time if that is known
    /// from elsewhere, as the journal's is.
    pub fn take(&mut self, line: &[u8], given: Option<i64>, now: i64) -> Judgement {
        let hit = match self.rule.find(line) {
            Ok(Some(hit)) => hit,
            Ok(None) => return Judgement::Nothing,
            Err(template::TooManySteps) => {
                self.too_slow += 1;
                return Judgement::Nothing;
            }
        };
        let at = given.or(hit.time).or_else(|| self.stamps.time_of(line, now));
        let who = Who::Address(hit.address);
        let telling = hit.meaning.telling;
        let sighting = Sighting { who, telling, at, user: hit.user, fields: Fields::default() };
        match hit.meaning.sense {
            Sense::Fail => Judgement::Failure(sighting),
            Sense::Ok => Judgement::Success(sighting),
            Sense::Ignore => Judgement::Ignored,
        }
    }

    /// Returns whether it is quick to tell that a line means nothing: by its program, or by the byte
    /// that its text begins with.
    pub(crate) fn is_quick(&self) -> bool {
        !self.rule.programs.is_empty() && self.rule.open.is_empty() && self.rule.shapes.is_empty()
    }

    /// Returns how many lines took too many steps to tell whether they match.
    pub fn too_slow(&self) -> u64 {
        self.too_slow
    }
}
