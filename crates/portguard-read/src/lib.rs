//! Understands bytes: captures, the headers of packets, the record of what was decided about them, the
//! classic log lines, fail2ban's filters, and rules of our own. No I/O, no clock.

mod address;
pub mod capture;
pub mod decision;
pub mod fail2ban;
mod fields;
pub mod headers;
pub mod journal_entry;
mod judgement;
pub mod link;
pub mod log_line;
mod needle;
pub mod netfilter;
pub mod python_regex;
pub mod ranking;
pub mod reader;
pub mod readers;
pub mod record;
pub mod rule;
mod samples;
mod sieve;
pub mod stamp;

pub use capture::{Capture, CaptureError};
pub use decision::{PacketDecision, Verdict};
pub use fields::Fields;
pub use headers::{Headers, Transport};
pub use judgement::{Judgement, Sighting, Who};
pub use link::Link;
pub use reader::Reader;
pub use readers::Readers;
pub use record::{PacketKind, Query, Record};
