//! The report socket: services hand over the connection that they accepted, with what its peer did.
//! Who the peer is, the kernel says (`getpeername(2)` on the socket that came by `SCM_RIGHTS`), not
//! the service and not the peer.
//!
//! A message is one packet (`SOCK_SEQPACKET`, unix(7)): `WORD [service=NAME] [user=TEXT]`, the user
//! last; the word is `failed`, `ok` or `abusive`. The answer is `ok`, or `no: ` and why.

use std::{
    fs,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::{IpAddr, SocketAddr},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    cmsg_space,
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
        bind, connect, getpeername, getsockname, listen, recvmsg, send, sendmsg, socket_with,
        sockopt::socket_type,
    },
};

use crate::credentials::{self, Credentials};

/// Most services that are connected at a time; the one that connected first has to go.
const MOST_PEERS: usize = 256;

/// The longest message, in bytes.
const LONGEST: usize = 1_024;

/// Longest names of services and users, in bytes.
const LONGEST_NAME: usize = 64;

/// How many connections the kernel keeps waiting.
const BACKLOG: i32 = 64;

/// State of a listening socket in `/proc/net/tcp` (`TCP_LISTEN`, `net/tcp_states.h`).
const LISTENS: &str = "0A";

/// What the peer of a connection did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It failed to prove who it is.
    Failed,
    /// It proved it.
    Ok,
    /// It did what nobody honest does.
    Abusive,
}

/// A report as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the peer did.
    pub deed: Deed,
    /// Which service says so.
    pub service: String,
    /// The name by which the peer tried.
    pub user: Option<String>,
    /// Who it is, if no socket comes with it.
    pub address: Option<IpAddr>,
}

/// A report that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it says.
    pub message: Message,
    /// Whose connection it was.
    pub source: IpAddr,
    /// The user who reports.
    pub reporter: u32,
}

/// What a service may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Nothing.
    Nobody,
    /// Connections that it hands over.
    Sockets,
    /// Addresses too, as it could ban them as well.
    Addresses,
}

/// The socket with those who are connected.
#[derive(Debug)]
pub struct ReportSocket {
    path: PathBuf,
    listener: OwnedFd,
    peers: Vec<(OwnedFd, Credentials)>,
}

impl ReportSocket {
    /// Opens the socket; everybody may connect.
    ///
    /// # Errors
    /// When the path can not be taken.
    pub fn open(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        bind(&listener, &SocketAddrUnix::new(path)?)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        listen(&listener, BACKLOG)?;
        Ok(Self { path: path.to_owned(), listener, peers: Vec::new() })
    }

    /// Waits for reports, for so long at most, and hands each over that its service may make.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub fn wait(
        &mut self,
        span: Duration,
        trust: &dyn Fn(&Credentials) -> Trust,
        take: &mut dyn FnMut(Report),
    ) -> io::Result<()> {
        let span = Timespec::try_from(span).map_err(io::Error::other)?;
        let sockets = std::iter::once(&self.listener).chain(self.peers.iter().map(|(fd, _)| fd));
        let mut polled: Vec<_> = sockets.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut polled, Some(&span)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        for index in (0..self.peers.len()).rev().filter(|index| ready[index + 1]) {
            let (socket, peer) = &self.peers[index];
            if answer(socket, peer, trust, take).is_none() {
                self.peers.swap_remove(index);
            }
        }
        if ready[0] {
            self.accept();
        }
        Ok(())
    }

    fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(socket) = accept_with(&self.listener, flags) {
            let Ok(peer) = credentials::peer(&socket) else { continue };
            if self.peers.len() == MOST_PEERS {
                self.peers.remove(0);
            }
            self.peers.push((socket, peer));
        }
    }
}

impl Drop for ReportSocket {
    fn drop(&mut self) {
        // What is left of it is in nobody's way: the next one removes it first.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes one message and answers it; `None` if the connection is over.
fn answer(
    socket: &OwnedFd,
    peer: &Credentials,
    trust: &dyn Fn(&Credentials) -> Trust,
    take: &mut dyn FnMut(Report),
) -> Option<()> {
    let mut text = [0; LONGEST];
    let (length, handed) = match receive(socket, &mut text) {
        Ok((0, _)) => return None,
        Ok(received) => received,
        Err(Errno::AGAIN | Errno::INTR) => return Some(()),
        Err(_) => return None,
    };
    let told = match judge(&text[..length], handed.as_ref(), peer, trust(peer)) {
        Ok(report) => {
            take(report);
            "ok".to_owned()
        }
        Err(why) => format!("no: {why}"),
    };
    // Whoever does not wait for the answer does not need it.
    let _ = send(socket, told.as_bytes(), SendFlags::NOSIGNAL);
    Some(())
}

fn receive(socket: &OwnedFd, text: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(text)], &mut ancillary, flags)?;
    let handed = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    Ok((received.bytes, handed))
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error("user {0} may not report; root may, and members of api.reporters")]
    NotPermitted(u32),
    #[error("`WORD [service=NAME] [user=TEXT]` is expected; the word is failed, ok or abusive")]
    NoMessage,
    #[error("no socket came with it")]
    NoSocket,
    #[error("an address alone is taken from operators only; hand over the accepted socket")]
    AddressOnly,
    #[error("the socket is no connection of TCP")]
    NoConnection,
    #[error("the socket was not accepted: nothing listens on its port")]
    NotAccepted,
}

