//! Becoming somebody who may do less.
//!
//! Linux has these for single threads: they are called before there is a second one.

use std::{fs, io, path::Path};

use rustix::{
    fs::{Gid, Uid, chown},
    process::{getgid, getuid},
    thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::credentials;

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Returns a user of `/etc/passwd`.
pub fn user(name: &str) -> Option<User> {
    find_user(&fs::read_to_string("/etc/passwd").ok()?, name)
}

fn find_user(text: &str, name: &str) -> Option<User> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let mut numbers = fields.skip(1).map(|field| field.parse().ok());
        found.then(|| Some(User { uid: numbers.next()??, gid: numbers.next()?? }))?
    })
}

/// Returns whose a file or folder is.
///
/// # Errors
/// When it is not there.
pub fn owner(path: &Path) -> io::Result<User> {
    use std::os::unix::fs::MetadataExt as _;
    let data = fs::metadata(path)?;
    Ok(User { uid: data.uid(), gid: data.gid() })
}

/// Returns whether this process is root.
pub fn is_root() -> bool {
    getuid().is_root()
}

/// Gives a file or folder to a user.
///
/// # Errors
/// When the kernel refuses.
pub fn give(path: &Path, user: User) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    Ok(chown(path, Some(uid), Some(gid))?)
}

/// Becomes a user, in the groups of these names and no others, for good: with the user id go all
/// capabilities (capabilities(7)), and no program gives any back.
///
/// # Errors
/// When the kernel refuses; whatever was changed before stays, so that the caller has to end.
pub fn become_user(user: User, groups: &[&str]) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups = groups.iter().filter_map(|name| credentials::group_id(name));
    let groups: Vec<Gid> = groups.map(Gid::from_raw).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    give_up_privileges()?;
    if getuid() == uid && getgid() == gid { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
}

/// Forgoes what set-user-id programs could give.
///
/// # Errors
/// When the kernel refuses.
pub fn give_up_privileges() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:7:8::/:/usr/sbin/nologin\n";
        assert_eq!(find_user(text, "web"), Some(User { uid: 7, gid: 8 }));
        assert_eq!(find_user(text, "root"), Some(User { uid: 0, gid: 0 }));
        assert_eq!(find_user(text, "broken"), None);
        assert_eq!(find_user(text, "we"), None);
    }
}
