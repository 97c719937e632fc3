//! What a peer may ask: on the control socket by its user and groups, on the web face's socket by
//! what the face says of its user.

use std::os::fd::AsFd;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
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
    /// The web face's user, if there is one: it vouches for its own users' roles.
    pub(crate) web_uid: Option<u32>,
}

/// The web face's user, an entry of the package's `sysusers.d`.
pub(crate) const WEB_USER: &str = "portguard-web";

/// The header that says which role the web face's user has: `viewer` or `operator`.
const ROLE_HEADER: &str = "portguard-role";

/// The header that names the web face's user.
const USER_HEADER: &str = "portguard-user";

/// What tells the role behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The peer of the connection.
    Peer(Role),
    /// The headers of the request: the peer is the web face.
    Face,
}

/// What a peer may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Nothing.
    Nobody,
    /// Look at everything.
    Reader,
    /// Order, in this name.
    Operator(Author),
}

impl Roles {
    /// Returns what the peer of a connection to the control socket may ask.
    pub(crate) fn of(&self, stream: &impl AsFd) -> Trust {
        let peer = credentials::peer(stream);
        Trust::Peer(peer.map_or(Role::Nobody, |peer| self.for_credentials(&peer)))
    }

    /// Returns what tells the role of a peer of the web face's socket.
    pub(crate) fn of_face(&self, stream: &impl AsFd) -> Trust {
        match credentials::peer(stream) {
            Ok(peer) if self.is_face(peer.uid) => Trust::Face,
            _ => Trust::Peer(Role::Nobody),
        }
    }

    fn is_face(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own_uid || Some(uid) == self.web_uid
    }

    /// Returns whether a peer may order.
    pub(crate) fn may_order(&self, peer: &Credentials) -> bool {
        matches!(self.for_credentials(peer), Role::Operator(_))
    }

    fn for_credentials(&self, peer: &Credentials) -> Role {
        let is_in =
            |group: Option<u32>| group.is_some_and(|group| credentials::is_member(peer, group));
        if peer.uid == 0 || peer.uid == self.own_uid || is_in(self.operators) {
            Role::Operator(Author::Operator(peer.uid))
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
            Role::Operator(author) => Ok(Self(author)),
            Role::Reader | Role::Nobody => Err(Failure::not_permitted("order", "api.operators")),
        }
    }
}

fn role(parts: &Parts) -> Role {
    match parts.extensions.get() {
        Some(Trust::Peer(role)) => *role,
        Some(Trust::Face) => asserted(&parts.headers),
        None => Role::Nobody,
    }
}

/// Returns the role that the web face asserts. Whatever is missing, doubled or unknown is nobody.
fn asserted(headers: &HeaderMap) -> Role {
    let only = |name| {
        let mut all = headers.get_all(name).into_iter();
        let first = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(first)
    };
    match (only(ROLE_HEADER), only(USER_HEADER).and_then(|name| name.parse().ok())) {
        (Some("viewer"), _) => Role::Reader,
        (Some("operator"), Some(user)) => Role::Operator(Author::Web(user)),
        _ => Role::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uid: u32, groups: &[u32], expect: Role) {
        let roles = roles();
        let peer = Credentials { pid: 1, uid, gid: 1000, groups: groups.to_vec() };
        assert_eq!(roles.for_credentials(&peer), expect, "uid {uid} groups {groups:?}");
    }

    fn roles() -> Roles {
        Roles { readers: Some(10), operators: Some(20), own_uid: 7, web_uid: Some(30) }
    }

    #[test]
    fn the_peers_user_and_groups_decide() {
        let operator = |uid| Role::Operator(Author::Operator(uid));
        check(0, &[], operator(0));
        check(7, &[], operator(7));
        check(1000, &[20], operator(1000));
        check(1000, &[10], Role::Reader);
        check(1000, &[30], Role::Nobody);
        check(1000, &[], Role::Nobody);
    }
    #[test]
    fn only_the_web_face_may_vouch() {
        let roles = roles();
        for (uid, expect) in [(0, true), (7, true), (30, true), (1000, false), (20, false)] {
            assert_eq!(roles.is_face(uid), expect, "uid {uid}");
        }
        assert!(!Roles { web_uid: None, ..roles }.is_face(30));
    }

    #[test]
    fn what_the_web_face_says_of_its_user_decides() {
        let alice = Role::Operator(Author::Web("alice".parse().unwrap()));
        for (headers, expect) in [
            (&[][..], Role::Nobody),
            (&[(ROLE_HEADER, "viewer")], Role::Reader),
            (&[(ROLE_HEADER, "viewer"), (USER_HEADER, "alice")], Role::Reader),
            (&[(ROLE_HEADER, "operator"), (USER_HEADER, "alice")], alice),
            (&[(ROLE_HEADER, "operator")], Role::Nobody),
            (&[(ROLE_HEADER, "operator"), (USER_HEADER, "")], Role::Nobody),
            (&[(ROLE_HEADER, "operator"), (USER_HEADER, "a b")], Role::Nobody),
            (&[(ROLE_HEADER, "root"), (USER_HEADER, "alice")], Role::Nobody),
            (&[(ROLE_HEADER, "viewer"), (ROLE_HEADER, "operator")], Role::Nobody),
            (&[(USER_HEADER, "alice")], Role::Nobody),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(asserted(&map), expect, "{headers:?}");
        }
    }
}
