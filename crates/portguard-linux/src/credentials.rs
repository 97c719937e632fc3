//! Who is at the other end of a unix socket, as the kernel tells it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

/// A peer's identity when it connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process id; 0 if the peer is outside our process namespace.
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
    let [pid, uid, gid] = peer_process(socket)?;
    Ok(Credentials { pid: pid.cast_signed(), uid, gid, groups: peer_groups(socket)? })
}

/// Returns whether the peer is in the group, be it its primary one or another.
pub fn is_member(peer: &Credentials, group: u32) -> bool {
    peer.gid == group || peer.groups.contains(&group)
}

/// Returns the number of a group of `/etc/group`.
pub fn group_id(name: &str) -> Option<u32> {
    find_number(&std::fs::read_to_string("/etc/group").ok()?, name)
}

/// Returns the number of a user of `/etc/passwd`.
pub fn user_id(name: &str) -> Option<u32> {
    find_number(&std::fs::read_to_string("/etc/passwd").ok()?, name)
}

/// Returns the number of a name in the text of a file of users or groups, which both have it third
/// (passwd(5), group(5)).
fn find_number(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        found.then(|| fields.nth(1)?.parse().ok())?
    })
}

/// Room for the groups of nearly every process; the kernel says if it needs more.
const USUAL_GROUPS: usize = 64;

/// Most groups that Linux gives a process (`NGROUPS_MAX`, limits.h).
const MOST_GROUPS: usize = 65_536;

/// Returns the three fields of `struct ucred`: process, user and group id.
fn peer_process(socket: &impl AsFd) -> io::Result<[u32; 3]> {
    let mut fields = [0; 3];
    match read_option(socket, libc::SO_PEERCRED, &mut fields)? {
        Filled::All(3) => Ok(fields),
        // A socket of another family answers with something else, or not at all.
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn peer_groups(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; USUAL_GROUPS];
    loop {
        match read_option(socket, libc::SO_PEERGROUPS, &mut groups)? {
            Filled::All(count) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Filled::TooMany(count) if count <= MOST_GROUPS => groups.resize(count, 0),
            Filled::TooMany(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// What the kernel made of the room for a socket option's numbers.
enum Filled {
    /// It wrote this many.
    All(usize),
    /// It has this many, and wrote none.
    TooMany(usize),
}

fn read_option(socket: &impl AsFd, option: i32, room: &mut [u32]) -> io::Result<Filled> {
    let capacity = size_of_val(room);
    let mut length = libc::socklen_t::try_from(capacity).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for the length of the call, `room` is writable for `length`
    // bytes, the kernel writes no more than that, and any bytes are a `u32`.
    #[expect(unsafe_code, reason = "rustix has no SO_PEERGROUPS, and takes no process id of 0")]
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            room.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let count = length as usize / size_of::<u32>();
    if result == 0 {
        return Ok(Filled::All(count));
    }
    let error = io::Error::last_os_error();
    let is_too_many = error.raw_os_error() == Some(libc::ERANGE) && count > room.len();
    if is_too_many { Ok(Filled::TooMany(count)) } else { Err(error) }
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
        assert_eq!(find_number(text, "portguard"), Some(998));
        assert_eq!(find_number(text, "port"), None);
        assert_eq!(find_number(text, "broken"), None);
    }
}
