//! Set elements as the kernel writes and reads them: key, time, counter. Pure.

use std::{fmt, time::Duration};

use portguard_core::Element;

use super::{
    set::{Key, ListSet},
    wire::{self, Message, TABLE_NAME, Writer},
};

/// Attributes of the list of elements in a message (`enum nft_set_elem_list_attributes`).
const SET_NAME: u16 = 2;
const ELEMENTS: u16 = 3;
const ELEMENT: u16 = 1;

/// Attributes of an element (`enum nft_set_elem_attributes`).
const KEY: u16 = 1;
const TIMEOUT: u16 = 4;
const EXPIRATION: u16 = 5;
const USER_DATA: u16 = 6;
const EXPRESSION: u16 = 7;

/// `NFTA_DATA_VALUE`.
const VALUE: u16 = 1;

/// Attributes of an expression, and of the one called `counter`.
const EXPRESSION_DATA: u16 = 2;
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;

/// What `nft list` shows as the sentinel's comment: user data type 0, length, text with its zero.
const SENTINEL_COMMENT: &[u8] = b"\x00\x09sentinel\0";

/// The longest time that the kernel takes, in milliseconds: about 584 years. Beyond it is for ever.
const LONGEST_TIMEOUT: u64 = u64::MAX / 1_000_000 - 1;

/// An element that the kernel was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The element.
    pub element: Element,
    /// How long it still stays; `None` for ever.
    pub remaining: Option<Duration>,
    /// What it matched since it was added.
    pub matched: Tally,
}

/// An element in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The element.
    pub element: Element,
    /// How long it still stays; `None` for ever.
    pub remaining: Option<Duration>,
}

/// What a counter counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes, with IP headers.
    pub bytes: u64,
}

impl Tally {
    /// Returns what the attributes of a counter say.
    pub(super) fn read(counter: &[u8]) -> Self {
        let number = |kind| wire::attribute(counter, kind).and_then(wire::u64_be).unwrap_or(0);
        Self { packets: number(COUNTER_PACKETS), bytes: number(COUNTER_BYTES) }
    }
}

/// How long an element stays, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// How long it stays from when it was added; `None` for ever.
    pub(super) timeout: Option<u64>,
    /// How much of that is left.
    pub(super) remaining: u64,
}

impl Lifetime {
    pub(super) const FOREVER: Self = Self { timeout: None, remaining: 0 };

    pub(super) fn starting(length: Duration) -> Self {
        match u64::try_from(length.as_millis()) {
            Ok(millis) if millis <= LONGEST_TIMEOUT => {
                Self { timeout: Some(millis), remaining: millis }
            }
            _ => Self::FOREVER,
        }
    }

    pub(super) fn remaining(self) -> Option<Duration> {
        self.timeout.map(|_| Duration::from_millis(self.remaining))
    }
}

/// An element as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Key,
    pub(super) lifetime: Lifetime,
    /// The counter with its state, as the kernel wrote it.
    pub(super) counter: Option<Vec<u8>>,
}

impl Record {
    fn read(attributes: &[u8]) -> Option<Self> {
        let find = |kind| wire::attribute(attributes, kind);
        let number = |kind| find(kind).and_then(wire::u64_be);
        let expiration = number(EXPIRATION);
        // The kernel leaves out a timeout that is the set's own.
        let timeout = number(TIMEOUT).filter(|millis| *millis > 0).or(expiration);
        Some(Self {
            key: Key::from_bytes(wire::attribute(find(KEY)?, VALUE)?)?,
            lifetime: Lifetime { timeout, remaining: expiration.or(timeout).unwrap_or(0) },
            counter: find(EXPRESSION).map(<[u8]>::to_vec),
        })
    }

    pub(super) fn matched(&self) -> Tally {
        let data =
            self.counter.as_deref().and_then(|bytes| wire::attribute(bytes, EXPRESSION_DATA));
        data.map(Tally::read).unwrap_or_default()
    }

    pub(super) fn listed(&self, set: ListSet) -> Option<Listed> {
        let element = set.element(self.key.as_bytes())?;
        Some(Listed { element, remaining: self.lifetime.remaining() })
    }

    pub(super) fn found(&self, set: ListSet) -> Option<Found> {
        let Listed { element, remaining } = self.listed(set)?;
        Some(Found { element, remaining, matched: self.matched() })
    }
}

/// An element that outlives the redefinition of its set, with its counter and the time it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) set: ListSet,
    pub(super) element: Element,
    pub(super) record: Record,
}

impl fmt::Display for Carried {
    /// Writes what stands after `add element inet TABLE` in `nft` text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {{ {}", self.set, self.element.subject.first_address())?;
        if let Some(port) = self.element.port {
            write!(f, " . {} . {}", port.protocol, port.number)?;
        }
        let Tally { packets, bytes } = self.record.matched();
        write!(f, " counter packets {packets} bytes {bytes}")?;
        if let Some(timeout) = self.record.lifetime.timeout {
            // Zero would mean for ever.
            let remaining = self.record.lifetime.remaining.max(1);
            write!(f, " timeout {timeout}ms expires {remaining}ms")?;
        }
        f.write_str(" }")
    }
}

