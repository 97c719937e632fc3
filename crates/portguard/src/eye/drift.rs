//! Notices that the form of a log's lines has changed: a rule that matched matches no more.

use std::time::Duration;

use portguard_core::Timestamp;
use serde::{Deserialize, Serialize};

/// A watch that matched before and has matched nothing for this long is told ...
const LONG: Duration = Duration::from_secs(86_400);

/// ... if so many lines came meanwhile: a silent service has changed nothing.
const MANY: u64 = 1_000;

/// When a rule matched last, and what came since.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Drift {
    /// In milliseconds since 1970; `None` if it never matched.
    matched: Option<u64>,
    lines_since: u64,
}

impl Drift {
    pub(crate) fn line(&mut self, is_match: bool, now: Timestamp) {
        if is_match {
            *self = Self { matched: Some(now.as_millis()), lines_since: 0 };
        } else {
            self.lines_since = self.lines_since.saturating_add(1);
        }
    }

    /// Returns what is to be told, if so.
    pub(crate) fn told(&self, now: Timestamp) -> Option<String> {
        let since = now.since(Timestamp::from_millis(self.matched?));
        (since >= LONG && self.lines_since >= MANY).then(|| {
            let days = since.as_secs() / 86_400;
            let lines = self.lines_since;
            format!("matched before, but nothing for {days}d in {lines} lines: has the service changed their form?")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rule_that_matched_and_saw_many_lines_since_is_told() {
        let at = |seconds: u64| Timestamp::from_secs(1_000_000 + seconds);
        let mut drift = Drift::default();
        for _ in 0..2_000 {
            drift.line(false, at(0));
        }
        assert_eq!(drift.told(at(1_000_000)), None);
        drift.line(true, at(0));
        for _ in 0..999 {
            drift.line(false, at(1));
        }
        assert_eq!(drift.told(at(1_000_000)), None);
        drift.line(false, at(2));
        assert_eq!(drift.told(at(86_399)), None);
        assert!(drift.told(at(200_000)).unwrap().contains("nothing for 2d in 1000 lines"));
        drift.line(true, at(200_001));
        assert_eq!(drift.told(at(200_002)), None);
    }
}
