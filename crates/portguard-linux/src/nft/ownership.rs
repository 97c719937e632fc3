//! Which changes of the table are our own, shared between the table and the monitor.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// How many finished helpers are remembered: far more than one monitor lags behind.
const REMEMBERED: usize = 64;

/// Knows the netlink ports that our own changes come from.
#[derive(Debug)]
pub struct Ownership {
    socket: u32,
    helpers: Mutex<VecDeque<Helper>>,
}

/// A spawned `nft`. Its process id is the number of its netlink port, and the kernel may give it to
/// somebody else afterwards; so it is ours only for the generations of the rule set that it could make.
#[derive(Debug)]
struct Helper {
    port_id: u32,
    after: u32,
    until: Option<u32>,
}

impl Ownership {
    pub(super) fn new(socket: u32) -> Self {
        Self { socket, helpers: Mutex::new(VecDeque::new()) }
    }

    /// Returns whether every change from this port is our own, whenever it was.
    pub(super) fn is_own_socket(&self, port_id: u32) -> bool {
        port_id == self.socket
    }

    /// Returns whether the change from this port that made `generation` is our own.
    pub(super) fn is_own(&self, port_id: u32, generation: u32) -> bool {
        self.is_own_socket(port_id)
            || self.helpers().iter().any(|helper| {
                helper.port_id == port_id
                    && is_later(generation, helper.after)
                    && helper.until.is_none_or(|until| !is_later(generation, until))
            })
    }

    /// Takes what a helper does after this generation for our own.
    pub(super) fn begin_helper(&self, port_id: u32, after: u32) {
        let mut helpers = self.helpers();
        helpers.truncate(REMEMBERED - 1);
        helpers.push_front(Helper { port_id, after, until: None });
    }

    /// Takes what has the helper's number after this generation for somebody else's.
    pub(super) fn end_helper(&self, port_id: u32, until: u32) {
        let mut helpers = self.helpers();
        if let Some(helper) = helpers.iter_mut().find(|helper| helper.port_id == port_id) {
            helper.until = Some(until);
        }
    }

    fn helpers(&self) -> std::sync::MutexGuard<'_, VecDeque<Helper>> {
        self.helpers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Generations are counted modulo 2^32.
fn is_later(generation: u32, than: u32) -> bool {
    generation.wrapping_sub(than).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_number_is_ours_only_while_our_helper_has_it() {
        let ownership = Ownership::new(77);
        ownership.begin_helper(500, 10);
        assert!(ownership.is_own(500, 11));
        ownership.end_helper(500, 11);

        assert!(ownership.is_own(500, 11));
        assert!(!ownership.is_own(500, 10));
        assert!(!ownership.is_own(500, 12));
        assert!(!ownership.is_own(501, 11));
        assert!(ownership.is_own(77, 99));
    }

    #[test]
    fn generations_wrap_around() {
        let ownership = Ownership::new(77);
        ownership.begin_helper(500, u32::MAX);
        assert!(ownership.is_own(500, 0));
        assert!(!ownership.is_own(500, u32::MAX));
    }
}
