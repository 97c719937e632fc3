//! Dumps and notifications over netlink families that answer a question with a list of messages.

pub(crate) mod wire;

use std::{io, os::fd::AsFd as _, time::Duration};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::sockopt,
};

/// How long the kernel may take for one datagram of an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How often a dump is begun anew because something changed while it ran.
const DUMP_ATTEMPTS: usize = 5;

/// Returns all messages that the kernel answers `request` with.
pub(crate) fn dump<T>(protocol: isize, request: &T) -> io::Result<Vec<T>>
where
    T: NetlinkSerializable + NetlinkDeserializable + Clone,
{
    let socket = connected(protocol)?;
    for _ in 0..DUMP_ATTEMPTS {
        if let Some(messages) = dump_once(&socket, request)? {
            return Ok(messages);
        }
    }
    Err(io::Error::other("the kernel's tables changed again and again while they were read"))
}

/// Returns the answer, `None` if it was interrupted by a change.
fn dump_once<T>(socket: &Socket, request: &T) -> io::Result<Option<Vec<T>>>
where
    T: NetlinkSerializable + NetlinkDeserializable + Clone,
{
    request_with(socket, request, NLM_F_REQUEST | NLM_F_DUMP)?;
    let mut found = Vec::new();
    let mut interrupted = false;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        for message in messages::<T>(&datagram) {
            interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::Done(_) => return Ok((!interrupted).then_some(found)),
                NetlinkPayload::Error(error) => match error.code {
                    None => return Ok(Some(found)),
                    Some(_) => return Err(error.to_io()),
                },
                NetlinkPayload::InnerMessage(inner) => found.push(inner),
                _ => {}
            }
        }
    }
}

/// Returns a socket of this netlink protocol that is connected with the kernel.
pub(crate) fn connected(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    sockopt::set_socket_timeout(socket.as_fd(), sockopt::Timeout::Recv, Some(ANSWER_LIMIT))?;
    Ok(socket)
}

/// Returns the one message that the kernel answers `request` with.
///
/// # Errors
/// When it answers with an error, or not at all.
pub(crate) fn ask<T>(protocol: isize, request: &T) -> io::Result<T>
where
    T: NetlinkSerializable + NetlinkDeserializable + Clone,
{
    let socket = connected(protocol)?;
    request_with(&socket, request, NLM_F_REQUEST)?;
    let (datagram, _) = socket.recv_from_full()?;
    match messages::<T>(&datagram).into_iter().next().map(|message| message.payload) {
        Some(NetlinkPayload::InnerMessage(inner)) => Ok(inner),
        Some(NetlinkPayload::Error(error)) => Err(error.to_io()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Sends a message as it is, and does not wait for an answer.
///
/// # Errors
/// When the kernel does not take it.
pub(crate) fn send<T: NetlinkSerializable>(
    socket: &Socket,
    message: &NetlinkMessage<T>,
) -> io::Result<()> {
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).map(drop)
}

fn request_with<T: NetlinkSerializable + Clone>(
    socket: &Socket,
    request: &T,
    flags: u16,
) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.clone()));
    message.finalize();
    send(socket, &message)
}

/// Returns whether something can be read from `socket` within `limit`; a zero limit only looks.
pub(crate) fn is_heard_within(socket: &Socket, limit: Duration) -> io::Result<bool> {
    let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    let mut waited_for = [PollFd::new(socket, PollFlags::IN)];
    match rustix::event::poll(&mut waited_for, Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Returns the messages of a datagram; what can not be read is left out.
pub(crate) fn messages<T: NetlinkDeserializable>(datagram: &[u8]) -> Vec<NetlinkMessage<T>> {
    let mut rest = datagram;
    let mut found = Vec::new();
    while let Some(length) = rest.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes)) {
        let length = length as usize;
        let Some(message) = rest.get(..length).filter(|message| message.len() >= HEADER) else {
            return found;
        };
        found.extend(NetlinkMessage::<T>::deserialize(message));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// Length of a netlink message header (`struct nlmsghdr`).
const HEADER: usize = 16;
