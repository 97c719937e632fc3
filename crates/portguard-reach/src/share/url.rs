//! Reads the address of a share from what a provider prints: text for people, with colours, decoys
//! and whatever else it likes.
//!
//! Only whole lines count, so that an address is never read in part; the buffer is one line.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Longest line that is kept, in bytes; of a longer one the rest is skipped. Providers write for
/// terminals of some hundred columns.
pub const LONGEST_LINE: usize = 4096;

/// Longest address, in bytes; a longer one is none. It fits a QR code that a phone can read.
pub const LONGEST_URL: usize = 512;

/// Most memory of a pattern, in bytes: a few hundred times what a pattern of an address needs.
const LARGEST_PATTERN: usize = 1 << 20;

/// What the address looks like that a provider prints.
#[derive(Clone)]
pub struct UrlPattern(Regex);

impl UrlPattern {
    /// Reads a regular expression (ASCII only: `\d` is a digit from 0 to 9).
    ///
    /// # Errors
    /// When it is none, or one that needs too much memory.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(text).unicode(false).size_limit(LARGEST_PATTERN).build().map(Self)
    }

    /// Returns the pattern of addresses of this host and of names below it.
    ///
    /// # Panics
    /// Never: the name is escaped.
    pub fn of_host(host: &str) -> Self {
        let host = regex::escape(host);
        let pattern = format!(r"https?://([a-zA-Z0-9-]+\.)*\[?{host}\]?(:[0-9]{{1,5}})?");
        Self::new(&pattern).expect("an escaped name is a pattern")
    }

    /// Returns the first address in a line.
    fn find(&self, line: &[u8], is_cut: bool) -> Option<String> {
        let found = self.0.find_iter(line).find(|found| {
            let (before, after) = (&line[..found.start()], &line[found.end()..]);
            let text = found.as_bytes();
            let is_url = text.starts_with(b"https://") || text.starts_with(b"http://");
            let is_plain = text.iter().all(u8::is_ascii_graphic) && text.len() <= LONGEST_URL;
            is_url && is_plain && begins(before) && ends(after, is_cut)
        })?;
        Some(String::from_utf8_lossy(found.as_bytes()).into_owned())
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlPattern({})", self.0.as_str())
    }
}

/// Returns whether an address may begin behind this text: not in the middle of another one.
fn begins(before: &[u8]) -> bool {
    before.last().is_none_or(|byte| matches!(byte, b' ' | b'"' | b'\'' | b'(' | b'<' | b'[' | b'|'))
}

/// Returns whether an address may end in front of this text: at a slash, at the end of a sentence or
/// of the line, but not where the name goes on.
fn ends(after: &[u8], is_cut: bool) -> bool {
    let after = after.strip_prefix(b"/").unwrap_or(after);
    let rest = after.strip_prefix(b".").unwrap_or(after);
    match rest.first() {
        None => !is_cut,
        Some(byte) => {
            matches!(byte, b' ' | b'"' | b'\'' | b')' | b'>' | b']' | b'|' | b',' | b';' | b'!')
        }
    }
}

/// Where in an escape sequence of a terminal (ECMA-48) the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// In none.
    No,
    /// Behind the escape character.
    Begun,
    /// In a control sequence: parameters, then one final byte.
    Control,
    /// In a string, such as a window's title.
    Text,
    /// In a string, behind an escape character that may end it.
    TextEnds,
}

/// Reads what a provider prints, piece by piece.
#[derive(Debug)]
pub struct UrlReader {
    pattern: UrlPattern,
    line: Vec<u8>,
    is_cut: bool,
    escape: Escape,
    newest: Option<String>,
}

impl UrlReader {
    /// Returns a reader that has read nothing.
    pub fn new(pattern: UrlPattern) -> Self {
        Self { pattern, line: Vec::new(), is_cut: false, escape: Escape::No, newest: None }
    }

    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take_byte(*byte);
        }
    }

    /// Looks at a line that is not finished; for when nothing has come for a while.
    pub fn settle(&mut self) {
        self.look();
    }

    /// Returns the newest address, unless it was returned before.
    pub fn take(&mut self) -> Option<String> {
        self.newest.take()
    }

    #[expect(clippy::match_same_arms, reason = "the order of the arms is that of the states")]
    fn take_byte(&mut self, byte: u8) {
        self.escape = match (self.escape, byte) {
            (Escape::Text, 0x1b) => Escape::TextEnds,
            (_, 0x1b) => Escape::Begun,
            // No sequence reaches beyond its line, so that an unfinished one hides nothing else.
            (_, b'\n' | b'\r') => {
                self.end_line();
                Escape::No
            }
            (Escape::No, byte) => {
                self.push(byte);
                Escape::No
            }
            (Escape::Begun, b'[') => Escape::Control,
            (Escape::Begun, b']' | b'P' | b'X' | b'^' | b'_') => Escape::Text,
            (Escape::Begun, 0x20..=0x2f) => Escape::Begun,
            (Escape::Control, 0x40..=0x7e) => {
                // All but colours, clearing and modes put what follows somewhere else.
                if !matches!(byte, b'm' | b'K' | b'h' | b'l') {
                    self.end_line();
                }
                Escape::No
            }
            (Escape::Control, _) => Escape::Control,
            (Escape::Text, 0x07) | (Escape::Begun | Escape::TextEnds, _) => Escape::No,
            (Escape::Text, _) => Escape::Text,
        };
    }

    fn push(&mut self, byte: u8) {
        let shown = match byte {
            b'\t' => b' ',
            0x20..=0x7e => byte,
            // Part of a letter that no address has.
            0x80.. => b'?',
            _ => return,
        };
        if self.line.len() < LONGEST_LINE {
            self.line.push(shown);
        } else {
            self.is_cut = true;
        }
    }

    fn end_line(&mut self) {
        self.look();
        self.line.clear();
        self.is_cut = false;
    }

    fn look(&mut self) {
        if let Some(url) = self.pattern.find(&self.line, self.is_cut) {
            self.newest = Some(url);
        }
    }
}

#[cfg(test)]
mod tests;
