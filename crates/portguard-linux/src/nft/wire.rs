//! Messages of `nf_tables` as bytes: a writer for requests, and what is theirs alone in answers.
//!
//! The typed `nf_tables` messages of `netlink-packet-netfilter` know neither DESTROYSETELEM, objects
//! nor the counter inside an element, so headers and attributes are written and read as bytes. Pure.

use netlink_packet_core::NLA_F_NESTED;

pub(super) use crate::netlink::wire::{Message, attribute, attributes, messages, u32_be, u64_be};

/// `NFPROTO_INET`: the family of tables that see IPv4 and IPv6.
pub(super) const INET: u8 = 1;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`, which hold a transaction together.
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;
/// `NFNL_SUBSYS_NFTABLES`: the resource that a batch is for, and the high byte of message types.
pub(super) const SUBSYSTEM: u16 = 10;

/// Message types of `nf_tables` (`enum nf_tables_msg_types`), the low byte of the netlink type.
pub(super) mod kind {
    pub(in super::super) const NEW_TABLE: u8 = 0;
    pub(in super::super) const GET_TABLE: u8 = 1;
    pub(in super::super) const DEL_TABLE: u8 = 2;
    pub(in super::super) const NEW_CHAIN: u8 = 3;
    pub(in super::super) const GET_CHAIN: u8 = 4;
    pub(in super::super) const DEL_CHAIN: u8 = 5;
    pub(in super::super) const NEW_RULE: u8 = 6;
    pub(in super::super) const GET_RULE: u8 = 7;
    pub(in super::super) const DEL_RULE: u8 = 8;
    pub(in super::super) const NEW_SET: u8 = 9;
    pub(in super::super) const GET_SET: u8 = 10;
    pub(in super::super) const DEL_SET: u8 = 11;
    pub(in super::super) const NEW_ELEMENT: u8 = 12;
    pub(in super::super) const GET_ELEMENT: u8 = 13;
    pub(in super::super) const DEL_ELEMENT: u8 = 14;
    pub(in super::super) const NEW_GENERATION: u8 = 15;
    pub(in super::super) const GET_GENERATION: u8 = 16;
    pub(in super::super) const GET_OBJECT: u8 = 19;
    /// Like `DEL_ELEMENT`, but an absent element is no error. Linux 6.3.
    pub(in super::super) const DESTROY_ELEMENT: u8 = 30;
}

/// The attribute that names the table, the same in tables, chains, rules, sets, elements, objects.
pub(super) const TABLE_NAME: u16 = 1;

/// Writes messages one after another.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes one message of the `nf_tables` subsystem about the inet family; returns where it starts.
    pub(super) fn message(
        &mut self,
        kind: u8,
        flags: u16,
        sequence: u32,
        body: impl FnOnce(&mut Self),
    ) -> usize {
        let start = self.header(SUBSYSTEM << 8 | u16::from(kind), flags, sequence);
        self.bytes.extend_from_slice(&[INET, 0, 0, 0]);
        body(self);
        self.close(start);
        start
    }

    /// Sets a flag of the message that starts at `start`.
    pub(super) fn flag(&mut self, start: usize, flag: u16) {
        let field = &mut self.bytes[start + 6..start + 8];
        let flags = u16::from_ne_bytes([field[0], field[1]]) | flag;
        field.copy_from_slice(&flags.to_ne_bytes());
    }

    /// Writes the message that begins or ends a transaction.
    pub(super) fn bracket(&mut self, netlink_type: u16, flags: u16, sequence: u32) {
        let start = self.header(netlink_type, flags, sequence);
        let [high, low] = SUBSYSTEM.to_be_bytes();
        self.bytes.extend_from_slice(&[0, 0, high, low]);
        self.close(start);
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.seal(start);
    }

    /// Writes attributes that are already written.
    pub(super) fn raw(&mut self, attributes: &[u8]) {
        self.bytes.extend_from_slice(attributes);
    }

    pub(super) fn text(&mut self, kind: u16, value: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.seal(start);
    }

    pub(super) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NLA_F_NESTED);
        body(self);
        self.seal(start);
    }

    fn header(&mut self, netlink_type: u16, flags: u16, sequence: u32) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&netlink_type.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        start
    }

    fn close(&mut self, start: usize) {
        let length = u32::try_from(self.bytes.len() - start).expect("a message is far below 4 GiB");
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn seal(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start)
            .expect("writers keep each attribute below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

impl Message<'_> {
    /// Returns the `nf_tables` type (see [`kind`]), `None` for a message of another subsystem.
    pub(super) fn kind(&self) -> Option<u8> {
        self.kind_of(SUBSYSTEM)
    }

    /// Returns whether the message is about the inet table of this name.
    pub(super) fn is_about(&self, table: &str) -> bool {
        self.family() == Some(INET) && self.attribute(TABLE_NAME).and_then(text) == Some(table)
    }
}

/// Returns a text attribute without its terminating zero.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::default();
        writer.message(kind::NEW_SET, 5, 7, |body| {
            body.text(TABLE_NAME, "portguard");
            body.nested(9, |inner| inner.attribute(1, &[1, 2, 3]));
        });
        writer.bracket(BATCH_END, 1, 8);

        let read: Vec<_> = messages(writer.as_bytes()).collect();

        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind(), read[0].flags, read[0].sequence), (Some(kind::NEW_SET), 5, 7));
        assert!(read[0].is_about("portguard"));
        assert!(!read[0].is_about("portguar"));
        assert_eq!(attribute(read[0].attribute(9).unwrap(), 1), Some(&[1, 2, 3][..]));
        assert_eq!(read[1].netlink_type, BATCH_END);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            for message in messages(&bytes) {
                let _ = (message.kind(), message.error_number(), message.is_about("x"));
                message.attributes().for_each(drop);
            }
            attributes(&bytes).for_each(drop);
        }
    }
}
