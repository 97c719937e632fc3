//! Remembers: the ledger of what is in force and who offended, and the journal, in one SQLite file.
//!
//! One thread owns the [`Keeper`] (or a bare [`Ledger`]) and writes; any number of [`Reader`]s in
//! other threads answer questions meanwhile. Nothing here reads a clock, sleeps or decides; the
//! moment is always a parameter.
//!
//! What is promised of a recorded batch: all of it is kept or none, and once [`Ledger::record`] has
//! returned, the death of the process at any moment loses nothing of it. A power loss or a crash of
//! the kernel may lose the last transactions (`synchronous = NORMAL`), never the file's integrity.
//!
//! The store must never stop the guarding: [`Ledger::open`] always gives a ledger, in memory if
//! need be, and the [`Keeper`] never fails.

mod carry;
mod column;
mod doors;
pub mod fail2ban;
pub mod journal;
pub mod keeper;
pub mod ledger;
mod opening;
mod place;
pub mod port_trap;
mod proposals;
pub mod reader;
pub mod record;
mod retention;
mod schema;

pub use journal::StoredEntry;
pub use keeper::Keeper;
pub use ledger::{Ledger, Opening, Retention};
pub use opening::OpenError;
pub use reader::{EntryQuery, Order, ReadError, Reader, Story, Tally};
pub use record::RecordError;
pub use retention::{PruneError, Pruned};
