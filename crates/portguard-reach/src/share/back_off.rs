//! How long to wait before a provider is tried again.

use std::time::Duration;

/// Before the first further attempt: a restarted server is back within a second or two.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait: a provider that is down for hours costs a connection a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// A share that was up for this long begins with the first wait again; one that is thrown out at
/// once does not.
const STEADY: Duration = Duration::from_secs(60);

/// The waits between attempts: each twice as long as the one before, up to a minute.
#[derive(Clone, Debug)]
pub struct BackOff {
    next: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl BackOff {
    /// Returns how long to wait after an attempt that was up for `lived`.
    pub fn after(&mut self, lived: Duration) -> Duration {
        if lived >= STEADY {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew_after_a_steady_time() {
        let mut back_off = BackOff::default();
        let seconds =
            |back_off: &mut BackOff, lived| back_off.after(Duration::from_secs(lived)).as_secs();
        let waits: Vec<u64> = (0..8).map(|_| seconds(&mut back_off, 0)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(seconds(&mut back_off, 59), 60);
        assert_eq!(seconds(&mut back_off, 60), 1);
        assert_eq!(seconds(&mut back_off, 3), 2);
    }
}
