//! Packets that the firewall's rules log: who sent what where, and to which rule.
//!
//! Runs on a thread of its own. Nothing here decides; a lost packet is counted, never silent.

mod datagram;
mod packet;
mod volume;

use std::{io, os::fd::AsFd as _, time::Duration};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::{
    NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    nflog::{
        ConfigCmd, ConfigFlags, ConfigMode, ConfigNla, PacketNla, Timeout, ULogMessage,
        config_request,
    },
};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use rustix::{
    io::Errno,
    net::{RecvFlags, sockopt},
};

use crate::netlink;

pub use datagram::{Datagram, read_datagram};
pub use packet::{Packet, PacketError, read_packet};
pub use volume::{Logged, VolumeReader, interface_name};

/// Bytes of each packet that are copied: headers of IPv6 with extensions and of TCP with options.
const COPIED_BYTES: u32 = 128;

/// Packets that the kernel gathers for one delivery. One, because a touched trap is urgent: a lone
/// packet is here after 5 us, where with 4 it waits out its 10 ms (measured 12 ms).
const DELIVER_AT_ONCE: u32 = 1;

/// How long the kernel may keep a packet back.
const DELIVER_WITHIN: Duration = Duration::from_millis(10);

/// Room for packets that wait to be read: some 10,000 of them, measured. When full, the kernel drops and
/// tells; see [`Reader::lost`].
const RECEIVE_BUFFER: usize = 8 << 20;

/// Room for one delivery; the kernel fills at most a page (`nlbufsiz` of the group).
const DELIVERY: usize = 64 << 10;

/// How long the kernel may take to answer; it answers while the request is being sent.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A logged packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedPacket {
    /// The rule's prefix.
    pub prefix: String,
    /// Index of the interface it came in by.
    pub interface: Option<u32>,
    /// The packet itself, as far as it was copied.
    pub packet: Packet,
}

/// Reads the packets of one log group.
#[derive(Debug)]
pub struct Reader {
    socket: Socket,
    delivery: Vec<u8>,
    expected: Option<u32>,
    lost: u64,
    /// How many of the lost are counted already, before a gap in the numbers shows all of them.
    counted_early: u64,
    unreadable: u64,
}

impl Reader {
    /// Binds to a log group.
    ///
    /// # Errors
    /// When the kernel refuses: no privilege, or another program reads the group. It says
    /// `EPERM` to both.
    pub fn open(group: u16) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        if sockopt::set_socket_recv_buffer_size_force(socket.as_fd(), RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(socket.as_fd(), RECEIVE_BUFFER)?;
        }
        let hundredths = u32::try_from(DELIVER_WITHIN.as_millis() / 10).unwrap_or(1);
        let options: Vec<ConfigNla> = vec![
            ConfigCmd::Bind.into(),
            ConfigFlags::SEQ.into(),
            ConfigMode::new_packet(COPIED_BYTES).into(),
            ConfigNla::QThresh(DELIVER_AT_ONCE),
            Timeout::new(hundredths).into(),
        ];
        configure(&socket, &config_request(NetfilterProtoFamily::Unspec, group, options))?;
        let delivery = vec![0; DELIVERY];
        Ok(Self { socket, delivery, expected: None, lost: 0, counted_early: 0, unreadable: 0 })
    }

    /// Returns the packets of the next delivery; none if nothing came within `wait`.
    ///
    /// # Errors
    /// When the socket is broken. A full buffer is no error: it is counted as lost.
    pub fn receive(&mut self, wait: Duration) -> io::Result<Vec<LoggedPacket>> {
        if !netlink::is_heard_within(&self.socket, wait)? {
            return Ok(Vec::new());
        }
        match rustix::net::recv(&self.socket, &mut self.delivery[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                let messages = netlink::messages(&self.delivery[..length]);
                Ok(self.read(messages))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Vec::new()),
            Err(Errno::NOBUFS) => {
                self.lost += 1;
                self.counted_early += 1;
                Ok(Vec::new())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns how many packets were lost so far, at least.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns how many packets had no readable IP header.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn read(&mut self, messages: Vec<NetlinkMessage<NetfilterMessage>>) -> Vec<LoggedPacket> {
        let mut found = Vec::new();
        for message in messages {
            let NetlinkPayload::InnerMessage(NetfilterMessage {
                inner: NetfilterMessageInner::ULog(ULogMessage::Packet(attributes)),
                ..
            }) = message.payload
            else {
                continue;
            };
            self.count_gap(&attributes);
            match read_logged(&attributes) {
                Some(logged) => found.push(logged),
                None => self.unreadable += 1,
            }
        }
        found
    }

    fn count_gap(&mut self, attributes: &[PacketNla]) {
        let number = attributes.iter().find_map(|attribute| match attribute {
            PacketNla::Seq(number) => Some(*number),
            _ => None,
        });
        let Some(number) = number else { return };
        let gap = self.expected.map_or(0, |expected| number.wrapping_sub(expected));
        let known = self.counted_early.min(gap.into());
        self.counted_early -= known;
        self.lost += u64::from(gap) - known;
        self.expected = Some(number.wrapping_add(1));
    }
}

fn read_logged(attributes: &[PacketNla]) -> Option<LoggedPacket> {
    let mut prefix = String::new();
    let mut interface = None;
    let mut packet = None;
    for attribute in attributes {
        match attribute {
            PacketNla::Prefix(text) => prefix = text.to_string_lossy().into_owned(),
            PacketNla::IfIndexInDev(index) => interface = Some(*index),
            PacketNla::Payload(bytes) => packet = read_packet(bytes).ok(),
            _ => {}
        }
    }
    Some(LoggedPacket { prefix, interface, packet: packet? })
}

fn configure(socket: &Socket, request: &NetlinkMessage<NetfilterMessage>) -> io::Result<()> {
    netlink::send(socket, request)?;
    // The group's first packets may come before the answer; they are not missed.
    while netlink::is_heard_within(socket, ANSWER_LIMIT)? {
        let (datagram, _) = socket.recv_from_full()?;
        for message in netlink::messages::<NetfilterMessage>(&datagram) {
            match message.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) => return Ok(()),
                _ => {}
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
