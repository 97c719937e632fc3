//! All lists together.

use crate::{List, Subject};

use super::roll::{Hold, Roll};

/// Every list's holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Register {
    protect: Roll,
    allow: Roll,
    ban: Roll,
    throttle_hard: Roll,
    throttle_soft: Roll,
    /// Bans that are limited to ports.
    pub(super) port_bans: Roll,
    /// Stands for the lists of doors, which hold no sources: always empty.
    nobody: Roll,
}

impl Register {
    pub(super) fn roll(&self, list: List) -> &Roll {
        match list {
            List::Protect => &self.protect,
            List::Allow => &self.allow,
            List::Ban => &self.ban,
            List::ThrottleHard => &self.throttle_hard,
            List::ThrottleSoft => &self.throttle_soft,
            List::Grant | List::Shut | List::Grace | List::Follow | List::Closed | List::Paused => {
                &self.nobody
            }
        }
    }

    pub(super) fn roll_mut(&mut self, list: List) -> &mut Roll {
        match list {
            List::Protect => &mut self.protect,
            List::Allow => &mut self.allow,
            List::Ban => &mut self.ban,
            List::ThrottleHard => &mut self.throttle_hard,
            List::ThrottleSoft => &mut self.throttle_soft,
            List::Grant | List::Shut | List::Grace | List::Follow | List::Closed | List::Paused => {
                &mut self.nobody
            }
        }
    }

    /// Returns the roll for a hold that is or is not limited to ports.
    pub(super) fn roll_for(&mut self, list: List, is_limited_to_ports: bool) -> &mut Roll {
        if is_limited_to_ports { &mut self.port_bans } else { self.roll_mut(list) }
    }

    /// Returns the protection that covers the subject.
    pub(super) fn protection(&self, subject: Subject) -> Option<(Subject, &Hold)> {
        self.protect.covering(subject)
    }

    /// Returns the allow entry that covers the subject.
    pub(super) fn allowance(&self, subject: Subject) -> Option<(Subject, &Hold)> {
        self.allow.covering(subject)
    }

    /// Returns whether the network contains somebody who is protected or allowed.
    pub(super) fn shelters(&self, network: Subject) -> bool {
        self.protect.holds().within(network).next().is_some()
            || self.allow.holds().within(network).next().is_some()
    }
}