fn judge(
    text: &[u8],
    handed: Option<&OwnedFd>,
    peer: &Credentials,
    trust: Trust,
) -> Result<Report, Unheard> {
    if trust == Trust::Nobody {
        return Err(Unheard::NotPermitted(peer.uid));
    }
    let message = read_message(text).ok_or(Unheard::NoMessage)?;
    let source = match (handed, message.address) {
        (Some(socket), _) => source_of(socket, peer)?,
        (None, Some(address)) if trust == Trust::Addresses => address,
        (None, Some(_)) => return Err(Unheard::AddressOnly),
        (None, None) => return Err(Unheard::NoSocket),
    };
    Ok(Report { message, source: source.to_canonical(), reporter: peer.uid })
}

/// Returns who is at the other end of a connection that was accepted.
fn source_of(socket: &OwnedFd, reporter: &Credentials) -> Result<IpAddr, Unheard> {
    if socket_type(socket) != Ok(SocketType::STREAM) {
        return Err(Unheard::NoConnection);
    }
    let address = |any: rustix::net::SocketAddrAny| SocketAddr::try_from(any).ok();
    let there = getpeername(socket).ok().flatten().and_then(address);
    let here = getsockname(socket).ok().and_then(address);
    let (Some(there), Some(here)) = (there, here) else { return Err(Unheard::NoConnection) };
    // Whoever connects may choose the other end; whoever accepts may not.
    if is_listened_on(reporter.pid, here.port()) {
        Ok(there.ip())
    } else {
        Err(Unheard::NotAccepted)
    }
}

/// Returns whether something listens on a TCP port where a process lives.
fn is_listened_on(pid: i32, port: u16) -> bool {
    let process = if pid == 0 { "self".to_owned() } else { pid.to_string() };
    ["tcp", "tcp6"].iter().any(|table| {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        text.lines().skip(1).any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().and_then(|local| local.rsplit_once(':'));
            let is_port = local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port));
            is_port && words.nth(1) == Some(LISTENS)
        })
    })
}

/// Reads a message; `None` if it is none.
pub fn read_message(text: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(text).ok()?.trim_end_matches(['\n', '\0']);
    let (word, mut rest) = text.split_once(' ').unwrap_or((text, ""));
    let deed = match word {
        "failed" => Deed::Failed,
        "ok" => Deed::Ok,
        "abusive" => Deed::Abusive,
        _ => return None,
    };
    let mut message = Message { deed, service: "unnamed".to_owned(), user: None, address: None };
    while !rest.is_empty() {
        if let Some(user) = rest.strip_prefix("user=") {
            let user = &user[..user.floor_char_boundary(LONGEST_NAME)];
            message.user = Some(user.to_owned()).filter(|user| !user.is_empty());
            break;
        }
        let (term, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        match term.split_once('=')? {
            ("service", name) => message.service = service(name)?,
            ("address", address) => message.address = Some(address.parse().ok()?),
            _ => return None,
        }
        rest = behind;
    }
    Some(message)
}

fn service(name: &str) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(is_part);
    is_name.then(|| name.to_owned())
}

/// Ends a wait at a socket that is open here.
pub fn wake(path: &Path) {
    // A socket that can not be connected to is not waited at, or not for long.
    let _ = connected(path);
}

fn connected(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Reports over a daemon's socket, and returns its answer.
///
/// # Errors
/// When nobody is there.
pub fn report(path: &Path, text: &str, handed: Option<BorrowedFd<'_>>) -> io::Result<String> {
    let socket = connected(path)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if let Some(socket) = &handed {
        ancillary.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(socket)));
    }
    let flags = SendFlags::NOSIGNAL;
    sendmsg(&socket, &[IoSlice::new(text.as_bytes())], &mut ancillary, flags)?;
    let mut answer = [0; LONGEST];
    let (length, _) = receive(&socket, &mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_others_are_none() {
        let message = |deed, service: &str, user: Option<&str>| {
            let (service, user) = (service.to_owned(), user.map(str::to_owned));
            Some(Message { deed, service, user, address: None })
        };
        for (text, expected) in [
            ("failed", message(Deed::Failed, "unnamed", None)),
            ("ok service=imap user=a b", message(Deed::Ok, "imap", Some("a b"))),
            ("abusive service=web\n", message(Deed::Abusive, "web", None)),
            ("failed user=service=x", message(Deed::Failed, "unnamed", Some("service=x"))),
            ("bad", None),
            ("failed x", None),
            ("failed service=", None),
            ("failed service=a\"b", None),
            ("failed address=host", None),
            ("", None),
        ] {
            assert_eq!(read_message(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(read_message(b"failed \xff"), None);
    }
}
