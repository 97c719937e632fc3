//! Logged packets in volume: several groups on one socket, read by hand and without copies.
//!
//! A packet costs half a microsecond here, and twice that as typed messages.

use std::{
    io,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use netlink_packet_core::NLM_F_REQUEST;
use netlink_packet_netfilter::{
    NetfilterProtoFamily,
    nflog::{ConfigCmd, ConfigFlags, ConfigMode, ConfigNla, Timeout, config_request},
};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SocketType, sockopt},
};

use crate::netlink;

use super::{COPIED_BYTES, configure};

/// Packets that the kernel gathers for one delivery: as few as can be, for a scan is to be found before
/// it is far, and more when there are many. The rules that log allow for so many.
const WHEN_QUIET: u32 = 1;
const WHEN_BUSY: u32 = 128;

/// Bytes of a packet's message beside the packet, about: its headers and attributes.
const BESIDE_PACKET: u32 = 120;

/// So many packets within this time are many: 5,000 a second.
const MANY: usize = 500;
const COUNTED_FOR: Duration = Duration::from_millis(100);

/// How long the kernel may keep a packet back, in hundredths of a second.
const DELIVER_WITHIN: u32 = 1;

/// Room for one delivery here: the kernel makes none that is longer (`nfulnl_set_nlbufsiz`).
const DELIVERY: usize = 128 << 10;

/// Room for packets that wait to be read: some 90,000 of them. When full, the kernel drops and
/// tells; see [`VolumeReader::lost`].
const RECEIVE_BUFFER: usize = 32 << 20;

/// `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET`.
const PACKET_MESSAGE: u16 = 4 << 8;

/// Length of `struct nlmsghdr` and of `struct nfgenmsg` behind it.
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;

/// Attributes of a packet (`enum nfulnl_attr_type`).
const MARK: u16 = 2;
const IN_INTERFACE: u16 = 4;
const OUT_INTERFACE: u16 = 5;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
const SEQUENCE: u16 = 12;
const LINK_HEADER: u16 = 16;

/// A logged packet as it lies in the delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged<'a> {
    /// The log group.
    pub group: u16,
    /// The rule's prefix.
    pub prefix: &'a str,
    /// Index of the interface it came in by; 0 if there is none.
    pub in_interface: u32,
    /// Index of the interface it goes out by; 0 if there is none.
    pub out_interface: u32,
    /// The packet's mark; 0 if there is none.
    pub mark: u32,
    /// The link's header.
    pub link_header: &'a [u8],
    /// The IP packet, as far as it was copied.
    pub payload: &'a [u8],
}

/// Reads the packets of several log groups.
#[derive(Debug)]
pub struct VolumeReader {
    socket: Socket,
    delivery: Vec<u8>,
    groups: Vec<Numbering>,
    /// Reports of a full buffer that no gap in the numbers has shown yet.
    overruns: u64,
    lost: u64,
    pace: Pace,
}

/// How many packets came lately.
#[derive(Debug)]
struct Pace {
    since: Instant,
    packets: usize,
    is_busy: bool,
}

impl Pace {
    /// Counts packets; returns whether there are many now, if that has changed.
    fn count(&mut self, packets: usize) -> Option<bool> {
        self.packets += packets;
        let is_over = self.since.elapsed() >= COUNTED_FOR;
        let is_busy = self.packets > MANY;
        if is_over {
            (self.since, self.packets) = (Instant::now(), 0);
        }
        let changes = is_busy != self.is_busy && (is_busy || is_over);
        changes.then(|| {
            self.is_busy = is_busy;
            is_busy
        })
    }
}

/// What number a group's next packet has.
#[derive(Debug)]
struct Numbering {
    group: u16,
    expected: Option<u32>,
}

impl VolumeReader {
    /// Binds to log groups, for the headers of their packets.
    ///
    /// # Errors
    /// When the kernel refuses: no privilege, no NFLOG, or another program reads a group.
    pub fn open(groups: &[u16]) -> io::Result<Self> {
        Self::open_copying(groups, COPIED_BYTES)
    }

