//! The one place where the program reads the clock and writes moments for people.

use std::time::{SystemTime, UNIX_EPOCH};

use portguard_core::{Timestamp, Until};

/// Returns the moment. A clock before 1970 counts as 1970.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Returns the moment as RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    let millis = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Returns the end as RFC 3339, `None` if there is none.
pub(crate) fn end(until: Until) -> Option<String> {
    until.moment().map(rfc3339)
}

/// Returns the whole seconds from `now` to the end, rounded up, `None` if there is none.
pub(crate) fn seconds_left(until: Until, now: Timestamp) -> Option<u64> {
    until.moment().map(|end| u64::try_from(end.since(now).as_millis().div_ceil(1000)).unwrap_or(0))
}
