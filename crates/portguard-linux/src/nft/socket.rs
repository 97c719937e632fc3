//! The kept netlink socket: one request or one transaction at a time, answered before it returns.
//!
//! `nf_tables` works a request off inside the send call, so the answers wait in the socket when it
//! returns; nothing here waits for long. Owned by the thread that owns the table.

use std::{io, time::Duration};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
};
use netlink_sys::{SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::{RecvFlags, sockopt},
};

use super::wire::{self, BATCH_BEGIN, BATCH_END, Message, Writer};

/// How large the send buffer is made: it bounds a transaction, and 10,000 elements need up to 0.8 MB.
///
/// Without the privilege to go beyond the system's limit (`net.core.wmem_max`) it is smaller, and
/// transactions are too; see [`Socket::transaction_limit`].
const SEND_BUFFER: usize = 4 << 20;

/// How large a receive buffer is made, by the same rule.
///
/// A dump needs only some 100 KiB; the monitor needs room for what a bulk change tells about itself.
const RECEIVE_BUFFER: usize = 32 << 20;

/// How long an answer may take. It is there when the send returns, so this only ends a hang.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Room for one datagram; the kernel writes at most 32 KiB into one of a dump.
const DATAGRAM: usize = 64 << 10;

/// How often a dump is begun anew because the table changed while it ran.
const DUMP_ATTEMPTS: usize = 20;

/// A netlink socket of the netfilter family.
pub(super) struct Socket {
    inner: netlink_sys::Socket,
    port_id: u32,
    sequence: u32,
    datagram: Vec<u8>,
    transaction_limit: usize,
}

/// A transaction that the kernel refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nack {
    /// The error of the first message that was refused.
    pub(super) errno: Errno,
}

/// The messages of a transaction.
pub(super) struct Transaction {
    writer: Writer,
    first: u32,
    next: u32,
    last_start: usize,
}

impl Socket {
    /// Opens a socket that hears these multicast groups (bit n-1 for group n).
    pub(super) fn open(groups: u32) -> io::Result<Self> {
        let mut inner = netlink_sys::Socket::new(NETLINK_NETFILTER)?;
        inner.bind(&SocketAddr::new(0, groups))?;
        let mut address = SocketAddr::new(0, 0);
        inner.get_address(&mut address)?;
        inner.set_cap_ack(true)?;
        grow_buffers(&inner)?;
        sockopt::set_socket_timeout(&inner, sockopt::Timeout::Recv, Some(ANSWER_LIMIT))?;
        let transaction_limit = sockopt::socket_send_buffer_size(&inner)? / 2;
        Ok(Self {
            inner,
            port_id: address.port_number(),
            sequence: 0,
            datagram: vec![0; DATAGRAM],
            transaction_limit,
        })
    }

    /// Returns the number under which the kernel reports what this socket changed.
    pub(super) fn port_id(&self) -> u32 {
        self.port_id
    }

    /// Returns how many bytes one transaction may have.
    pub(super) fn transaction_limit(&self) -> usize {
        self.transaction_limit
    }

    pub(super) fn begin(&mut self) -> Transaction {
        let first = self.sequence;
        let mut writer = Writer::default();
        writer.bracket(BATCH_BEGIN, NLM_F_REQUEST, first);
        Transaction { writer, first, next: first.wrapping_add(1), last_start: 0 }
    }

    /// Commits a transaction, or changes nothing.
    pub(super) fn commit(&mut self, transaction: Transaction) -> io::Result<Result<(), Nack>> {
        let Some((bytes, first, last)) = transaction.finish() else { return Ok(Ok(())) };
        self.sequence = last.wrapping_add(2);
        self.inner.send(bytes.as_bytes(), 0)?;
        let mut refused = None;
        loop {
            let received = self.receive()?;
            for message in wire::messages(&self.datagram[..received]) {
                let number = message.sequence.wrapping_sub(first);
                if number > last.wrapping_sub(first) {
                    continue;
                }
                if let Answer::Refused(errno) = Answer::of(&message) {
                    refused.get_or_insert(Nack { errno });
                }
                // The kernel answers the opening bracket if the commit itself failed.
                if number == 0 || message.sequence == last {
                    return Ok(refused.map_or(Ok(()), Err));
                }
            }
        }
    }