    /// Binds to log groups, of whose packets at most so many bytes are copied.
    ///
    /// # Errors
    /// As [`VolumeReader::open`].
    pub fn open_copying(groups: &[u16], copied_bytes: u32) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        if sockopt::set_socket_recv_buffer_size_force(socket.as_fd(), RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(socket.as_fd(), RECEIVE_BUFFER)?;
        }
        // As much as a delivery fills: of what is emptier by half, the kernel makes a smaller copy
        // (`netlink_trim`). 31 KiB for headers, 63 KiB for knocks; with what the kernel puts behind
        // that, both are just below the power of two that it allocates.
        let room = WHEN_BUSY * (copied_bytes + BESIDE_PACKET);
        for group in groups {
            let options: Vec<ConfigNla> = vec![
                ConfigCmd::Bind.into(),
                ConfigFlags::SEQ.into(),
                ConfigMode::new_packet(copied_bytes).into(),
                ConfigNla::NlBufSiz(room),
                ConfigNla::QThresh(WHEN_QUIET),
                Timeout::new(DELIVER_WITHIN).into(),
            ];
            configure(&socket, &config_request(NetfilterProtoFamily::Unspec, *group, options))?;
        }
        let numbering = |group: &u16| Numbering { group: *group, expected: None };
        let groups = groups.iter().map(numbering).collect();
        let pace = Pace { since: Instant::now(), packets: 0, is_busy: false };
        Ok(Self { socket, delivery: vec![0; DELIVERY], groups, overruns: 0, lost: 0, pace })
    }

    /// Hands over the packets of the next delivery, in their order; none if nothing came within
    /// `wait`. Returns how many there were.
    ///
    /// # Errors
    /// When the socket is broken. A full buffer is no error: it is counted as lost.
    pub fn receive(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(Logged<'_>),
    ) -> io::Result<usize> {
        if !netlink::is_heard_within(&self.socket, wait)? {
            return Ok(0);
        }
        let length =
            match rustix::net::recv(&self.socket, &mut self.delivery[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
                Err(Errno::NOBUFS) => {
                    self.overruns += 1;
                    return Ok(0);
                }
                Err(errno) => return Err(errno.into()),
            };
        let mut count = 0;
        for message in messages(&self.delivery[..length]) {
            let Some((logged, sequence)) = read(message) else { continue };
            self.lost += gap(&mut self.groups, logged.group, sequence, &mut self.overruns);
            count += 1;
            each(logged);
        }
        if let Some(is_busy) = self.pace.count(count) {
            self.deliver_at_once(if is_busy { WHEN_BUSY } else { WHEN_QUIET })?;
        }
        Ok(count)
    }

    /// Asks for so many packets in one delivery. The kernel does not answer: an answer would have to
    /// be looked for among packets.
    fn deliver_at_once(&self, packets: u32) -> io::Result<()> {
        for Numbering { group, .. } in &self.groups {
            let option = vec![ConfigNla::QThresh(packets)];
            let mut request = config_request(NetfilterProtoFamily::Unspec, *group, option);
            request.header.flags = NLM_F_REQUEST;
            netlink::send(&self.socket, &request)?;
        }
        Ok(())
    }

    /// Returns how many packets were lost so far, at least: those that the numbers show to be
    /// missing, and one for each full buffer that they do not show yet.
    pub fn lost(&self) -> u64 {
        self.lost + self.overruns
    }
}

/// Returns the name of the interface with this index, `None` if there is none.
pub fn interface_name(index: u32) -> Option<String> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
    let socket = rustix::net::socket(family, kind, None).ok()?;
    rustix::net::netdevice::index_to_name(&socket, index).ok()
}

/// Returns how many packets of a group are missing before the one with this number.
fn gap(groups: &mut [Numbering], group: u16, sequence: Option<u32>, overruns: &mut u64) -> u64 {
    let numbering = groups.iter_mut().find(|numbering| numbering.group == group);
    let (Some(numbering), Some(sequence)) = (numbering, sequence) else { return 0 };
    let expected = numbering.expected.replace(sequence.wrapping_add(1));
    let missing = expected.map_or(0, |expected| u64::from(sequence.wrapping_sub(expected)));
    *overruns = overruns.saturating_sub(missing);
    missing
}

/// Returns the packet messages of a delivery.
fn messages(delivery: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = delivery;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let message = rest.get(..length).filter(|message| message.len() >= HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
    .filter(|message| message[4..6] == PACKET_MESSAGE.to_ne_bytes())
}

/// Reads a packet message: the packet and its number in the group.
fn read(message: &[u8]) -> Option<(Logged<'_>, Option<u32>)> {
    let family_header = message.get(HEADER..HEADER + FAMILY_HEADER)?;
    let mut logged = Logged {
        group: u16::from_be_bytes([family_header[2], family_header[3]]),
        ..Logged::default()
    };
    let mut sequence = None;
    let mut rest = message.get(HEADER + FAMILY_HEADER..)?;
    while let [l0, l1, k0, k1, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = rest.get(4..length) else { break };
        match u16::from_ne_bytes([k0, k1]) & KIND {
            MARK => logged.mark = number(value),
            IN_INTERFACE => logged.in_interface = number(value),
            OUT_INTERFACE => logged.out_interface = number(value),
            PAYLOAD => logged.payload = value,
            PREFIX => logged.prefix = text(value),
            SEQUENCE => sequence = Some(number(value)),
            LINK_HEADER => logged.link_header = value,
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some((logged, sequence))
}

/// The bits of an attribute's type that tell its kind (`NLA_TYPE_MASK`).
const KIND: u16 = 0x3fff;

fn number(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn text(value: &[u8]) -> &str {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_once_for_each_group() {
        let mut groups =
            vec![Numbering { group: 1, expected: None }, Numbering { group: 2, expected: None }];
        let mut overruns = 2;
        let mut missing = |group, sequence| gap(&mut groups, group, Some(sequence), &mut overruns);
        assert_eq!(missing(1, 7), 0, "the first number is where counting begins");
        assert_eq!(missing(2, 100), 0);
        assert_eq!(missing(1, 8), 0);
        assert_eq!(missing(1, 19), 10);
        assert_eq!(missing(2, 101), 0);
        assert_eq!(missing(3, 5), 0, "a group that was not asked for");
        assert_eq!(overruns, 0, "the gap shows what the full buffer told");
    }

    #[test]
    fn a_torn_delivery_gives_what_it_has() {
        for length in 0..64 {
            let mut bytes = vec![0xff; length];
            if length >= 4 {
                bytes[..4].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
            }
            // Whatever it says is right; that it says something is the law.
            let _ = messages(&bytes).filter_map(read).count();
        }
    }
}
