//! Packets that the firewall's rules log: who sent what where, and to which rule.
//!
//! Runs on a thread of its own. Nothing here decides; a lost packet is counted, never silent.

mod packet;

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
use rustix::net::sockopt;

use crate::netlink;

pub use packet::{Packet, PacketError, read_packet};

/// Bytes of each packet that are copied: headers of IPv6 with extensions and of TCP with options.
const COPIED_BYTES: u32 = 128;

/// Packets that the kernel may keep back for one delivery. Few, because a touched trap is urgent.
const DELIVER_AT_ONCE: u32 = 4;

/// How long the kernel may keep a packet back.
const DELIVER_WITHIN: Duration = Duration::from_millis(10);

/// Room for packets that wait to be read: about 20,000 of them. When full, the kernel drops and
/// tells; see [`Reader::lost`].
const RECEIVE_BUFFER: usize = 8 << 20;

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
    expected: Option<u32>,
    lost: u64,
    unreadable: u64,
}

impl Reader {
    /// Binds to a log group.
    ///
    /// # Errors
    /// When the kernel refuses: no privilege, or another program reads the group.
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
        Ok(Self { socket, expected: None, lost: 0, unreadable: 0 })
    }

    /// Returns the packets of the next delivery; none if nothing came within `wait`.
    ///
    /// # Errors
    /// When the socket is broken. A full buffer is no error: it is counted as lost.
    pub fn receive(&mut self, wait: Duration) -> io::Result<Vec<LoggedPacket>> {
        sockopt::set_socket_timeout(self.socket.as_fd(), sockopt::Timeout::Recv, Some(wait))?;
        match self.socket.recv_from_full() {
            Ok((datagram, _)) => Ok(self.read(&datagram)),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => Ok(Vec::new()),
                Some(libc::ENOBUFS) => {
                    self.lost += 1;
                    Ok(Vec::new())
                }
                _ => Err(error),
            },
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

    fn read(&mut self, datagram: &[u8]) -> Vec<LoggedPacket> {
        let mut found = Vec::new();
        for message in netlink::messages::<NetfilterMessage>(datagram) {
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
        self.lost += u64::from(gap);
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
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    for message in netlink::messages::<NetfilterMessage>(&answer) {
        if let NetlinkPayload::Error(error) = message.payload
            && error.code.is_some()
        {
            return Err(error.to_io());
        }
    }
    Ok(())
}
