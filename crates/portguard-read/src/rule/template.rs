//! Templates of lines: text as a service writes it, with `{...}` for what differs.
//!
//! | part | takes |
//! | --- | --- |
//! | `{addr}` | an address, in brackets or not; an IPv4 address within an IPv6 one is that address |
//! | `{user}` | any text, as much as it can |
//! | `{any}` | any text, as little as it can |
//! | `{word}` | letters without a space, one or more, as few as it can |
//! | `{nonspace}` | letters without a space, as few as it can |
//! | `{quoted}` | what may stand between quotes: text without a `"` that has no `\` before it |
//! | `{number}` | digits |
//! | `{access}` | what stands before the request in a web server's access log |
//! | `{a|b}` | one of these texts |
//! | `{{` | a brace |
//!
//! A template holds both ends of its text. What a stranger may write stands in `{user}` or
//! `{quoted}`: the former ends at the last place where the rest fits, the latter cannot hold its own
//! end, so that no name makes somebody else the source.

mod access;

use std::{collections::BTreeSet, net::IpAddr, ops::Range};

use crate::{
    address,
    needle::{Head, begins},
    sieve::joined,
};

/// How many places one line may be tried at.
const MOST_STEPS: u32 = 20_000;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    OneOf(Vec<Vec<u8>>),
    Address,
    User,
    Any,
    Word,
    NonSpace,
    Quoted,
    Number,
    Access,
}

/// Why a text is no template.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A brace is not closed.
    #[error("`{{` in `{0}` has no end; a brace itself is written `{{{{`")]
    Open(String),
    /// `{...}` is nothing known.
    #[error("`{{{0}}}` is no part of a template")]
    Unknown(String),
    /// It would be open where one ends and the other begins.
    #[error("two parts that take any text stand side by side in `{0}`")]
    SideBySide(String),
    /// It names its source twice.
    #[error("`{0}` has two addresses")]
    TwoAddresses(String),
}

/// What a template found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub address: Option<IpAddr>,
    /// Where the user's name stands.
    pub user: Option<Range<usize>>,
}

/// A text was tried at too many places; whether it fits is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySteps;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let parts = parts(text)?;
        let is_open = |part: &Part| matches!(part, Part::User | Part::Any);
        if parts.windows(2).any(|two| two.iter().all(is_open)) {
            return Err(TemplateError::SideBySide(text.to_owned()));
        }
        let names_source = |part: &&Part| matches!(part, Part::Address | Part::Access);
        if parts.iter().filter(names_source).count() > 1 {
            return Err(TemplateError::TwoAddresses(text.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Returns whether it says where the address of the source stands.
    pub fn names_source(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Address | Part::Access))
    }

    /// Returns the bytes that texts begin with that fit; `None` if they may begin with any.
    pub fn first_bytes(&self) -> Option<BTreeSet<u8>> {
        let mut bytes = BTreeSet::new();
        for part in &self.parts {
            let texts = match part {
                Part::Text(text) => std::slice::from_ref(text),
                Part::OneOf(texts) => texts,
                _ => return None,
            };
            bytes.extend(texts.iter().filter_map(|text| text.first()));
            // Behind an empty one begins what follows.
            if !texts.iter().any(Vec::is_empty) {
                return Some(bytes);
            }
        }
        None
    }

    /// Returns what texts begin with that fit.
    pub(super) fn head(&self) -> Head {
        match self.parts.first() {
            Some(Part::Text(text)) => Head::of(text),
            _ => Head::default(),
        }
    }

    /// Returns texts of which every text that fits contains one; none if there are no such texts.
    pub(super) fn needed(&self) -> Vec<Vec<u8>> {
        let texts = |part: &Part| match part {
            Part::Text(text) => vec![text.clone()],
            Part::OneOf(texts) => texts.clone(),
            _ => Vec::new(),
        };
        let pairs = self.parts.windows(2).map(|two| joined(&texts(&two[0]), &texts(&two[1])));
        let all = pairs.chain(self.parts.iter().map(texts)).filter(|texts| !texts.is_empty());
        // Of those as rare, the last here is the first in the line: `Failed ` is in fewer lines than
        // ` from `.
        let rarity = |texts: &Vec<Vec<u8>>| texts.iter().map(|text| rarity(text)).min();
        all.collect::<Vec<_>>().into_iter().rev().max_by_key(rarity).unwrap_or_default()
    }

    /// Returns whether it may begin with any text at all.
    pub fn begins_open(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Any | Part::User | Part::Quoted))
    }

    /// Fits the template to a text.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn find(&self, text: &[u8]) -> Result<Option<Found>, TooManySteps> {
        let mut search = Search { text, steps: 0, found: Found::default() };
        let fits = search.fits(&self.parts, 0);
        if search.steps > MOST_STEPS {
            return Err(TooManySteps);
        }
        Ok(fits.then_some(search.found))
    }
}

fn parts(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        plain.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('{') {
            plain.push(b'{');
            rest = behind;
            continue;
        }
        let (name, behind) =
            rest.split_once('}').ok_or_else(|| TemplateError::Open(text.to_owned()))?;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(part(name)?);
        rest = behind;
    }
    plain.extend_from_slice(rest.as_bytes());
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

