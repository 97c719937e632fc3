//! What the kernel sends over netlink as bytes: messages and their attributes, read with the
//! bounds-checked iterators of `netlink-packet-core`, without a copy. Pure; bytes that make no sense
//! end the reading.

use netlink_packet_core::{NetlinkBuffer, NlasIterator};

/// Bytes of `struct nlmsghdr`.
const HEADER_LENGTH: usize = 16;

/// Bytes of `struct nfgenmsg`, which begins each message of a netfilter subsystem.
const NETFILTER_HEADER: usize = 4;

/// One message of the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'bytes> {
    pub(crate) netlink_type: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// Who asked for the change that a notification tells of.
    pub(crate) port_id: u32,
    /// What is behind the head of every message.
    pub(crate) payload: &'bytes [u8],
}

impl<'bytes> Message<'bytes> {
    /// Returns the type within a netfilter subsystem, `None` for a message of another one.
    pub(crate) fn kind_of(&self, subsystem: u16) -> Option<u8> {
        let [high, low] = self.netlink_type.to_be_bytes();
        (u16::from(high) == subsystem).then_some(low)
    }

    /// Returns the error number of an answer, 0 for an acknowledgement.
    pub(crate) fn error_number(&self) -> Option<i32> {
        self.payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes).wrapping_neg())
    }

    /// Returns the family of a message of a netfilter subsystem.
    pub(crate) fn family(&self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// Returns the bytes behind the head of a message of a netfilter subsystem.
    pub(crate) fn body(&self) -> &'bytes [u8] {
        self.payload.get(NETFILTER_HEADER..).unwrap_or_default()
    }

    /// Returns the attributes of a message of a netfilter subsystem.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (u16, &'bytes [u8])> + use<'bytes> {
        attributes(self.body())
    }

    /// Returns the first of them of this kind.
    pub(crate) fn attribute(&self, kind: u16) -> Option<&'bytes [u8]> {
        attribute(self.body(), kind)
    }
}

/// Returns the messages of one datagram.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(buffer.length()).ok()?;
        let message = Message {
            netlink_type: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            port_id: buffer.port_number(),
            payload: rest.get(HEADER_LENGTH..length)?,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Returns the attributes written one after another in `bytes`: kind without flags, and value.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(|read| {
        let attribute = read.ok()?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(4..length)?))
    })
}

/// Returns the first attribute of this kind in `bytes`.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

pub(crate) fn u16_be(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

pub(crate) fn u32_be(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

pub(crate) fn u64_be(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}
