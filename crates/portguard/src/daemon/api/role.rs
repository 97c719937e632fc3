//! What a peer of the control socket may ask, by its user and groups.

use std::os::fd::AsFd;

use axum::{extract::FromRequestParts, http::request::Parts};
use portguard_core::Author;
use portguard_linux::credentials::{self, Credentials};

use super::answer::Failure;

/// Who may read and who may order.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    /// Group whose members may read.
    pub(crate) readers: Option<u32>,
    /// Group whose members may order.
    pub(crate) operators: Option<u32>,
    /// The daemon's own user, which may order like root.
    pub(crate) own_uid: u32,
}

/// What a peer may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Nothing.
    Nobody,
    /// Look at everything.
    Reader,
    /// Order, in the name of this user.
    Operator(u32),
}

impl Roles {
    /// Returns what the peer of a connection may ask.
    pub(crate) fn of(&self, stream: &impl AsFd) -> Role {
        credentials::peer(stream).map_or(Role::Nobody, |peer| self.for_credentials(&peer))
    }

    /// Returns whether a peer may order.
    pub(crate) fn may_order(&self, peer: &Credentials) -> bool {
        matches!(self.for_credentials(peer), Role::Operator(_))
    }

    fn for_credentials(&self, peer: &Credentials) -> Role {
        let is_in =
            |group: Option<u32>| group.is_some_and(|group| credentials::is_member(peer, group));
        if peer.uid == 0 || peer.uid == self.own_uid || is_in(self.operators) {
            Role::Operator(peer.uid)
        } else if is_in(self.readers) {
            Role::Reader
        } else {
            Role::Nobody
        }
    }
}

/// Proves that the peer may read.
pub(crate) struct MayRead;

/// Proves that the peer may order, and in whose name.
pub(crate) struct MayOrder(pub(crate) Author);

impl<S: Sync> FromRequestParts<S> for MayRead {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match role(parts) {
            Role::Reader | Role::Operator(_) => Ok(Self),
            Role::Nobody => Err(Failure::not_permitted("read", "api.group")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for MayOrder {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match role(parts) {
            Role::Operator(uid) => Ok(Self(Author::Operator(uid))),
            Role::Reader | Role::Nobody => Err(Failure::not_permitted("order", "api.operators")),
        }
    }
}

fn role(parts: &Parts) -> Role {
    parts.extensions.get::<Role>().copied().unwrap_or(Role::Nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uid: u32, groups: &[u32], expect: Role) {
        let roles = Roles { readers: Some(10), operators: Some(20), own_uid: 7 };
        let peer = Credentials { pid: 1, uid, gid: 1000, groups: groups.to_vec() };
        assert_eq!(roles.for_credentials(&peer), expect, "uid {uid} groups {groups:?}");
    }

    #[test]
    fn the_peers_user_and_groups_decide() {
        check(0, &[], Role::Operator(0));
        check(7, &[], Role::Operator(7));
        check(1000, &[20], Role::Operator(1000));
        check(1000, &[10], Role::Reader);
        check(1000, &[30], Role::Nobody);
        check(1000, &[], Role::Nobody);
    }
}
