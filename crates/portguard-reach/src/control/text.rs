//! The lines of a control file: `open SERVICE [from ADDR] [for D]`, `close SERVICE [from ADDR]`.
//!
//! The bytes are a stranger's until they were judged: a line that can not be read costs itself
//! alone, and no more than a few of them are told of.

use std::{fmt, str};

use portguard_core::{Span, SpanError, Subject, SubjectError};

use crate::plain::plain;

/// Most orders of one file; further ones are faults. Each may be about thousands of ports.
pub const MOST_ORDERS: usize = 256;

/// How many faults of one file are told of one by one; the others are counted.
pub const MOST_FAULTS: usize = 20;

/// Longest word that a fault repeats, in characters.
const LONGEST_WORD: usize = 40;

/// What a line wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Open a service.
    Open,
    /// Close a service.
    Close,
}

/// A line that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, counted from 1.
    pub line: u32,
    /// What is wanted.
    pub act: Act,
    /// The service, as it is written.
    pub service: String,
    /// For whom; `None` for everybody.
    pub from: Option<Subject>,
    /// For how long it is opened.
    pub span: Span,
}

/// A line that can not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, counted from 1.
    pub line: u32,
    /// What is wrong with it.
    pub why: LineError,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has NUL or other control characters.
    #[error("has control characters")]
    Control,
    /// It is no UTF-8.
    #[error("is no UTF-8")]
    Utf8,
    /// It begins with something else.
    #[error("begins with `{0}`; a line is `open SERVICE` or `close SERVICE`")]
    Act(String),
    /// It names no service.
    #[error("names no service")]
    Service,
    /// Behind the service stands something else than `from ADDR` and `for D`.
    #[error("has `{0}` where `from ADDR` or `for D` can stand")]
    Clause(String),
    /// A word is there without what belongs behind it.
    #[error("ends after `{0}`")]
    Unfinished(&'static str),
    /// A clause is there twice.
    #[error("has `{0}` twice")]
    Twice(&'static str),
    /// The address is none.
    #[error("names no address")]
    Address(#[source] SubjectError),
    /// The duration is none.
    #[error("names no duration")]
    Span(#[source] SpanError),
    /// A service is closed until somebody opens it.
    #[error("closes for some time; only `open` takes `for`")]
    CloseFor,
    /// There are too many.
    #[error("is one of more than {MOST_ORDERS}")]
    Many,
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The lines that can be carried out, in their order.
    pub orders: Vec<Order>,
    /// The first lines that can not.
    pub faults: Vec<Fault>,
    /// How many more there are of those.
    pub more_faults: usize,
}

/// Reads a file's text, without its signature. Comments begin with `#`; blank lines, odd spaces,
/// CRLF, a byte order mark and capital letters in the words of the language are all the same.
pub fn read(text: &[u8]) -> Reading {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reading = Reading::default();
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let order = order(line, number).and_then(|order| match order {
            Some(_) if reading.orders.len() >= MOST_ORDERS => Err(LineError::Many),
            order => Ok(order),
        });
        match order {
            Ok(order) => reading.orders.extend(order),
            Err(why) if reading.faults.len() < MOST_FAULTS => {
                reading.faults.push(Fault { line: number, why });
            }
            Err(_) => reading.more_faults += 1,
        }
    }
    reading
}

fn order(line: &[u8], number: u32) -> Result<Option<Order>, LineError> {
    let line = str::from_utf8(line).map_err(|_| LineError::Utf8)?.trim();
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(LineError::Control);
    }
    let words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    let mut words = words.peekable();
    let Some(first) = words.next() else { return Ok(None) };
    let act = match first.to_ascii_lowercase().as_str() {
        "open" => Act::Open,
        "close" => Act::Close,
        _ => return Err(LineError::Act(short(first))),
    };
    // A service may have spaces in its name.
    let mut service = Vec::new();
    while let Some(word) = words.next_if(|word| !is_clause(word)) {
        service.push(word);
    }
    if service.is_empty() {
        return Err(LineError::Service);
    }
    let (mut from, mut span) = (None, None);
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            "from" => {
                let subject = words.next().ok_or(LineError::Unfinished("from"))?;
                let subject = subject.parse().map_err(LineError::Address)?;
                put(&mut from, subject, "from")?;
            }
            "for" if act == Act::Close => return Err(LineError::CloseFor),
            "for" => {
                let length = words.next().ok_or(LineError::Unfinished("for"))?;
                put(&mut span, length.parse().map_err(LineError::Span)?, "for")?;
            }
            _ => return Err(LineError::Clause(short(word))),
        }
    }
    let span = span.unwrap_or(Span::Forever);
    Ok(Some(Order { line: number, act, service: service.join(" "), from, span }))
}

