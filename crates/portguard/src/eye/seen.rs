//! What was read of a log, counted for the views. Plain numbers: an eye belongs to one watch.

use portguard_core::Timestamp;

/// How much of a line is kept, in characters.
const LONGEST_LINE: usize = 1_000;

/// How many minutes are told apart.
const MINUTES: usize = 60;

/// What a watch has seen since the daemon came up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) lines: u64,
    pub(crate) failures: u64,
    pub(crate) offences: u64,
    /// The last line that told of a failure, as it came, and when.
    last: Option<(Vec<u8>, Timestamp)>,
    hour: LastHour,
}

/// Failures of the last hour, minute by minute.
#[derive(Clone, Debug)]
struct LastHour {
    counts: [u32; MINUTES],
    /// The newest minute, counted from the Unix epoch.
    newest: u64,
}

impl Default for LastHour {
    fn default() -> Self {
        Self { counts: [0; MINUTES], newest: 0 }
    }
}

impl Seen {
    /// Counts a line that told of a failure.
    pub(crate) fn fail(&mut self, line: &[u8], now: Timestamp) {
        self.failures += 1;
        self.hour.add(now);
        // Four bytes are the longest letter.
        let line = &line[..line.len().min(LONGEST_LINE * 4)];
        let (kept, at) = self.last.get_or_insert_with(|| (Vec::new(), now));
        kept.clear();
        kept.extend_from_slice(line);
        *at = now;
    }

    /// Returns the failures of the hour before `now`.
    pub(crate) fn failures_last_hour(&self, now: Timestamp) -> u64 {
        let mut hour = self.hour.clone();
        hour.go_on_to(now);
        hour.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Returns the last line that told of a failure, as it may be shown, and when it was read.
    pub(crate) fn last(&self) -> Option<(String, Timestamp)> {
        let (line, at) = self.last.as_ref()?;
        let letters = String::from_utf8_lossy(line);
        Some((letters.chars().take(LONGEST_LINE).map(visible).collect(), *at))
    }
}

impl LastHour {
    fn add(&mut self, now: Timestamp) {
        self.go_on_to(now);
        // A clock that was set back counts into the newest minute.
        let count = &mut self.counts[place(self.newest)];
        *count = count.saturating_add(1);
    }

    fn go_on_to(&mut self, now: Timestamp) {
        let minute = now.as_millis() / 60_000;
        let past = minute.saturating_sub(self.newest).min(MINUTES as u64);
        for behind in 0..past {
            self.counts[place(minute - behind)] = 0;
        }
        self.newest = self.newest.max(minute);
    }
}

fn place(minute: u64) -> usize {
    usize::try_from(minute % MINUTES as u64).unwrap_or_default()
}

/// Returns a letter that a page may show: control characters and what turns the direction of text
/// round become signs.
fn visible(letter: char) -> char {
    match letter {
        '\t' => ' ',
        // The control pictures of Unicode, in the same order.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + minute * 60)
    }

    #[test]
    fn failures_leave_the_last_hour_after_an_hour() {
        let mut seen = Seen::default();
        for (minute, expect) in [(0, 1), (0, 2), (30, 3), (59, 4), (60, 3), (89, 4), (90, 4)] {
            seen.fail(b"line", at(minute));
            assert_eq!(seen.failures_last_hour(at(minute)), expect, "minute {minute}");
        }
        assert_eq!(seen.failures_last_hour(at(149)), 1);
        assert_eq!(seen.failures_last_hour(at(150)), 0);
        assert_eq!(seen.failures_last_hour(at(1_000_000)), 0);
        assert_eq!(seen.failures, 7);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut seen = Seen::default();
        seen.fail(b"one", at(100));
        seen.fail(b"two", at(10));
        assert_eq!(seen.failures_last_hour(at(10)), 2);
        assert_eq!(seen.failures_last_hour(at(100)), 2);
    }

    #[test]
    fn the_last_line_is_short_and_shows_what_it_hides() {
        let mut seen = Seen::default();
        assert_eq!(seen.last(), None);
        seen.fail("\u{20ac}".repeat(5_000).as_bytes(), at(0));
        assert_eq!(seen.last().unwrap().0, "\u{20ac}".repeat(1_000));
        seen.fail(b"a\x1b[2Jb\tc\x00\xff\xe2\x80\xaed", at(1));
        let line = "a\u{241b}[2Jb c\u{2400}\u{fffd}\u{fffd}d".to_owned();
        assert_eq!(seen.last(), Some((line, at(1))));
    }
}
