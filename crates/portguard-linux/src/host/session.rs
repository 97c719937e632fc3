//! Peers of live authenticated sessions over SSH.
//!
//! An open connection to sshd proves nothing: whoever guesses passwords has one. What counts is a
//! login record whose process lives, or a connection of an sshd process that runs a session.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
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
    let is_server = |name: &str| matches!(name, "sshd" | "sshd-session" | "dropbear");
    if !holder::command(pid).is_some_and(|name| is_server(&name)) {
        return false;
    }
    // A name can be chosen by anybody; the program's file can not.
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let is_program = program.file_name().and_then(|name| name.to_str()).is_some_and(is_server);
    let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    is_program && is_session_title(&String::from_utf8_lossy(&title))
}

/// Returns whether an sshd process's title names a session: `sshd: user@pts/0`,
/// `sshd-session: user@notty`. Before authentication it ends in `[net]`, `[preauth]` or the like.
fn is_session_title(title: &str) -> bool {
    let title = title.trim_end_matches(['\0', ' ']);
    let session = title
        .strip_prefix("sshd: ")
        .or_else(|| title.strip_prefix("sshd-session: "))
        .and_then(|session| session.split_once('@'));
    session.is_some_and(|(user, terminal)| {
        let is_terminal = terminal == "notty" || terminal.starts_with("pts/");
        !user.is_empty() && !user.contains(['[', ' ']) && is_terminal
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_titles_of_authenticated_sessions_count() {
        for title in ["sshd: root@pts/0", "sshd: alice@notty\0\0", "sshd-session: bob@pts/12"] {
            assert!(is_session_title(title), "{title}");
        }
        for title in [
            "sshd: root [net]",
            "sshd: root [priv]",
            "sshd: [accepted]",
            "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
            "sshd: x@y [preauth]",
            "sshd: [x@pts/0",
            "/usr/sbin/sshd -D",
            "",
        ] {
            assert!(!is_session_title(title), "{title}");
        }
    }
}
