//! `strptime`'s tokens: what they match, and the time that their values make.

use jiff::{Span, Timestamp, civil, tz::Offset};

use super::Clock;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Zones by their abbreviations, in minutes east of Greenwich.
const ZONES: [(&str, i32); 28] = [
    ("z", 0),
    ("utc", 0),
    ("gmt", 0),
    ("wet", 0),
    ("west", 60),
    ("bst", 60),
    ("cet", 60),
    ("met", 60),
    ("cest", 120),
    ("mest", 120),
    ("eet", 120),
    ("eest", 180),
    ("msk", 180),
    ("ist", 330),
    ("jst", 540),
    ("kst", 540),
    ("aest", 600),
    ("aedt", 660),
    ("est", -300),
    ("edt", -240),
    ("cst", -360),
    ("cdt", -300),
    ("mst", -420),
    ("mdt", -360),
    ("pst", -480),
    ("pdt", -420),
    ("akst", -540),
    ("akdt", -480),
];

/// Returns a form with its tokens as named groups.
pub(super) fn resolve(form: &str) -> String {
    let mut out = String::with_capacity(form.len() * 4);
    let mut rest = form;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        let length = if behind.starts_with("Ex") { 3 } else { 1 };
        let token = behind.get(..length).unwrap_or(behind);
        if let Some(regex) = meaning(token) {
            out.push_str(regex);
        } else {
            out.push('%');
            out.push_str(token);
        }
        rest = &behind[token.len()..];
    }
    out.push_str(rest);
    out
}

/// Returns what a token matches; `Ex` tokens have all their digits.
fn meaning(token: &str) -> Option<&'static str> {
    Some(match token {
        "%" => "%",
        "a" => "(?P<a>mon|tue|wed|thu|fri|sat|sun)",
        "A" => "(?P<A>monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
        "b" => "(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
        "B" => {
            "(?P<B>january|february|march|april|may|june|july|august|september|october|november|\
             december)"
        }
        "d" => "(?P<d>[1-2]\\d|[0 ]?[1-9]|3[0-1])",
        "Exd" => "(?P<d>[1-2]\\d|0[1-9]|3[0-1])",
        "m" => "(?P<m>0?[1-9]|1[0-2])",
        "Exm" => "(?P<m>0[1-9]|1[0-2])",
        "Y" => "(?P<Y>\\d{4})",
        "ExY" => "(?P<Y>20\\d{2})",
        "y" | "Exy" => "(?P<y>\\d{2})",
        "j" => "(?P<j>36[0-6]|3[0-5]\\d|[1-2]\\d\\d|0?[1-9]\\d|0{0,2}[1-9])",
        "H" => "(?P<H>[0-1]?\\d|2[0-3])",
        "ExH" => "(?P<H>[0-1]\\d|2[0-3])",
        "k" => " ?(?P<H>[0-2]?\\d)",
        "Exk" => " ?(?P<H>[0-1]?\\d|2[0-3])",
        "I" => "(?P<I>1[0-2]|0?[1-9])",
        "l" => " ?(?P<I>1?\\d)",
        "Exl" => " ?(?P<I>1[0-2]|\\d)",
        "M" => "(?P<M>[0-5]?\\d)",
        "ExM" => "(?P<M>[0-5]\\d)",
        "S" => "(?P<S>[0-5]?\\d|6[0-1])",
        "ExS" => "(?P<S>[0-5]\\d|6[0-1])",
        "f" => "(?P<f>\\d{1,6})",
        "p" => "(?P<p>am|pm)",
        "w" => "(?P<w>[0-6])",
        "z" => "(?P<z>Z|UTC|GMT|[+-][01]\\d(?::?\\d{2})?)",
        "Z" => "(?P<Z>Z|[A-Z]{3,5})",
        "Exz" => "(?P<z>(?:[A-Z](?:[A-Z]{2,4})?)?[+-][01]\\d(?::?\\d{2})?|[A-Z](?:[A-Z]{2,4})?)",
        "ExZ" => "(?P<Z>[A-Z](?:[A-Z]{2,4})?)",
        _ => return None,
    })
}

/// The values of tokens.
#[derive(Default)]
struct Fields {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    day_of_year: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    half_day: bool,
    is_afternoon: bool,
    /// Seconds east of Greenwich.
    offset: Option<i32>,
}

