//! The times of lines, fast for those of the system log: lines of the same second have the same
//! beginning.

use jiff::{Timestamp, civil, tz::TimeZone};

use crate::fail2ban::date::{Clock, DateFinder};

/// Length of `Nov 20 10:11:12`.
const CLASSIC: usize = 15;

/// How much of a line is searched for another form of time, in bytes.
const HEAD: usize = 256;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads the times of lines.
#[derive(Debug)]
pub struct Stamps {
    zone: TimeZone,
    /// Where times are looked for that are written otherwise than the system log has them.
    others: Option<&'static str>,
    last: Option<([u8; CLASSIC], Option<i64>)>,
    /// Made when it is first needed: most logs have no such times.
    finder: Option<DateFinder>,
}

impl Stamps {
    /// Reads the times that lines begin with, in a zone.
    pub fn at_beginning(zone: TimeZone) -> Self {
        Self { zone, others: Some("{^LN-BEG}"), last: None, finder: None }
    }

    /// Reads times wherever they stand in a line's head, in a zone.
    pub fn anywhere(zone: TimeZone) -> Self {
        Self { zone, others: None, last: None, finder: None }
    }

    /// Returns the time of a line in seconds since 1970, read at `now`. One without a year is of the
    /// latest year in which it is not in the future.
    pub fn time_of(&mut self, line: &[u8], now: i64) -> Option<i64> {
        let Some(head) = line.first_chunk::<CLASSIC>().filter(|head| is_classic(head)) else {
            let head = String::from_utf8_lossy(&line[..line.len().min(HEAD)]);
            let clock = Clock { now, zone: self.zone.clone() };
            return self.finder()?.find(&format!("{head}\n"), &clock)?.at;
        };
        if let Some((_, at)) = self.last.as_ref().filter(|(last, _)| last == head) {
            return *at;
        }
        let at = self.classic(head, now);
        self.last = Some((*head, at));
        at
    }

    fn finder(&mut self) -> Option<&mut DateFinder> {
        if self.finder.is_none() {
            // The built-in forms compile; a test of theirs says so.
            self.finder = DateFinder::new(self.others).ok();
        }
        self.finder.as_mut()
    }

    fn classic(&self, head: &[u8; CLASSIC], now: i64) -> Option<i64> {
        let number = |at: usize| {
            let digits =
                [head[at], head[at + 1]].map(|byte| if byte == b' ' { b'0' } else { byte });
            let value =
                |byte: u8| i8::try_from(byte.wrapping_sub(b'0')).ok().filter(|one| *one < 10);
            Some(value(digits[0])? * 10 + value(digits[1])?)
        };
        let month = MONTHS.iter().position(|month| head.starts_with(*month))?;
        let month = i8::try_from(month).ok()? + 1;
        let (day, time) =
            (number(4)?, civil::Time::new(number(7)?, number(10)?, number(13)?.min(59), 0));
        let time = time.ok()?;
        let present = Timestamp::from_second(now).ok()?.to_zoned(self.zone.clone());
        // The 29th of February was up to eight years ago.
        let years = (present.year() - 8..=present.year()).rev();
        let moments = years.filter_map(|year| {
            let date = civil::Date::new(year, month, day).ok()?;
            let at = date.to_datetime(time).to_zoned(self.zone.clone()).ok()?;
            Some(at.timestamp().as_second())
        });
        moments.into_iter().find(|at| *at <= now)
    }
}

fn is_classic(head: &[u8; CLASSIC]) -> bool {
    head[3] == b' ' && head[6] == b' ' && head[9] == b':' && head[12] == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 14 August 2026, 10:00 UTC.
    const NOW: i64 = 1_786_701_600;

    fn check(line: &str, expected: Option<&str>) {
        let mut stamps = Stamps::at_beginning(TimeZone::UTC);
        for _ in 0..2 {
            let at = stamps.time_of(line.as_bytes(), NOW);
            let at = at.map(|at| Timestamp::from_second(at).unwrap().to_string());
            assert_eq!(at.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn times_are_read_in_each_form() {
        check("Aug 14 09:59:59 host kernel:", Some("2026-08-14T09:59:59Z"));
        check("Aug  4 09:59:59 host", Some("2026-08-04T09:59:59Z"));
        check("Aug 14 10:00:01 host", Some("2025-08-14T10:00:01Z"));
        check("Feb 29 10:00:00 host", Some("2024-02-29T10:00:00Z"));
        check("2026-08-14T09:59:59.123+02:00 host", Some("2026-08-14T07:59:59Z"));
        check("Abc 14 09:59:59 host", None);
        check("Aug 44 09:59:59 host", None);
        check("nothing", None);
    }
}
