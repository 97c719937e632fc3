//! The program's table in the kernel: one kept socket, one frame, its elements.
//!
//! Owned by the enforcer thread. Changes elements and reads them back; `swap.rs` changes the frame.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::IpAddr,
    sync::Arc,
};

use portguard_core::{Change, List, Port, Subject, Timestamp};
use rustix::io::Errno;
use thiserror::Error;

use super::{
    batch::{self, Abilities, ApplyError, BatchOutcome, Target},
    element::{self, Found, Listed, Record, Tally},
    fingerprint::{self, Fingerprint, Verdict},
    frame::{ALLOWED, BANNED, BLOCKED, LOGGED_ALLOWED, LOGGED_BLOCKED, THROTTLED},
    inventory,
    ownership::Ownership,
    set::ListSet,
    socket::{Nack, Socket},
    unit,
    wire::{self, TABLE_NAME, Writer, kind},
};

/// Attributes of a named object (`enum nft_object_attributes`).
const OBJECT_NAME: u16 = 2;
const OBJECT_DATA: u16 = 4;

/// How often a set is read at most; a hash table grows in a fraction of a second.
const READINGS: usize = 4;

/// One table of the inet family that is ours alone.
pub struct Table {
    pub(super) socket: Socket,
    pub(super) name: String,
    pub(super) abilities: Abilities,
    pub(super) ownership: Arc<Ownership>,
    pub(super) sets: BTreeSet<ListSet>,
    pub(super) fingerprint: Option<Fingerprint>,
    /// The sets of control groups: approval and depth.
    pub(super) unit_sets: BTreeSet<(u16, u8)>,
    pub(super) are_units_set: bool,
}

/// What the table's rules counted since it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets dropped because their source is banned.
    pub banned: Tally,
    /// Packets dropped because their source is over its rate.
    pub throttled: Tally,
    /// All packets turned away, the banned and throttled included.
    pub blocked: Tally,
    /// Those of them that were told of, being within the limit.
    pub logged_blocked: Tally,
    /// New connections let in.
    pub allowed: Tally,
    /// Those of them that were told of.
    pub logged_allowed: Tally,
}