/// Writes the body of a message about elements of one set.
pub(super) fn write_elements(
    body: &mut Writer,
    table: &str,
    set: ListSet,
    elements: impl FnOnce(&mut Writer),
) {
    write_set(body, table, set);
    body.nested(ELEMENTS, elements);
}

/// Writes the body of a message about elements of the set with this name.
pub(super) fn write_named_elements(
    body: &mut Writer,
    table: &str,
    set: &str,
    elements: impl FnOnce(&mut Writer),
) {
    write_named_set(body, table, set);
    body.nested(ELEMENTS, elements);
}

/// Writes the body of a message about a whole set.
pub(super) fn write_set(body: &mut Writer, table: &str, set: ListSet) {
    write_named_set(body, table, &set.to_string());
}

/// Writes the body of a message about the whole set with this name.
pub(super) fn write_named_set(body: &mut Writer, table: &str, set: &str) {
    body.text(TABLE_NAME, table);
    body.text(SET_NAME, set);
}

/// Writes an element that is looked up or removed.
pub(super) fn write_key(elements: &mut Writer, key: Key) {
    elements.nested(ELEMENT, |element| write_key_value(element, key));
}

/// Writes an element that is added; `counter` is one that it had before.
///
/// The time left is always written: a kernel that updates timeouts lets an element with the same
/// timeout go on as it was unless it is told how much of it is left.
pub(super) fn write_new(
    elements: &mut Writer,
    key: Key,
    lifetime: Lifetime,
    counter: Option<&[u8]>,
) {
    elements.nested(ELEMENT, |element| {
        write_key_value(element, key);
        if let Some(timeout) = lifetime.timeout {
            element.attribute(TIMEOUT, &timeout.to_be_bytes());
            element.attribute(EXPIRATION, &lifetime.remaining.max(1).to_be_bytes());
        }
        if let Some(counter) = counter {
            element.nested(EXPRESSION, |expression| expression.raw(counter));
        }
    });
}

/// Writes a set's sentinel.
pub(super) fn write_sentinel(elements: &mut Writer, set: ListSet) {
    elements.nested(ELEMENT, |element| {
        write_key_value(element, set.sentinel());
        element.attribute(USER_DATA, SENTINEL_COMMENT);
    });
}

fn write_key_value(element: &mut Writer, key: Key) {
    element.nested(KEY, |data| data.attribute(VALUE, key.as_bytes()));
}

/// Returns the name of the set that a message about elements is about.
pub(super) fn set_name<'bytes>(message: &Message<'bytes>) -> Option<&'bytes str> {
    message.attribute(SET_NAME).and_then(wire::text)
}

/// Returns the elements in a message; what cannot be read is left out.
pub(super) fn records<'bytes>(
    message: &Message<'bytes>,
) -> impl Iterator<Item = Record> + use<'bytes> {
    wire::attributes(message.attribute(ELEMENTS).unwrap_or_default())
        .filter(|(kind, _)| *kind == ELEMENT)
        .filter_map(|(_, element)| Record::read(element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::wire::kind;

    #[test]
    fn an_element_reads_back_with_its_time_and_counter() {
        let set = ListSet::from_name("banport4").unwrap();
        let element = Element {
            list: set.list,
            subject: "192.0.2.7".parse().unwrap(),
            port: Some("tcp/22".parse().unwrap()),
        };
        let lifetime = Lifetime { timeout: Some(60_000), remaining: 1_500 };
        let mut counter = Writer::default();
        counter.text(1, "counter");
        counter.nested(EXPRESSION_DATA, |data| {
            data.attribute(COUNTER_BYTES, &700_u64.to_be_bytes());
            data.attribute(COUNTER_PACKETS, &7_u64.to_be_bytes());
        });
        let mut writer = Writer::default();
        writer.message(kind::NEW_ELEMENT, 0, 0, |body| {
            write_elements(body, "portguard", set, |elements| {
                write_new(elements, ListSet::key(&element), lifetime, Some(counter.as_bytes()));
                write_sentinel(elements, set);
            });
        });

        let message = wire::messages(writer.as_bytes()).next().unwrap();
        let read: Vec<_> = records(&message).collect();

        assert_eq!(set_name(&message), Some("banport4"));
        let remaining = Some(Duration::from_millis(1_500));
        let matched = Tally { packets: 7, bytes: 700 };
        assert_eq!(read[0].found(set), Some(Found { element, remaining, matched }));
        assert_eq!(read[1].key, set.sentinel());
        assert_eq!(
            Carried { set, element, record: read[0].clone() }.to_string(),
            "banport4 { 192.0.2.7 . tcp . 22 counter packets 7 bytes 700 timeout 60000ms expires 1500ms }",
        );
    }

    #[test]
    fn a_time_beyond_the_kernel_is_for_ever() {
        assert_eq!(Lifetime::starting(Duration::MAX), Lifetime::FOREVER);
        assert_eq!(Lifetime::starting(Duration::from_secs(90)).timeout, Some(90_000));
    }
}