fn part(name: &str) -> Result<Part, TemplateError> {
    Ok(match name {
        "addr" => Part::Address,
        "user" => Part::User,
        "any" => Part::Any,
        "word" => Part::Word,
        "nonspace" => Part::NonSpace,
        "quoted" => Part::Quoted,
        "number" => Part::Number,
        "access" => Part::Access,
        texts if texts.contains('|') => {
            Part::OneOf(texts.split('|').map(|text| text.as_bytes().to_vec()).collect())
        }
        _ => return Err(TemplateError::Unknown(name.to_owned())),
    })
}

/// One attempt to fit a template to a text.
struct Search<'t> {
    text: &'t [u8],
    steps: u32,
    found: Found,
}

impl Search<'_> {
    fn fits(&mut self, parts: &[Part], at: usize) -> bool {
        self.steps += 1;
        let Some((part, behind)) = parts.split_first() else { return at == self.text.len() };
        if self.steps > MOST_STEPS {
            return false;
        }
        let rest = &self.text[at..];
        match part {
            Part::Text(text) => begins(rest, text) && self.fits(behind, at + text.len()),
            Part::OneOf(texts) => texts
                .iter()
                .any(|text| begins(&self.text[at..], text) && self.fits(behind, at + text.len())),
            Part::Address => self.fits_source(behind, at, address::read(rest)),
            Part::Access => {
                let head = access::read(rest);
                let user = head.as_ref().and_then(|head| head.user.clone());
                self.found.user = user.map(|user| at + user.start..at + user.end);
                self.fits_source(behind, at, head.map(|head| (head.address, head.length)))
            }
            Part::Number => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                digits > 0 && self.fits(behind, at + digits)
            }
            Part::Any => self.fits_behind(behind, at, rest.len()),
            Part::NonSpace => self.fits_behind(behind, at, until(rest, |byte| byte == b' ')),
            Part::Word => {
                let length = until(rest, |byte| byte == b' ');
                length > 0 && self.fits_behind(behind, at + 1, length - 1)
            }
            Part::Quoted => self.fits_behind(behind, at, quoted(rest)),
            Part::User => self.fits_user(behind, at),
        }
    }

    fn fits_source(&mut self, behind: &[Part], at: usize, read: Option<(IpAddr, usize)>) -> bool {
        let Some((address, length)) = read else { return false };
        self.found.address = Some(address);
        self.fits(behind, at + length)
    }

    /// Fits the other parts at the first place that is at most so far behind.
    fn fits_behind(&mut self, parts: &[Part], at: usize, most: usize) -> bool {
        if parts.is_empty() {
            return at + most == self.text.len();
        }
        let Some(Part::Text(text)) = parts.first() else {
            return (at..=at + most).any(|place| self.fits(parts, place));
        };
        let end = (at + most + text.len()).min(self.text.len());
        let mut place = at;
        while let Some(further) = first_of(&self.text[place..end], text) {
            place += further;
            if self.fits(parts, place) {
                return true;
            }
            place += 1;
        }
        false
    }

    /// Fits the other parts at the last place.
    fn fits_user(&mut self, parts: &[Part], at: usize) -> bool {
        let mut last = self.text.len();
        loop {
            let place = match parts.first() {
                Some(Part::Text(text)) => {
                    let end = (last + text.len()).min(self.text.len());
                    last_of(&self.text[at..end], text).map(|place| at + place)
                }
                _ => Some(last),
            };
            let Some(place) = place else { return false };
            if self.fits(parts, place) {
                self.found.user = Some(at..place);
                return true;
            }
            if place == at || self.steps > MOST_STEPS {
                return false;
            }
            last = place - 1;
        }
    }
}

/// Returns how rare a text is in logs, roughly: long ones are, and those with signs.
fn rarity(text: &[u8]) -> usize {
    let of_byte = |byte: &u8| match byte {
        b' ' | b'a'..=b'z' => 1,
        b'A'..=b'Z' | b'0'..=b'9' => 2,
        _ => 6,
    };
    text.iter().map(of_byte).sum()
}

/// Returns where a text stands for the first time in a line, which is too short for better ways to
/// pay.
fn first_of(line: &[u8], text: &[u8]) -> Option<usize> {
    let mark = mark(text);
    let mut from = mark;
    loop {
        let at = from + memchr::memchr(text[mark], line.get(from..)?)?;
        if begins(&line[at - mark..], text) {
            return Some(at - mark);
        }
        from = at + 1;
    }
}

/// Returns where a text stands for the last time in a line.
fn last_of(line: &[u8], text: &[u8]) -> Option<usize> {
    let mark = mark(text);
    let mut end = line.len().checked_sub(text.len() - mark)? + 1;
    while let Some(place) = memchr::memrchr(text[mark], &line[..end]) {
        if place >= mark && begins(&line[place - mark..], text) {
            return Some(place - mark);
        }
        end = place;
    }
    None
}

/// Returns the byte of a text that is looked for first: spaces are what lines have most of.
fn mark(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte != b' ').unwrap_or(0)
}

/// Returns how many bytes there are before one of a kind.
fn until(text: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| ends(*byte)).unwrap_or(text.len())
}

/// Returns how many bytes may stand between quotes.
fn quoted(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