/// Why the kernel's table could not be asked.
#[derive(Debug, Error)]
#[error("cannot read the table from the kernel")]
pub struct ReadError(#[from] io::Error);

impl Table {
    /// Opens the socket over which the table of this name is changed; changes nothing yet.
    ///
    /// # Errors
    /// When the kernel gives no such socket.
    pub fn open(name: &str) -> io::Result<Self> {
        let socket = Socket::open(0)?;
        let ownership = Arc::new(Ownership::new(socket.port_id()));
        Ok(Self {
            socket,
            name: name.to_owned(),
            abilities: Abilities::of_this_kernel()?,
            ownership,
            sets: BTreeSet::new(),
            fingerprint: None,
            unit_sets: BTreeSet::new(),
            are_units_set: false,
        })
    }

    /// Returns what tells our own changes from others', for a [`super::Monitor`].
    pub fn ownership(&self) -> Arc<Ownership> {
        Arc::clone(&self.ownership)
    }

    /// Takes changes over into the kernel, in their order. `now` is what their ends count from.
    ///
    /// # Errors
    /// See [`ApplyError`]; what single elements are refused for is in the outcome.
    pub fn apply(
        &mut self,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<BatchOutcome, ApplyError> {
        let missing = |change: &&Change| !self.sets.contains(&ListSet::of(&change.element()));
        if let Some(change) = changes.iter().find(missing) {
            return Err(ApplyError::MissingSet(ListSet::of(&change.element())));
        }
        let Self { socket, name, abilities, .. } = self;
        Target { socket, table: name, abilities: *abilities }.apply(changes, now)
    }

    /// Returns every element that is about `address`: alone, or by a network that it lies in.
    ///
    /// The kernel finds an element by its whole key, so bans of single ports are found for those
    /// `ports` that are asked for.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn find(&mut self, address: IpAddr, ports: &[Port]) -> Result<Vec<Found>, ReadError> {
        let family = Subject::address(address).family();
        let all = [None];
        let single: Vec<_> = ports.iter().copied().map(Some).collect();
        let mut found = Vec::new();
        let of_sources =
            |set: &&ListSet| set.family == family && List::OF_SOURCES.contains(&set.list);
        for set in self.sets.iter().filter(of_sources) {
            for port in if set.ports { &single[..] } else { &all[..] } {
                let key = set.key_containing(address, *port);
                let record = batch::look_up(&mut self.socket, &self.name, *set, key)?;
                found.extend(record.and_then(|record| record.found(*set)));
            }
        }
        Ok(found)
    }

    /// Returns all elements of a list.
    ///
    /// The kernel's effort grows with the square of their number: 100,000 take 0.2 seconds, a
    /// million a minute.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn dump(&mut self, list: List) -> Result<Vec<Listed>, ReadError> {
        let mut listed = Vec::new();
        for set in self.sets.iter().filter(|set| set.list == list) {
            let records = read_set(&mut self.socket, &self.name, *set)?;
            listed.extend(records.iter().filter_map(|record| record.listed(*set)));
        }
        Ok(listed)
    }

    /// Returns how many elements a set holds, those included that have ended but are not collected
    /// yet; `None` if the kernel does not tell, as older ones do not.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn count(&mut self, set: ListSet) -> Result<Option<u32>, ReadError> {
        let count = inventory::count(&mut self.socket, &self.name, &set.to_string())?;
        Ok(count.map(|with_sentinel| with_sentinel.saturating_sub(1)))
    }

    /// Returns what the rules counted.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn counters(&mut self) -> Result<Totals, ReadError> {
        let Self { socket, name, .. } = self;
        let mut totals = Totals::default();
        let name_table = |body: &mut Writer| body.text(TABLE_NAME, name);
        socket.dump(kind::GET_OBJECT, name_table, |message| {
            let data = message.is_about(name).then(|| message.attribute(OBJECT_DATA))??;
            match wire::text(message.attribute(OBJECT_NAME)?)? {
                BANNED => totals.banned = Tally::read(data),
                THROTTLED => totals.throttled = Tally::read(data),
                BLOCKED => totals.blocked = Tally::read(data),
                LOGGED_BLOCKED => totals.logged_blocked = Tally::read(data),
                ALLOWED => totals.allowed = Tally::read(data),
                LOGGED_ALLOWED => totals.logged_allowed = Tally::read(data),
                _ => {}
            }
            Some(())
        })?;
        Ok(totals)
    }

    /// Returns whether the kernel still holds the frame as it was applied, and whether a set was
    /// flushed. Elements that went one by one do not show here.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn verify(&mut self) -> Result<Verdict, ReadError> {
        let Some(found) = fingerprint::take(&mut self.socket, &self.name)? else {
            return Ok(Verdict::TableMissing);
        };
        if Some(found) != self.fingerprint {
            return Ok(Verdict::FrameChanged);
        }
        if self.are_units_set && !unit::are_marked(&mut self.socket, &self.name, &self.unit_sets)? {
            return Ok(Verdict::UnitsFlushed);
        }
        let sets = fingerprint::flushed(&mut self.socket, &self.name, &self.sets)?;
        Ok(if sets.is_empty() { Verdict::Intact } else { Verdict::Flushed { sets } })
    }

    /// Deletes the table with everything in it; one that is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&mut self) -> io::Result<()> {
        let mut transaction = self.socket.begin();
        transaction.message(kind::DEL_TABLE, 0, |body| body.text(TABLE_NAME, &self.name));
        self.fingerprint = None;
        self.sets.clear();
        self.unit_sets.clear();
        self.are_units_set = false;
        match self.socket.commit(transaction)? {
            Ok(()) | Err(Nack { errno: Errno::NOENT }) => Ok(()),
            Err(nack) => Err(nack.errno.into()),
        }
    }
}

/// Reads every element of a set, the sentinel too.
///
/// The kernel walks a hash table that may be growing, and then tells of some elements twice and of
/// others not at all. So what it tells is put together until it makes up the number that the kernel
/// says the set has, or until one more reading brings nothing new.
pub(super) fn read_set(socket: &mut Socket, table: &str, set: ListSet) -> io::Result<Vec<Record>> {
    let name_set = |body: &mut Writer| element::write_set(body, table, set);
    let mut all = HashMap::new();
    for _ in 0..READINGS {
        let parts = socket.dump(kind::GET_ELEMENT, name_set, |message| {
            Some(element::records(message).map(|record| (record.key, record)).collect::<Vec<_>>())
        })?;
        let before = all.len();
        all.extend(parts.into_iter().flatten());
        let count = inventory::count(socket, table, &set.to_string())?;
        let is_complete = count.is_some_and(|count| all.len() >= count as usize);
        if is_complete || all.len() == before {
            break;
        }
    }
    Ok(all.into_values().collect())
}
