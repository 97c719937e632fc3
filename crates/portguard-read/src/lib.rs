//! Understands bytes: the headers of packets, the record of what was decided about them, the
//! classic log lines, and fail2ban's filters. No I/O, no clock.

pub mod decision;
pub mod fail2ban;
pub mod headers;
pub mod log_line;
pub mod netfilter;
pub mod python_regex;
pub mod record;
pub mod stamp;

pub use decision::{PacketDecision, Verdict};
pub use headers::{Headers, Transport};
pub use record::{PacketKind, Query, Record};
