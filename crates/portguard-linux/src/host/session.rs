//! Peers of live authenticated sessions over SSH.
//!
//! An open connection to sshd proves nothing: whoever guesses passwords has one. What counts is a
//! login record whose process lives, or a connection of an sshd process that runs a session.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use crate::holder::{self, Held, connections, processes};

use super::utmp;

/// Where the login records are.
const UTMP: &str = "/run/utmp";

/// Returns the peers of all live authenticated sessions. What can not be read counts as none.
pub fn ssh_peers() -> BTreeSet<IpAddr> {
    let mut peers: BTreeSet<IpAddr> = utmp::logins(&fs::read(UTMP).unwrap_or_default())
        .into_iter()
        .filter(|login| Path::new(&format!("/proc/{}", login.pid)).exists())
        .map(|login| login.peer)
        .collect();
    peers.extend(session_connections());
    peers
}

fn session_connections() -> BTreeSet<IpAddr> {
    let sessions: Vec<u32> = processes().filter(|pid| runs_a_session(*pid)).collect();
    if sessions.is_empty() {
        return BTreeSet::new();
    }
    let by_socket: BTreeMap<String, IpAddr> = connections()
        .unwrap_or_default()
        .into_iter()
        .map(|Held { inode, peer, .. }| (format!("socket:[{inode}]"), peer))
        .collect();
    let mut peers = BTreeSet::new();
    for pid in sessions {
        holder::holds(pid, |target| {
            peers.extend(by_socket.get(target));
            false
        });
    }
    peers
}

/// Returns whether a process is an SSH server's and runs an authenticated session.
fn runs_a_session(pid: u32) -> bool {
    // The command name is cheap to read and sorts out nearly every process.
    if !holder::command(pid).is_some_and(|name| is_server(&name)) {
        return false;
    }
    let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    is_session_title(&String::from_utf8_lossy(&title)) && runs_the_systems_server(pid)
}

/// Returns whether the program of a process is the system's SSH server: its name and title can be
/// chosen by any user, who could so protect whoever he is connected to.
fn runs_the_systems_server(pid: u32) -> bool {
    let path = format!("/proc/{pid}/exe");
    let program = fs::read_link(&path).unwrap_or_default();
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // The sessions of before an upgrade of the server go on with the program that was replaced.
    let is_named_so = is_server(name.strip_suffix(" (deleted)").unwrap_or(name));
    let (Ok(program), Some(user)) = (fs::metadata(&path), user(pid)) else { return false };
    is_named_so && (program.uid() == 0 || program.uid() != user)
}

/// Returns the effective user id of a process.
fn user(pid: u32) -> Option<u32> {
    // The owner of `/proc/PID` is no help: it is root's where a process hides its memory, as sshd's.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

/// Dropbear is not among them: it changes no title, so only its login records count.
fn is_server(name: &str) -> bool {
    matches!(name, "sshd" | "sshd-session")
}

/// Returns whether an sshd process's title names an authenticated user: `sshd: user@pts/0`,
/// `sshd-session: user@notty`, or `sshd: user` where no session is open (`ssh -N`).
///
/// Before authentication a word in brackets stands behind the name: `[net]`, `[priv]`,
/// `[accepted]`; `[priv]` stays in the title of the parent, which holds the same connection.
fn is_session_title(title: &str) -> bool {
    let title = title.trim_end_matches(['\0', ' ']);
    let words = title.strip_prefix("sshd: ").or_else(|| title.strip_prefix("sshd-session: "));
    words.is_some_and(|words| !words.is_empty() && !words.contains([' ', '[', ']', '\0']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_titles_of_authenticated_sessions_count() {
        for title in [
            "sshd: root@pts/0",
            "sshd: root@pts/0,pts/1",
            "sshd: alice@notty\0\0",
            "sshd: alice",
            "sshd: alice@corp.example@notty",
            "sshd: alice@corp.example@pts/1",
            "sshd-session: bob@pts/12",
        ] {
            assert!(is_session_title(title), "{title}");
        }
        for title in [
            "sshd: root [net]",
            "sshd: root [priv]",
            "sshd: [accepted]",
            "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
            "sshd: x@y [preauth]",
            "sshd: alice@corp.example [net]",
            "sshd: unknown [net]",
            "sshd-session: [accepted]",
            "sshd: a b@pts/0",
            "sshd: ",
            "sshd: [x@pts/0",
            "/usr/sbin/sshd -D",
            "",
        ] {
            assert!(!is_session_title(title), "{title}");
        }
    }
}
