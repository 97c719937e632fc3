//! One form of a time: a regular expression with `strptime`'s tokens.

use crate::python_regex::{Pattern, PatternError, Search};

use super::{AT_LINE, Clock, DateFound, field};

/// Seconds since 1970, at the beginning of a line, in brackets, or as the audit log has them.
const EPOCH: &str = r"\d{10,11}\b(?:\.\d{3,6})?";

/// The same with milliseconds or microseconds behind, without a point.
const LONG_EPOCH: &str = r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?";

/// Seconds of TAI64N, in hexadecimal digits (<https://cr.yp.to/libtai/tai64.html>).
const TAI64N: &str = "@[0-9a-f]{24}";

/// The mark of the year 1970 in TAI64. fail2ban leaves the ten seconds in that TAI is in front.
const TAI_AT_1970: i64 = 1 << 62;

/// A form of a time.
#[derive(Debug)]
pub(super) struct Template {
    pattern: Pattern,
    kind: Kind,
    /// Whether it holds the beginning or the end of a line.
    pub(super) is_held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fields,
    Seconds,
    LongSeconds,
    Tai,
}

impl Template {
    pub(super) fn new(form: &str) -> Result<Self, PatternError> {
        let (form, bounds) = match form.strip_prefix("{UNB}") {
            Some(form) => (form, Bounds::None),
            None => match form.strip_prefix(AT_LINE) {
                Some(form) => (form, Bounds::Line),
                None => (form, Bounds::Word),
            },
        };
        let upper = form.to_uppercase();
        let bare = upper.trim_start_matches('^');
        let (kind, regex) = match bare {
            "EPOCH" | "LEPOCH" => epoch(bare, bounds, form.starts_with('^')),
            "TAI64N" => (Kind::Tai, format!("({TAI64N})")),
            _ if upper.contains("{LEPOCH}") => (Kind::LongSeconds, with_epoch(form, LONG_EPOCH)),
            _ if upper.contains("{EPOCH}") => (Kind::Seconds, with_epoch(form, EPOCH)),
            _ => (Kind::Fields, with_group(&field::resolve(form))),
        };
        let regex = bounded(&regex, bounds, form.starts_with('^') && kind != Kind::Fields);
        let has_names = ["%a", "%A", "%b", "%B", "%p", "%c"].iter().any(|name| form.contains(name));
        let flags = if has_names { "(?i)" } else { "" };
        let begins = regex.starts_with('^') && !regex.starts_with("^|");
        let ends = regex.ends_with('$') && !regex.ends_with(r"\$");
        let pattern = Pattern::new(&format!("{flags}{regex}"), false)?;
        Ok(Self { pattern, kind, is_held: begins || ends })
    }

    pub(super) fn find(&self, line: &str, clock: &Clock, search: &mut Search) -> Option<DateFound> {
        // A line that takes too long has no time in this form.
        if !self.pattern.search(line, search).ok()? {
            return None;
        }
        let (start, end) = search.span(1).or_else(|| search.span(0))?;
        let text = &line[start..end];
        let at = match self.kind {
            _ if text.is_empty() => None,
            Kind::Fields => {
                let groups = self.pattern.groups().iter();
                let spans = groups.filter_map(|(number, name)| Some((name, search.span(*number)?)));
                let values = spans.map(|(name, (start, end))| (name.as_str(), &line[start..end]));
                field::time_of(values, clock)
            }
            Kind::Seconds => seconds(text),
            Kind::LongSeconds => seconds(text).map(|whole| long_seconds(text, whole)),
            Kind::Tai => tai(text),
        };
        Some(DateFound { start, end, at })
    }
}

/// What has to stand around a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bounds {
    None,
    /// The beginning of the line, with at most two signs in front.
    Line,
    /// The ends of words.
    Word,
}

fn epoch(bare: &str, bounds: Bounds, is_held: bool) -> (Kind, String) {
    let (kind, digits) =
        if bare == "LEPOCH" { (Kind::LongSeconds, LONG_EPOCH) } else { (Kind::Seconds, EPOCH) };
    let regex = if bounds == Bounds::Line || is_held {
        format!("({digits})")
    } else {
        format!(r"(?:^|(?<=^\[)|(?<=\baudit\())({digits})(?=\b)")
    };
    (kind, regex)
}

fn with_epoch(form: &str, digits: &str) -> String {
    let at = form.find('{').unwrap_or(0);
    let end = form[at..].find('}').map_or(form.len(), |end| at + end + 1);
    format!("({}(?:{digits}){})", &form[..at], &form[end..])
}

/// Makes the whole expression its first group, unless it has one of its own.
fn with_group(regex: &str) -> String {
    let bytes = regex.as_bytes();
    let opens = |at: usize| {
        let is_escaped = at > 0 && bytes[at - 1] == b'\\';
        bytes[at] == b'('
            && !is_escaped
            && bytes.get(at + 1) != Some(&b'?')
            && !regex[..at].ends_with("(?")
    };
    if (0..bytes.len()).any(opens) {
        return regex.to_owned();
    }
    let (start, inside) = regex.strip_prefix('^').map_or(("", regex), |inside| ("^", inside));
    let (inside, end) = match inside.strip_suffix('$') {
        Some(inside) if !inside.ends_with('\\') => (inside, "$"),
        _ => (inside, ""),
    };
    format!("{start}({inside}){end}")
}

/// Adds what has to stand around; `**` at an end says that anything may.
fn bounded(regex: &str, bounds: Bounds, hold: bool) -> String {
    let opened = regex.trim_start_matches('(');
    let is_free = opened.starts_with("**");
    let is_held = opened.starts_with('^') || opened.starts_with("?:^");
    let closed = regex.trim_end_matches(')');
    let is_closed = closed.ends_with("**")
        || [r"\b", r"\s", "$"].iter().any(|end| regex.ends_with(end) && !regex.ends_with(r"\$"));
    let before = match bounds {
        _ if hold => "^",
        Bounds::None => "",
        _ if is_free || is_held => "",
        Bounds::Line => r"^(?:\W{0,2})?",
        Bounds::Word => r"(?=^|\b|\W)",
    };
    let behind = if bounds == Bounds::None || is_closed { "" } else { r"(?=\b|\W|$)" };
    format!("{before}{}{behind}", regex.replace("**", ""))
}

fn seconds(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let start = text.find(|letter: char| letter.is_ascii_digit())?;
    let number = &text[start..];
    let digits = number.bytes().take_while(u8::is_ascii_digit).count().max(digits);
    number[..digits].parse().ok()
}

fn long_seconds(text: &str, number: i64) -> i64 {
    match text.bytes().filter(u8::is_ascii_digit).count() {
        0..=12 => number,
        16.. if !text.contains('.') => number / 1_000_000,
        _ => number / 1_000,
    }
}

fn tai(text: &str) -> Option<i64> {
    i64::from_str_radix(text.get(1..17)?, 16).ok()?.checked_sub(TAI_AT_1970)
}
