//! Verification: is the frame in the kernel still the one that was applied?
//!
//! The fingerprint covers the table, its chains, rules and set definitions as the kernel writes
//! them. Elements are not part of it, as listing
//! a large set takes long; a flushed set is known by its missing sentinel.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    io,
};

use super::{
    batch::look_up,
    set::ListSet,
    socket::Socket,
    wire::{Message, TABLE_NAME, Writer, kind},
};

/// What was found of the frame and the sets.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was applied.
    Intact,
    /// The table is not there.
    TableMissing,
    /// Chains, rules or set definitions are not as they were applied.
    FrameChanged,
    /// Sets of control groups have been flushed.
    UnitsFlushed,
    /// These sets have been flushed.
    Flushed {
        /// The sets without a sentinel.
        sets: Vec<ListSet>,
    },
}

/// The frame as one number, comparable within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

/// The attributes that make up a frame, for each kind of thing; later kernels may add others, which
/// may change by themselves, as handles and counts do.
///
/// Tables: name, flags. Chains: table, name, hook, policy, type, flags. Rules: table, chain,
/// expressions, comment. Sets: table, name, flags, types and lengths, policy, description, timeout,
/// collection interval, comment, expressions.
const TABLE_PARTS: &[u16] = &[1, 2];
const CHAIN_PARTS: &[u16] = &[1, 3, 4, 5, 7, 10];
const RULE_PARTS: &[u16] = &[1, 2, 4, 7];
const SET_PARTS: &[u16] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 18];

/// Takes the fingerprint of the table, `None` if it does not exist.
pub(super) fn take(socket: &mut Socket, table: &str) -> io::Result<Option<Fingerprint>> {
    let name_table = |body: &mut Writer| body.text(TABLE_NAME, table);
    let Some(of_table) = socket
        .request(kind::GET_TABLE, name_table, |message| Some(digest(message, TABLE_PARTS)))?
    else {
        return Ok(None);
    };
    let mut hasher = DefaultHasher::new();
    of_table.hash(&mut hasher);
    for (kind, parts) in
        [(kind::GET_CHAIN, CHAIN_PARTS), (kind::GET_RULE, RULE_PARTS), (kind::GET_SET, SET_PARTS)]
    {
        // Kernels filter some of these by table, not all.
        let digests = socket.dump(kind, name_table, |message| {
            message.is_about(table).then(|| digest(message, parts))
        })?;
        digests.hash(&mut hasher);
    }
    Ok(Some(Fingerprint(hasher.finish())))
}

/// Returns those sets whose sentinel is not there.
pub(super) fn flushed(
    socket: &mut Socket,
    table: &str,
    sets: &BTreeSet<ListSet>,
) -> io::Result<Vec<ListSet>> {
    let mut flushed = Vec::new();
    for set in sets {
        if look_up(socket, table, *set, set.sentinel())?.is_none() {
            flushed.push(*set);
        }
    }
    Ok(flushed)
}

fn digest(message: &Message<'_>, parts: &[u16]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (kind, value) in message.attributes().filter(|(kind, _)| parts.contains(kind)) {
        (kind, value).hash(&mut hasher);
    }
    hasher.finish()
}
