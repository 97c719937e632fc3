//! Sources that were seen once: most forged ones never come again, and shall take no room from those
//! that do.
//!
//! A table of fixed size. Where it is full, what was seen longest ago goes.

use super::contact::{Contact, Tick};

/// Sources that are known, a power of two; 16 bytes each.
const CELLS: usize = 1 << 20;

/// Cells that one source may be in: those of one cache line.
const ASIDE: usize = 4;

/// The table.
#[derive(Debug)]
pub(super) struct Faint {
    /// As numbers, for zeros take no memory until they are touched: 32 bits of the hash of a source,
    /// never zeros, with the time, and what it did.
    cells: Vec<[u64; 2]>,
}

impl Default for Faint {
    fn default() -> Self {
        Self { cells: vec![[0; 2]; CELLS] }
    }
}

impl Faint {
    /// Takes what a source did, by its hash. Returns what it did before, and forgets that, if it is
    /// known.
    #[expect(clippy::cast_possible_truncation, reason = "parts of the hash are wanted")]
    pub(super) fn take(&mut self, hash: u64, contact: Contact, now: Tick) -> Option<Contact> {
        let start = (hash as usize & (CELLS - 1)) / ASIDE * ASIDE;
        let bucket = &mut self.cells[start..start + ASIDE];
        let tag = hash >> 32 | 1;
        if let Some(cell) = bucket.iter_mut().find(|cell| cell[0] >> 32 == tag) {
            return Some(contact_of(std::mem::take(cell)));
        }
        let age = |cell: &&mut [u64; 2]| match **cell {
            [0, _] => u32::MAX,
            [first, _] => now.far(Tick(first as u32)),
        };
        if let Some(oldest) = bucket.iter_mut().max_by_key(age) {
            *oldest = [tag << 32 | u64::from(contact.at.0), packed(&contact)];
        }
        None
    }
}

fn packed(contact: &Contact) -> u64 {
    let [high, low] = contact.port.to_be_bytes();
    let [a, b, c, d] = contact.host.to_be_bytes();
    u64::from_be_bytes([a, b, c, d, high, low, contact.protocol, contact.bits])
}

#[expect(clippy::cast_possible_truncation, reason = "the time is the lower half")]
fn contact_of([first, second]: [u64; 2]) -> Contact {
    let [a, b, c, d, high, low, protocol, bits] = second.to_be_bytes();
    Contact {
        host: u32::from_be_bytes([a, b, c, d]),
        at: Tick(first as u32),
        port: u16::from_be_bytes([high, low]),
        protocol,
        bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_again_is_told_what_it_did_though_many_came_meanwhile() {
        let mut faint = Faint::default();
        let contact = |number: u32| Contact {
            host: number << 20,
            at: Tick(number),
            port: 4_711,
            protocol: 6,
            bits: 5,
        };
        let hash = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(faint.take(hash(1), contact(1), Tick(1)).is_none());
        for number in 2..200_000 {
            assert!(faint.take(hash(number), contact(2), Tick(2)).is_none(), "{number}");
        }
        let before = faint.take(hash(1), contact(3), Tick(3));
        assert_eq!(before, Some(contact(1)));
        assert!(faint.take(hash(1), contact(3), Tick(3)).is_none());
    }
}
