//! Honest questions: a connection, a datagram, a conversation.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, connect as start, socket_with, sockopt},
};

/// Whom to ask, from which of our addresses, and how long to wait.
pub(crate) struct Question {
    pub(crate) from: Option<SocketAddr>,
    pub(crate) to: SocketAddr,
    pub(crate) limit: Duration,
}

/// Connects, tells what became of it and hangs up.
pub(crate) fn connect(question: &Question) -> io::Result<()> {
    let answer = open(question)?;
    println!("{}", word(&answer));
    Ok(())
}

/// What a datagram carries unless somebody says otherwise.
pub(crate) const PAYLOAD: &[u8] = b"portguard-probe\n";

/// Sends datagrams, one behind the other, and tells what came back for any of them.
pub(crate) fn send_datagrams<'a>(
    question: &Question,
    payloads: impl IntoIterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let socket = socket(question, SocketType::DGRAM)?;
    start(&socket, &question.to)?;
    let mut payloads = payloads.into_iter();
    let sent = payloads.try_for_each(|payload| {
        rustix::net::send(&socket, payload, rustix::net::SendFlags::empty()).map(|_| ())
    });
    let answer = sent.and_then(|()| {
        wait(&socket, PollFlags::IN, question.limit)?;
        let mut answer = [0_u8; 64];
        rustix::net::recv(&socket, &mut answer[..], rustix::net::RecvFlags::empty())
    });
    println!("{}", word(&outcome(answer.map(|_| ()))?));
    Ok(())
}

/// Connects, then sends every line it reads and prints every line that comes back.
pub(crate) fn talk(question: &Question) -> io::Result<()> {
    let answer = open(question)?;
    println!("{}", word(&answer));
    let Answer::Open(socket) = answer else { return Ok(()) };
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    let mut sending = stream.try_clone()?;
    thread::spawn(move || -> io::Result<()> {
        for line in io::stdin().lines() {
            sending.write_all((line? + "\n").as_bytes())?;
        }
        sending.shutdown(std::net::Shutdown::Write)
    });
    for line in BufReader::new(stream).lines() {
        println!("{}", line?);
    }
    Ok(())
}

/// What came back, with the connection if there is one.
enum Answer<T> {
    Open(T),
    Refused,
    Silence,
    Unreachable,
}

fn word<T>(answer: &Answer<T>) -> &'static str {
    match answer {
        Answer::Open(_) => "open",
        Answer::Refused => "refused",
        Answer::Silence => "silence",
        Answer::Unreachable => "unreachable",
    }
}

fn open(question: &Question) -> io::Result<Answer<OwnedFd>> {
    let socket = socket(question, SocketType::STREAM)?;
    let connected = match start(&socket, &question.to) {
        Err(Errno::INPROGRESS) => wait(&socket, PollFlags::OUT, question.limit)
            .and_then(|()| sockopt::socket_error(&socket)?),
        other => other,
    };
    outcome(connected.map(|()| socket))
}

/// Sorts what the kernel says into an answer of the other side and a failure of ours.
fn outcome<T>(result: Result<T, Errno>) -> io::Result<Answer<T>> {
    match result {
        Ok(value) => Ok(Answer::Open(value)),
        Err(Errno::CONNREFUSED | Errno::CONNRESET) => Ok(Answer::Refused),
        Err(Errno::TIMEDOUT) => Ok(Answer::Silence),
        Err(Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::ACCESS) => Ok(Answer::Unreachable),
        Err(why) => Err(why.into()),
    }
}

fn socket(question: &Question, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match question.to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, None)?;
    if let Some(from) = question.from {
        bind(&socket, &from)?;
    }
    Ok(socket)
}

/// Waits until the socket has something to say.
fn wait(socket: &impl AsFd, what: PollFlags, limit: Duration) -> Result<(), Errno> {
    let limit = Timespec::try_from(limit).map_err(|_| Errno::INVAL)?;
    match poll(&mut [PollFd::new(socket, what)], Some(&limit))? {
        0 => Err(Errno::TIMEDOUT),
        _ => Ok(()),
    }
}
