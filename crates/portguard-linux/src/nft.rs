//! The program's one `nf_tables` table: frame, elements, verification, and what others do to it.
//!
//! - [`FrameSpec`] says what the chains, rules and sets shall be; [`Table::apply_frame`] swaps them in
//!   by one transaction of one spawned `nft`, and the sets keep their elements.
//! - [`Table::apply`] adds and removes elements over one kept netlink socket and spawns nothing.
//! - [`Table::verify`] tells whether the kernel still holds what was applied.
//! - [`Monitor`] tells who else changed the table, and what.
//!
//! Nothing here touches another table, decides whom to ban, or reads a clock. The enforcer thread
//! owns the [`Table`]; a thread of its own owns the [`Monitor`].

mod batch;
mod element;
mod feature;
mod fingerprint;
mod frame;
mod inventory;
mod monitor;
mod ownership;
mod set;
mod socket;
mod swap;
mod table;
mod unit;
mod wire;

pub use batch::{ApplyError, BatchOutcome, NotApplied};
pub use element::{Found, Listed, Tally};
pub use feature::probe_features;
pub use fingerprint::Verdict;
pub use frame::{Features, FrameSpec, Icmp, KnockRule, Log, Rates, TrapEvidence, TrapRule};
pub use monitor::{Added, ForeignChange, Monitor, MonitorError, Notice};
pub use ownership::Ownership;
pub use set::ListSet;
pub use swap::{Applied, FrameError};
pub use table::{ReadError, Table, Totals};
pub use unit::UnitError;
