//! The one place where the program reads clocks and writes moments for people.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portguard_core::{Timestamp, Until};
use rustix::time::{ClockId, clock_gettime};

/// What the wall clock has to differ by to have jumped, in milliseconds. Less is a correction, which
/// changes no duration that matters.
const JUMP: i64 = 2_000;

/// How far our own reckoning is ahead of the time since boot, in milliseconds.
static AHEAD: OnceLock<AtomicI64> = OnceLock::new();

/// Returns the moment: the wall clock's when the program came up, and from then on by the time that
/// passed, so that a jump of the wall clock ends nothing early and nothing late.
pub(crate) fn now() -> Timestamp {
    let millis = since_boot().saturating_add(ahead().load(Ordering::Relaxed));
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Returns by how many milliseconds the wall clock jumped since the last time that it was followed;
/// forwards if above zero.
pub(crate) fn jumped() -> Option<i64> {
    jump(wall(), since_boot(), ahead().load(Ordering::Relaxed))
}

/// Follows a jump of the wall clock.
pub(crate) fn follow(jump: i64) {
    ahead().fetch_add(jump, Ordering::Relaxed);
}

/// Reckons from no earlier moment than this one: a clock that is behind what was written down before
/// is wrong.
pub(crate) fn begin_not_before(moment: Timestamp) {
    let least = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX).saturating_sub(since_boot());
    ahead().fetch_max(least, Ordering::Relaxed);
}

fn ahead() -> &'static AtomicI64 {
    AHEAD.get_or_init(|| AtomicI64::new(wall().saturating_sub(since_boot())))
}

fn jump(wall: i64, since_boot: i64, ahead: i64) -> Option<i64> {
    let difference = wall.saturating_sub(since_boot).saturating_sub(ahead);
    (difference.abs() >= JUMP).then_some(difference)
}

/// Returns the wall clock in milliseconds. One before 1970 counts as 1970.
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the time since boot, sleep included; for lengths of time, which no clock that can be set
/// may change.
pub(crate) fn uptime() -> Duration {
    Duration::from_millis(u64::try_from(since_boot()).unwrap_or(0))
}

/// Returns the time since boot in milliseconds, sleep included.
fn since_boot() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_is_a_jump() {
        let ahead = 1_000_000;
        for (wall, expected) in [
            (1_005_000, None),
            (1_006_999, None),
            (1_007_000, Some(2_000)),
            (1_003_001, None),
            (1_003_000, Some(-2_000)),
            (87_405_000, Some(86_400_000)),
        ] {
            assert_eq!(jump(wall, 5_000, ahead), expected, "{wall}");
        }
    }

    #[test]
    fn time_passes() {
        let before = now();
        while now() == before {}
        assert!(now() > before);
        assert_eq!(jumped(), None);
    }
}
