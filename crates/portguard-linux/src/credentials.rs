//! Who is at the other end of a unix socket, as the kernel tells it.

use std::{io, os::fd::AsFd, os::fd::AsRawFd as _};

use rustix::net::sockopt;

/// A peer's identity when it connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
}

/// Returns who connected (`SO_PEERCRED`, `SO_PEERGROUPS`; unix(7)).
///
/// # Errors
/// When the socket is no connected unix socket.
pub fn peer(socket: &impl AsFd) -> io::Result<Credentials> {
    let peer = sockopt::socket_peercred(socket)?;
    Ok(Credentials {
        pid: peer.pid.as_raw_nonzero().get(),
        uid: peer.uid.as_raw(),
        gid: peer.gid.as_raw(),
        groups: peer_groups(socket)?,
    })
}

/// Returns whether the peer is in the group, be it its primary one or another.
pub fn is_member(peer: &Credentials, group: u32) -> bool {
    peer.gid == group || peer.groups.contains(&group)
}

/// Returns the number of a group of `/etc/group`.
pub fn group_id(name: &str) -> Option<u32> {
    find_group(&std::fs::read_to_string("/etc/group").ok()?, name)
}

/// Returns the number of a group in the text of a group file (group(5)).
fn find_group(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        found.then(|| fields.nth(1)?.parse().ok())?
    })
}

/// Most groups that Linux gives a process (`NGROUPS_MAX`, limits.h).
const MOST_GROUPS: usize = 65_536;

fn peer_groups(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 64];
    loop {
        let capacity = std::mem::size_of_val(groups.as_slice());
        let mut length = libc::socklen_t::try_from(capacity).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open for the length of the call, `groups` is writable for
        // `length` bytes, and the kernel writes no more than that.
        #[expect(unsafe_code, reason = "no crate in use wraps SO_PEERGROUPS")]
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let error = io::Error::last_os_error();
        let count = length as usize / size_of::<u32>();
        match (result, error.raw_os_error()) {
            (0, _) => {
                groups.truncate(count);
                return Ok(groups);
            }
            (_, Some(libc::ERANGE)) if count > groups.len() && count <= MOST_GROUPS => {
                groups.resize(count, 0);
            }
            _ => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = peer(&one).unwrap();
        assert_eq!(peer.pid, i32::try_from(std::process::id()).unwrap());
        assert_eq!(peer.uid, rustix::process::getuid().as_raw());
        assert!(is_member(&peer, peer.gid));
        assert!(!is_member(&peer, 4_000_000_000));
    }

    #[test]
    fn groups_are_found_by_name() {
        let text = "root:x:0:\nportguard:x:998:alice,bob\nbroken\n";
        assert_eq!(find_group(text, "portguard"), Some(998));
        assert_eq!(find_group(text, "port"), None);
        assert_eq!(find_group(text, "broken"), None);
    }
}
