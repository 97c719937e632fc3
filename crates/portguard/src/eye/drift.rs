//! Notices that the form of a log's lines has changed: a rule that matched matches no more.
//!
//! What is long for one log is short for another: a rule is compared with itself. A mail server's log
//! may have a failed log-in in every tenth line, a web server's one in a hundred thousand.

use std::time::Duration;

use portguard_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::so_many;
use crate::clock::rfc3339;

/// How long a rule is watched before anything is usual for it: nights are quiet.
const LONG: Duration = Duration::from_secs(86_400);

/// Fewer lines than these without a match say nothing: a silent service has changed nothing.
const MANY: u64 = 1_000;

/// A rule that has matched for long is told of at so many times the most lines that it ever passed over
/// between two matches ...
const FAR_BEYOND: u64 = 20;

/// ... and any rule at so many times, if its last match is long ago too.
const BEYOND: u64 = 2;

/// When a rule matched, and how many lines it passed over.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Drift {
    /// The first match, in milliseconds since 1970; `None` if there was none.
    #[serde(default)]
    first: Option<u64>,
    /// The last one.
    matched: Option<u64>,
    lines_since: u64,
    /// The most lines between two matches.
    #[serde(default)]
    longest: u64,
}

impl Drift {
    pub(crate) fn line(&mut self, is_match: bool, now: Timestamp) {
        if is_match {
            let now = now.as_millis();
            let longest = self.matched.map_or(0, |_| self.longest.max(self.lines_since));
            *self = Self {
                first: self.first.or(Some(now)),
                matched: Some(now),
                lines_since: 0,
                longest,
            };
        } else {
            self.lines_since = self.lines_since.saturating_add(1);
        }
    }

    /// Returns what is to be told, if so: a text that stays the same while such lines keep coming.
    pub(crate) fn told(&self, now: Timestamp) -> Option<String> {
        let first = Timestamp::from_millis(self.first.or(self.matched)?);
        let matched = Timestamp::from_millis(self.matched?);
        let has_passed =
            |times: u64| self.lines_since >= MANY.max(self.longest.saturating_mul(times));
        let is_long_ago = now.since(matched) >= LONG;
        let is_well_known = matched.since(first) >= LONG;
        let is_drift =
            (is_long_ago && has_passed(BEYOND)) || (is_well_known && has_passed(FAR_BEYOND));
        is_drift.then(|| {
            let (lines, last) = (so_many(self.lines_since), rfc3339(matched));
            format!("no match since {last} in {lines} lines: has the service changed their form?")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + seconds)
    }

    /// Returns a rule that passed over so many lines after each match, one match an hour.
    fn after(matches: u64, between: u64) -> Drift {
        let mut drift = Drift::default();
        for number in 0..matches {
            drift.line(true, at(number * 3_600));
            pass(&mut drift, between, number * 3_600);
        }
        drift
    }

    fn pass(drift: &mut Drift, lines: u64, seconds: u64) {
        for _ in 0..lines {
            drift.line(false, at(seconds));
        }
    }

    #[test]
    fn a_rule_that_never_matched_is_not_told_of() {
        let mut drift = Drift::default();
        pass(&mut drift, 2_000, 0);
        assert_eq!(drift.told(at(10 * DAY)), None);
    }

    #[test]
    fn a_rule_of_a_day_is_told_of_after_a_day_and_a_thousand_lines() {
        let mut drift = after(1, 999);
        assert_eq!(drift.told(at(10 * DAY)), None);
        pass(&mut drift, 1, 1);
        assert_eq!(drift.told(at(DAY - 1)), None);
        let told = drift.told(at(DAY)).unwrap();
        assert!(told.contains("1000 and more lines"), "{told}");
        pass(&mut drift, 5_000, DAY);
        assert_eq!(drift.told(at(2 * DAY)).unwrap(), told, "the same text while lines come");
        drift.line(true, at(2 * DAY));
        assert_eq!(drift.told(at(2 * DAY)), None);
    }

    #[test]
    fn a_rule_that_is_known_is_told_of_at_once_when_far_more_lines_pass_than_ever() {
        let mut drift = after(26, 100);
        let last = 25 * 3_600;
        pass(&mut drift, 1_899, last + 1);
        assert_eq!(drift.told(at(last + 1)), None);
        pass(&mut drift, 1, last + 1);
        assert!(drift.told(at(last + 1)).is_some());
    }

    #[test]
    fn a_rule_that_matches_seldom_is_not_told_of_for_that() {
        let mut drift = after(2, 50_000);
        assert_eq!(drift.told(at(10 * DAY)), None);
        pass(&mut drift, 50_000, DAY);
        assert!(drift.told(at(10 * DAY)).is_some());
    }

    #[test]
    fn what_was_kept_before_more_was_counted_is_read() {
        let kept: Drift = serde_json::from_str(r#"{"matched":1000,"lines_since":7}"#).unwrap();
        assert_eq!((kept.matched, kept.lines_since, kept.longest), (Some(1000), 7, 0));
    }
}
