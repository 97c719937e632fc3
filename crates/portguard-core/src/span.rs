//! Lengths of time as people write them: `90`, `90s`, `10m`, `1d12h`, `2w`, `1mo`, `1y`, `forever`.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// How long something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// This long.
    For(Duration),
    /// Until somebody ends it.
    Forever,
}

impl Span {
    /// Returns how long it is; the longest duration that there is, if it does not end by itself.
    pub const fn duration(self) -> Duration {
        match self {
            Self::For(length) => length,
            Self::Forever => Duration::MAX,
        }
    }
}

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpanError {
    /// Nothing was written.
    #[error("an empty text is no duration")]
    Empty,
    /// A number is missing where one belongs.
    #[error("`{0}` is no duration; write it like `90s`, `10m`, `1d12h` or `forever`")]
    Number(String),
    /// The unit is unknown.
    #[error("`{unit}` in `{text}` is no unit; units are s, m, h, d, w, mo, y")]
    Unit {
        /// The whole text.
        text: String,
        /// The part that is no unit.
        unit: String,
    },
    /// More than a thousand years.
    #[error("`{0}` is too long; write `forever`")]
    TooLong(String),
}

/// The units and their seconds, longest first; a month is 30 days, a year 365.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400),
    ("mo", 30 * 86_400),
    ("w", 7 * 86_400),
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
];

/// Longest span that is not `forever`: a thousand years.
const LONGEST_SECONDS: u64 = 1_000 * 365 * 86_400;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(SpanError::Empty);
        }
        if matches!(trimmed, "forever" | "-1") {
            return Ok(Self::Forever);
        }
        let mut rest = trimmed;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let number: u64 = number.parse().map_err(|_| SpanError::Number(text.to_owned()))?;
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let seconds = unit_seconds(unit).ok_or_else(|| SpanError::Unit {
                text: text.to_owned(),
                unit: if unit.is_empty() { tail.to_owned() } else { unit.to_owned() },
            })?;
            // A bare number is seconds only where it stands alone.
            if unit.is_empty() && number.to_string().len() != trimmed.len() && total > 0 {
                return Err(SpanError::Number(text.to_owned()));
            }
            total = number
                .checked_mul(seconds)
                .and_then(|part| total.checked_add(part))
                .filter(|sum| *sum <= LONGEST_SECONDS)
                .ok_or_else(|| SpanError::TooLong(text.to_owned()))?;
            rest = tail.trim_start();
        }
        Ok(Self::For(Duration::from_secs(total)))
    }
}

fn unit_seconds(unit: &str) -> Option<u64> {
    if unit.is_empty() {
        return Some(1);
    }
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds)
}

impl fmt::Display for Span {
    /// Writes the span so that it reads back the same, parts of a second dropped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::For(duration) = self else { return f.write_str("forever") };
        let mut seconds = duration.as_secs();
        if seconds == 0 {
            return f.write_str("0s");
        }
        // Months are no exact part of a year, so they are read but never written.
        for (name, unit) in UNITS.iter().filter(|(name, _)| *name != "mo") {
            if seconds >= *unit {
                write!(f, "{}{name}", seconds / unit)?;
                seconds %= unit;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let read = match text.parse::<Span>() {
            Ok(span) => span.to_string(),
            Err(why) => why.to_string(),
        };
        assert_eq!(read, expect, "{text}");
    }

    #[test]
    fn spans_read_as_people_write_them() {
        check("90", "1m30s");
        check("90s", "1m30s");
        check("10m", "10m");
        check("1d12h", "1d12h");
        check("2w", "2w");
        check("1mo", "4w2d");
        check("1y", "1y");
        check("0", "0s");
        check("1h 30m", "1h30m");
        check("forever", "forever");
        check("-1", "forever");
    }

    #[test]
    fn what_is_no_span_is_refused_by_name() {
        check("", "an empty text is no duration");
        check("h", "`h` is no duration; write it like `90s`, `10m`, `1d12h` or `forever`");
        check("10x", "`x` in `10x` is no unit; units are s, m, h, d, w, mo, y");
        check("1h30", "`1h30` is no duration; write it like `90s`, `10m`, `1d12h` or `forever`");
        check("1.5h", "`1.5h` is no duration; write it like `90s`, `10m`, `1d12h` or `forever`");
        check("2000y", "`2000y` is too long; write `forever`");
    }
}
