//! Swapping the frame: what stands is read, one `nft` swaps, sentinels and carried elements follow.
//!
//! The only place that spawns a process, once for each frame.

use std::{
    io::{self, Write as _},
    process::{Command, ExitStatus, Stdio},
};

use netlink_packet_core::NLM_F_CREATE;
use thiserror::Error;

use super::{
    batch,
    element::{self, Carried},
    fingerprint,
    frame::{FrameSpec, SetDefinition},
    inventory::{self, Inventory},
    set::ListSet,
    socket::{Nack, Transaction},
    table::{Table, read_set},
    wire::{self, TABLE_NAME, Writer, kind},
};

/// How many elements of redefined sets go back in by the very transaction that redefines the sets;
/// the rest follows at once.
///
/// `nft` sends a transaction in one piece. Without the privilege to enlarge its buffer that piece
/// may have some 200 KiB, and an element takes up to 100 bytes.
const CARRIED_IN_TRANSACTION: usize = 1_024;

/// `NFTA_GEN_ID`.
const GENERATION: u16 = 1;

/// What applying a frame did.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// How many elements of redefined sets were put back.
    pub carried: usize,
}

/// Why a frame could not be applied. The table is as it was before, unless said otherwise.
#[derive(Debug, Error)]
pub enum FrameError {
    /// What stands in the kernel cannot be read.
    #[error("cannot read the table `{table}`")]
    Read {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `nft` cannot be run.
    #[error("cannot run `nft`")]
    Spawn(#[source] io::Error),
    /// `nft` refused the frame.
    #[error("`nft` refused the frame ({status}): {complaint}")]
    Refused {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        complaint: String,
    },
    /// The frame stands, but the elements that mark and fill its sets do not.
    #[error("the frame stands, but its sets could not be filled")]
    Fill(#[source] io::Error),
}

impl Table {
    /// Makes the table what `spec` says, in one transaction; elements stay in their sets.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn apply_frame(&mut self, spec: &FrameSpec) -> Result<Applied, FrameError> {
        let (standing, carried) = self.survey(spec).map_err(|why| self.unreadable(why))?;
        let (at_once, later) = carried.split_at(carried.len().min(CARRIED_IN_TRANSACTION));
        self.run_nft(&spec.text(&self.name, &standing, at_once))?;
        self.sets = spec.sets();
        // A set that is new holds no sentinel until the groups are set again.
        self.are_units_set &= self.unit_sets.is_superset(&spec.unit_sets());
        self.unit_sets = spec.unit_sets();
        self.mark_sets().and_then(|()| self.fill(later)).map_err(FrameError::Fill)?;
        self.fingerprint =
            fingerprint::take(&mut self.socket, &self.name).map_err(FrameError::Fill)?;
        Ok(Applied { carried: carried.len() })
    }

    /// Puts the sentinels of all sets in; by their absence a flush is known.
    ///
    /// [`Table::apply_frame`] does so. After a flush, when the frame still stands, this is enough.
    ///
    /// # Errors
    /// When the kernel refuses, as it does if a set is gone.
    pub fn mark_sets(&mut self) -> io::Result<()> {
        let mut transaction = self.socket.begin();
        for set in &self.sets {
            add(&mut transaction, &self.name, *set, |elements| {
                element::write_sentinel(elements, *set);
            });
        }
        settle(self.socket.commit(transaction)?)
    }

    /// Reads what stands in the table, awake, and the elements of the sets that `spec` redefines.
    fn survey(&mut self, spec: &FrameSpec) -> io::Result<(Inventory, Vec<Carried>)> {
        let standing = Inventory::read(&mut self.socket, &self.name)?;
        if standing.is_dormant {
            self.wake()?;
        }
        let mut carried = Vec::new();
        for wanted in spec.definitions() {
            let differs = |old: &SetDefinition| old.name == wanted.name && *old != wanted;
            let Some(set) = ListSet::from_name(&wanted.name) else { continue };
            if !standing.sets.iter().any(differs) {
                continue;
            }
            let records = read_set(&mut self.socket, &self.name, set)?;
            carried.extend(records.into_iter().filter_map(|record| {
                let element = set.element(record.key.as_bytes())?;
                Some(Carried { set, element, record })
            }));
        }
        Ok((standing, carried))
    }

    /// Wakes the table, as the kernel takes no chains in the transaction that does it.
    fn wake(&mut self) -> io::Result<()> {
        let mut transaction = self.socket.begin();
        transaction.message(kind::NEW_TABLE, 0, |body| {
            body.text(TABLE_NAME, &self.name);
            body.attribute(inventory::TABLE_FLAGS, &0_u32.to_be_bytes());
        });
        settle(self.socket.commit(transaction)?)
    }

    /// Runs `nft` on a transaction, known to the monitor as ours.
    fn run_nft(&mut self, text: &str) -> Result<(), FrameError> {
        let before = self.generation().map_err(|why| self.unreadable(why))?;
        let mut child = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(FrameError::Spawn)?;
        let port_id = child.id();
        // It cannot commit before it has read the last line, so it is known in time.
        self.ownership.begin_helper(port_id, before);
        let mut stdin = child.stdin.take().expect("it was piped");
        let written = stdin.write_all(text.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().map_err(FrameError::Spawn)?;
        let after = self.generation().map_err(|why| self.unreadable(why))?;
        self.ownership.end_helper(port_id, after);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(FrameError::Refused { status: output.status, complaint });
        }
        written.map_err(FrameError::Spawn)
    }

    fn unreadable(&self, source: io::Error) -> FrameError {
        FrameError::Read { table: self.name.clone(), source }
    }

    /// Returns the number of the rule set's generation.
    fn generation(&mut self) -> io::Result<u32> {
        let generation = self.socket.request(
            kind::GET_GENERATION,
            |_| {},
            |message| message.attribute(GENERATION).and_then(wire::u32_be),
        )?;
        generation.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Puts in the elements that did not go in with the frame.
    fn fill(&mut self, carried: &[Carried]) -> io::Result<()> {
        let length = self.socket.transaction_limit() / CARRIED_SIZE;
        for part in carried.chunks(length.clamp(1, batch::ELEMENTS_PER_TRANSACTION)) {
            let mut transaction = self.socket.begin();
            for Carried { set, record, .. } in part {
                add(&mut transaction, &self.name, *set, |elements| {
                    let counter = record.counter.as_deref();
                    element::write_new(elements, record.key, record.lifetime, counter);
                });
            }
            settle(self.socket.commit(transaction)?)?;
        }
        Ok(())
    }
}

/// More bytes than a carried element takes in a message of its own, counter included.
const CARRIED_SIZE: usize = 256;

fn add(
    transaction: &mut Transaction,
    table: &str,
    set: ListSet,
    elements: impl FnOnce(&mut Writer),
) {
    transaction.message(kind::NEW_ELEMENT, NLM_F_CREATE, |body| {
        element::write_elements(body, table, set, elements);
    });
}

fn settle(result: Result<(), Nack>) -> io::Result<()> {
    result.map_err(|nack| nack.errno.into())
}
