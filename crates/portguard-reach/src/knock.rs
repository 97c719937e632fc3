//! The knock: one encrypted and signed UDP packet that asks for a service to be opened.
//!
//! Pure: bytes, keys and the moment come in as values, a [`Knock`] or a [`Refusal`] comes out. The
//! format is written down in `docs/knock-protocol.md`, with test vectors that the tests here check.
//! Opening has two steps, so that whoever does not know the host's public key is turned away by one
//! hash ([`Gate::sift`]), and public-key operations can be rationed between the two.

mod cipher;
mod gate;
mod host_key;
mod hosts;
mod knocker;
mod memory;
mod message;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use gate::{Addressed, Gate, Knocked, Refusal, checked, seal};
pub use host_key::{HostKey, HostKeyError, HostSecret, random};
pub use hosts::{HostsError, key_in};
pub use knocker::{Knocker, KnockerError};
pub use memory::{Memory, MemoryError};
pub use message::{Knock, LONGEST_SERVICE, ServiceError};

/// Length of a knock, in bytes; a UDP payload of any other length is none.
pub const LENGTH: usize = 256;

/// The port that clients knock at unless they are told another.
pub const USUAL_PORT: u16 = 62_201;

/// How far a knock's time may lie from the host's, before or behind.
pub const FRESH_FOR: Duration = Duration::from_secs(60);

/// The one version of the format, which is the first byte of a knock.
pub const VERSION: u8 = 1;

/// Where the parts of a packet lie: version, ephemeral key, sealed message with its tag, check.
const EPHEMERAL: std::ops::Range<usize> = 1..33;
const SEALED: std::ops::Range<usize> = 33..240;
const CHECK: std::ops::Range<usize> = 240..LENGTH;

/// Length of the tag behind the message (RFC 8439 2.8).
const TAG: usize = 16;
