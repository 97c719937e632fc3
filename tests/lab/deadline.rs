//! Waiting for what has to happen, without hoping that it already has.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for what normally takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks: short against what is waited for, long against what a look costs.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns what `look` finds, as soon as it finds something.
///
/// # Panics
/// When `limit` passes first; `what` names the thing in the message.
pub fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(PAUSE);
    }
}