fn is_clause(word: &str) -> bool {
    ["from", "for"].iter().any(|clause| word.eq_ignore_ascii_case(clause))
}

fn put<T>(place: &mut Option<T>, value: T, name: &'static str) -> Result<(), LineError> {
    match place.replace(value) {
        Some(_) => Err(LineError::Twice(name)),
        None => Ok(()),
    }
}

fn short(word: &str) -> String {
    plain(word).chars().take(LONGEST_WORD).collect()
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Close => "close",
        })
    }
}

/// The line as it is written in a file.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.act, short(&self.service))?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        match self.span {
            Span::For(_) => write!(f, " for {}", self.span),
            Span::Forever => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn check(text: &[u8], expected: &[&str]) {
        let Reading { orders, faults, .. } = read(text);
        let orders = orders.iter().map(|order| (order.line, format!("{}: {order}", order.line)));
        let faults = faults.iter().map(|fault| {
            let cause = fault.why.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            (fault.line, format!("{}! {}{cause}", fault.line, fault.why))
        });
        let mut found: Vec<(u32, String)> = orders.chain(faults).collect();
        found.sort();
        let found: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn lines_are_read_as_people_write_them() {
        check(b"open ssh\nclose vpn\n", &["1: open ssh", "2: close vpn"]);
        check(b"\xef\xbb\xbf  OPEN\tssh  \r\n\r\n# open vpn\r\n", &["1: open ssh"]);
        check(b"open ssh # for anna\n#\n   \nclose vpn#1", &["1: open ssh", "4: close vpn#1"]);
        check(
            b"open ssh from 192.0.2.7 for 2h\nOpen ssh For 90 From 2001:db8::/32",
            &["1: open ssh from 192.0.2.7 for 2h", "2: open ssh from 2001:db8::/32 for 1m30s"],
        );
        check(b"close ssh from 192.0.2.7", &["1: close ssh from 192.0.2.7"]);
        check("open\u{a0}ssh for forever".as_bytes(), &["1: open ssh"]);
        check(b"open my  vpn for 1h", &["1: open my vpn for 1h"]);
        check(b"", &[]);
    }

    #[test]
    fn a_line_that_is_none_costs_itself_alone() {
        check(
            b"open\nopen ssh\nallow ssh\nopen vpn\0\n\xff\xfe\nopen ssh for 1h now\nopen ssh from\n\
              open ssh from home\nopen ssh for ever\nclose ssh for 1h\nopen ssh for 1h for 2h\n\
              open a\x1b[2J b",
            &[
                "1! names no service",
                "2: open ssh",
                "3! begins with `allow`; a line is `open SERVICE` or `close SERVICE`",
                "4! has control characters",
                "5! is no UTF-8",
                "6! has `now` where `from ADDR` or `for D` can stand",
                "7! ends after `from`",
                "8! names no address: `home` is neither an address nor a network",
                "9! names no duration: `ever` is no duration; write it like `90s`, `10m`, `1d12h` or \
                 `forever`",
                "10! closes for some time; only `open` takes `for`",
                "11! has `for` twice",
                "12! has control characters",
            ],
        );
    }

    #[test]
    fn orders_and_faults_are_bounded() {
        let orders = read("open a\n".repeat(MOST_ORDERS + 30).as_bytes());
        assert_eq!((orders.orders.len(), orders.faults.len()), (MOST_ORDERS, MOST_FAULTS));
        assert_eq!(orders.more_faults, 10);
        let long = format!("{} x", "\u{e4}".repeat(60_000));
        let LineError::Act(word) = &read(long.as_bytes()).faults[0].why else { panic!("{long}") };
        assert_eq!(word.chars().count(), LONGEST_WORD);
    }
}
