//! Whose a socket is: the process that has it open, its program, user, unit and container.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use portguard_core::Owner;

use crate::holder::{command, holds, processes};

/// How many letters of a container's long number are shown, as its own tools do.
const SHORT: usize = 12;

/// The processes that have certain sockets open.
pub(super) struct Owners(BTreeMap<u32, BTreeSet<u32>>);

impl Owners {
    /// Looks through the descriptors of all processes for these sockets, once.
    pub(super) fn of(inodes: impl Iterator<Item = u32>) -> Self {
        let wanted: BTreeMap<String, u32> =
            inodes.map(|inode| (format!("socket:[{inode}]"), inode)).collect();
        let mut found: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for pid in processes() {
            holds(pid, |target| {
                if let Some(inode) = wanted.get(target) {
                    found.entry(*inode).or_default().insert(pid);
                }
                false
            });
        }
        Self(found)
    }

    /// Returns the owner of a socket, with the user that is known of it already.
    ///
    /// Of several processes the oldest one: workers inherit what their master opened. A socket that
    /// systemd keeps for a service is the service's as soon as that runs.
    pub(super) fn get(&self, inode: u32, known: &Owner) -> Option<Owner> {
        let holders = self.0.get(&inode)?;
        let pid = holders.iter().find(|pid| **pid != 1).or_else(|| holders.first())?;
        owner_of(*pid, known.user.clone())
    }
}

impl Owners {
    /// Returns the owner of a socket with the user that its process runs as. Of several processes
    /// the newest: a session's own process came after the one that accepts.
    pub(super) fn with_own_user(&self, inode: u32) -> Option<Owner> {
        process(*self.0.get(&inode)?.last()?)
    }
}

/// Returns what is known of a process as an owner, with the user that it runs as; `None` if it is gone.
pub(crate) fn process(pid: u32) -> Option<Owner> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let user = ids.split_whitespace().nth(1)?.parse().ok()?;
    owner_of(pid, unnamed(user).user)
}

/// Returns an owner of whom only the user is known.
pub(super) fn unnamed(user: u32) -> Owner {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = user_name(&passwd, user).map_or_else(|| user.to_string().into(), Arc::from);
    Owner { pid: None, name: "".into(), exe: None, user, unit: None, container: None }
}

/// Returns what is known of a process as an owner; `None` if it is gone.
pub(crate) fn owner_of(pid: u32, user: Arc<str>) -> Option<Owner> {
    let name = command(pid)?;
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let exe = exe.and_then(|path| {
        let path = path.to_str()?;
        // The program may have been replaced by an upgrade while it runs.
        Some(Arc::from(path.strip_suffix(" (deleted)").unwrap_or(path)))
    });
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    Some(Owner {
        pid: Some(pid),
        name: name.into(),
        exe,
        user,
        unit: unit(&groups).map(Arc::from),
        container: container(&groups).map(Arc::from),
    })
}

/// Returns the name of a user in the text of a user file (passwd(5)).
fn user_name(passwd: &str, user: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then_some(name)
    })
}

/// Returns the innermost systemd unit in the text of `/proc/PID/cgroup` (cgroups(7)).
fn unit(groups: &str) -> Option<&str> {
    let is_unit = |part: &&str| {
        let extension = Path::new(part).extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("service" | "scope"))
    };
    groups.lines().find_map(|line| line.rsplit('/').find(is_unit))
}

/// Returns the container that a process runs in, from the text of `/proc/PID/cgroup`.
fn container(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| {
        let parts: Vec<&str> = line.split('/').collect();
        parts.iter().enumerate().rev().find_map(|(index, part)| {
            let before = index.checked_sub(1).map_or("", |before| parts[before]);
            container_part(before, part)
        })
    })
}

/// Returns the container that one part of a control group's path names.
fn container_part<'a>(before: &str, part: &'a str) -> Option<&'a str> {
    let scope = part.strip_suffix(".scope").unwrap_or(part);
    let prefixes = ["docker-", "libpod-", "crio-", "cri-containerd-", "lxc.payload.", "machine-"];
    if let Some(name) = prefixes.iter().find_map(|prefix| scope.strip_prefix(prefix)) {
        return Some(short(name));
    }
    matches!(before, "docker" | "lxc" | "libpod_parent").then(|| short(part))
}

fn short(name: &str) -> &str {
    let is_number = name.len() >= 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { &name[..SHORT] } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_and_the_container_are_named() {
        let id = "0123456789abcdef".repeat(4);
        for (groups, expected_unit, expected_container) in [
            ("0::/system.slice/nginx.service", Some("nginx.service"), None),
            ("0::/user.slice/user-0.slice/session-3.scope", Some("session-3.scope"), None),
            ("0::/", None, None),
            (
                &format!("0::/system.slice/docker-{id}.scope"),
                Some(&*format!("docker-{id}.scope")),
                Some("0123456789ab"),
            ),
            (&format!("4:memory:/docker/{id}"), None, Some("0123456789ab")),
            ("0::/lxc/web", None, Some("web")),
            ("0::/lxc.payload.web/system.slice/cron.service", Some("cron.service"), Some("web")),
        ] {
            assert_eq!(unit(groups), expected_unit, "{groups}");
            assert_eq!(container(groups), expected_container, "{groups}");
        }
    }

    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n";
        assert_eq!(user_name(passwd, 33), Some("www-data"));
        assert_eq!(user_name(passwd, 7), None);
    }
}
