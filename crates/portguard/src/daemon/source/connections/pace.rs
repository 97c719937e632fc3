//! How long is waited between two looks at the sockets. A connection may be short: when this host asked
//! for one, the next look comes soon, yet all looks together take a fiftieth of one processor at most.

use std::{
    thread,
    time::{Duration, Instant},
};

use portguard_linux::traffic::Asked;

/// How often the kernel's count of connections that were asked for is looked at. Once costs some 80 us
/// with the waking up: five times a second took the idle daemon over 0.1 % of a processor.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// After a look, with the search for owners in it, so many times its length passes before the next.
const REST: u32 = 49;

/// Paces the looks of one thread.
#[derive(Debug)]
pub(super) struct Pace {
    asked: Option<Asked>,
    count: Option<u64>,
    begun: Instant,
}

impl Pace {
    /// Without the kernel's count every wait takes its whole time.
    pub(super) fn new(asked: Option<Asked>) -> Self {
        Self { asked, count: None, begun: Instant::now() }
    }

    /// Says that a look begins.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
        // Before the look, so that nothing that it misses is missed here.
        self.count = self.count_now();
    }

    /// Waits for `limit`, or until this host has asked for a connection since the look began.
    pub(super) fn rest_until_asked(&self, limit: Duration) {
        let end = Instant::now() + limit;
        thread::sleep((self.begun.elapsed() * REST).max(NOTICE_EVERY).min(limit));
        while self.count_now() == self.count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(NOTICE_EVERY.min(left));
        }
    }

    fn count_now(&self) -> Option<u64> {
        self.asked.as_ref()?.count().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_that_is_asked_for_ends_the_wait() {
        let mut pace = Pace::new(Some(Asked::open().unwrap()));
        pace.begin();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // Longer than any test may take.
        pace.rest_until_asked(Duration::from_secs(100_000));
    }

    #[test]
    fn without_a_count_the_whole_time_is_waited() {
        let mut pace = Pace::new(None);
        pace.begin();
        let limit = Duration::from_millis(2);
        let begin = Instant::now();
        pace.rest_until_asked(limit);
        assert!(begin.elapsed() >= limit);
    }
}