    /// Asks for one thing and returns what `read` makes of the answer, `None` if it does not exist.
    pub(super) fn request<T>(
        &mut self,
        kind: u8,
        body: impl FnOnce(&mut Writer),
        mut read: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let sequence = self.send(kind, NLM_F_REQUEST | NLM_F_ACK, body)?;
        let mut found = None;
        loop {
            let received = self.receive()?;
            for message in wire::messages(&self.datagram[..received]) {
                if message.sequence != sequence {
                    continue;
                }
                match Answer::of(&message) {
                    Answer::Content => found = found.or_else(|| read(&message)),
                    Answer::Done => return Ok(found),
                    Answer::Refused(Errno::NOENT) => return Ok(None),
                    Answer::Refused(errno) => return Err(errno.into()),
                }
            }
        }
    }

    /// Lists things and returns what `read` makes of each; begins anew if they change meanwhile.
    pub(super) fn dump<T>(
        &mut self,
        kind: u8,
        body: impl Fn(&mut Writer),
        mut read: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.send(kind, NLM_F_REQUEST | NLM_F_DUMP, &body)?;
            if let Some(list) = self.dumped(sequence, &mut read)? {
                return Ok(list);
            }
        }
        Err(Errno::BUSY.into())
    }

    /// Reads one dump to its end; `None` if the table changed while it ran.
    fn dumped<T>(
        &mut self,
        sequence: u32,
        read: &mut impl FnMut(&Message<'_>) -> Option<T>,
    ) -> io::Result<Option<Vec<T>>> {
        let (mut list, mut torn) = (Vec::new(), false);
        loop {
            let received = self.receive()?;
            for message in wire::messages(&self.datagram[..received]) {
                if message.sequence != sequence {
                    continue;
                }
                torn |= message.flags & NLM_F_DUMP_INTR != 0;
                match Answer::of(&message) {
                    Answer::Content => list.extend(read(&message)),
                    Answer::Done => return Ok((!torn).then_some(list)),
                    Answer::Refused(Errno::NOENT) => return Ok(Some(Vec::new())),
                    Answer::Refused(errno) => return Err(errno.into()),
                }
            }
        }
    }

    /// Returns the next datagram, `None` if none comes within `limit`.
    pub(super) fn hear(&mut self, limit: Duration) -> io::Result<Option<&[u8]>> {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        let mut waited_for = [PollFd::new(&self.inner, PollFlags::IN)];
        match rustix::event::poll(&mut waited_for, Some(&limit)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let received = self.receive()?;
        Ok(Some(&self.datagram[..received]))
    }

    fn send(&mut self, kind: u8, flags: u16, body: impl FnOnce(&mut Writer)) -> io::Result<u32> {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let mut writer = Writer::default();
        writer.message(kind, flags, sequence, body);
        self.inner.send(writer.as_bytes(), 0)?;
        Ok(sequence)
    }

    fn receive(&mut self) -> io::Result<usize> {
        let (received, _) = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&self.inner, &mut self.datagram[..], RecvFlags::empty())
        })?;
        Ok(received)
    }
}

impl Transaction {
    pub(super) fn message(&mut self, kind: u8, flags: u16, body: impl FnOnce(&mut Writer)) {
        let flags = flags | NLM_F_REQUEST;
        self.last_start = self.writer.message(kind, flags, self.next, body);
        self.next = self.next.wrapping_add(1);
    }

    /// Returns the finished bytes and the first and last sequence number; `None` if it is empty.
    fn finish(mut self) -> Option<(Writer, u32, u32)> {
        if self.last_start == 0 {
            return None;
        }
        // Kernels before 6.10 answer no closing bracket: the last change itself asks for the answer.
        self.writer.flag(self.last_start, NLM_F_ACK);
        self.writer.bracket(BATCH_END, NLM_F_REQUEST, self.next);
        Some((self.writer, self.first, self.next.wrapping_sub(1)))
    }
}

/// What a message says about the request.
enum Answer {
    /// Something that was asked for.
    Content,
    /// That was all, and it went well.
    Done,
    /// It cannot be done.
    Refused(Errno),
}

impl Answer {
    fn of(message: &Message<'_>) -> Self {
        match (message.netlink_type, message.error_number()) {
            (NLMSG_ERROR | NLMSG_DONE, None | Some(0)) => Self::Done,
            (NLMSG_ERROR | NLMSG_DONE, Some(number)) => {
                // Outside the range of error numbers `from_raw_os_error` would panic.
                let number = if (1..4096).contains(&number) { number } else { libc::EPROTO };
                Self::Refused(Errno::from_raw_os_error(number))
            }
            _ => Self::Content,
        }
    }
}

fn grow_buffers(socket: &netlink_sys::Socket) -> io::Result<()> {
    if sockopt::set_socket_send_buffer_size_force(socket, SEND_BUFFER).is_err() {
        sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER)?;
    }
    if sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER)?;
    }
    Ok(())
}