/// Returns the time that tokens with these values make, in seconds since 1970.
///
/// A missing year is the present one, or the last one if the time were more than a day ahead; a
/// missing day is today, or yesterday.
pub(super) fn time_of<'a>(
    tokens: impl Iterator<Item = (&'a str, &'a str)>,
    clock: &Clock,
) -> Option<i64> {
    let mut fields = Fields::default();
    for (token, value) in tokens {
        fields.take(token, value)?;
    }
    fields.time(clock)
}

impl Fields {
    fn take(&mut self, token: &str, value: &str) -> Option<()> {
        let value = value.trim();
        match token {
            "Y" => self.year = Some(value.parse().ok().filter(|year| *year > 0)?),
            "y" => self.year = Some(2_000 + value.parse::<i16>().ok()?),
            "m" => self.month = Some(value.parse().ok()?),
            "b" | "B" => {
                let name = value.get(..3)?.to_lowercase();
                let index = MONTHS.iter().position(|month| *month == name)?;
                self.month = Some(i8::try_from(index).ok()? + 1);
            }
            "d" => self.day = Some(value.parse().ok()?),
            "j" => self.day_of_year = Some(value.parse().ok()?),
            "H" => self.hour = value.parse().ok()?,
            "I" => {
                self.hour = value.parse().ok()?;
                self.half_day = true;
            }
            "p" => self.is_afternoon = value.eq_ignore_ascii_case("pm"),
            "M" => self.minute = value.parse().ok()?,
            // A leap second is the last one of its minute.
            "S" => self.second = value.parse::<i8>().ok()?.min(59),
            "z" | "Z" => self.offset = Some(offset(value)?),
            _ => {}
        }
        Some(())
    }

    fn time(&self, clock: &Clock) -> Option<i64> {
        let now = clock.moment();
        let today = now.to_zoned(clock.zone.clone()).date();
        let hour = match (self.half_day, self.is_afternoon) {
            (false, _) => self.hour,
            (true, false) => self.hour % 12,
            (true, true) => self.hour % 12 + 12,
        };
        let time = civil::Time::new(hour, self.minute, self.second, 0).ok()?;
        let year = self.year.unwrap_or(today.year());
        let date = match (self.month, self.day, self.day_of_year) {
            (Some(month), day, _) => civil::Date::new(year, month, day.unwrap_or(1)).ok()?,
            (None, _, Some(day)) => {
                let first = civil::Date::new(year, 1, 1).ok()?;
                first.checked_add(Span::new().days(i64::from(day) - 1)).ok()?
            }
            (None, Some(day), None) => civil::Date::new(year, today.month(), day).ok()?,
            (None, None, None) => {
                let at = self.moment(today.to_datetime(time), clock)?;
                let yesterday = today.yesterday().ok()?.to_datetime(time);
                return if at > now { self.moment(yesterday, clock) } else { Some(at) }
                    .map(Timestamp::as_second);
            }
        };
        let at = self.moment(date.to_datetime(time), clock)?;
        if self.year.is_none() && at.as_second() > clock.now + 24 * 3600 {
            let last = civil::Date::new(year - 1, date.month(), date.day()).ok()?;
            return self.moment(last.to_datetime(time), clock).map(Timestamp::as_second);
        }
        Some(at.as_second())
    }

    fn moment(&self, at: civil::DateTime, clock: &Clock) -> Option<Timestamp> {
        match self.offset {
            Some(seconds) => Offset::from_seconds(seconds).ok()?.to_timestamp(at).ok(),
            None => Some(at.to_zoned(clock.zone.clone()).ok()?.timestamp()),
        }
    }
}

/// Returns a zone's seconds east of Greenwich: `Z`, `CET`, `+0100`, `-01:30`, `UTC+02`.
fn offset(zone: &str) -> Option<i32> {
    let sign = zone.find(['+', '-']).unwrap_or(zone.len());
    let (name, digits) = zone.split_at(sign);
    let name = name.to_lowercase();
    let base = match ZONES.iter().find(|(known, _)| *known == name) {
        Some((_, minutes)) => *minutes,
        None if name.is_empty() => 0,
        None => return None,
    };
    let numbers: String = digits.chars().filter(char::is_ascii_digit).collect();
    let part = |range: std::ops::Range<usize>| match numbers.get(range) {
        Some(text) => text.parse::<i32>().ok(),
        None => Some(0),
    };
    let minutes = part(0..2)? * 60 + part(2..4)?;
    Some((base + if digits.starts_with('-') { -minutes } else { minutes }) * 60)
}
