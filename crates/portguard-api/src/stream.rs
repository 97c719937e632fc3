//! What a face is told without asking: `GET /v1/stream` as server-sent events.
//!
//! The event's name says what its data is:
//!
//! | event | data | when |
//! | --- | --- | --- |
//! | `status` | [`crate::view::Status`] | first, and when it has changed, once a second at most |
//! | `entry` | [`crate::view::Entry`] | a journal line, once it is written |
//! | `packets` | [`Packets`] | decisions about packets, ten times a second at most |
//! | `lagged` | [`Lagged`] | the reader was too slow and missed something: it asks anew |
//!
//! A comment comes every 15 s if nothing else does.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Some of the decisions about packets since the last such event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Packets {
    /// The newest of them, at most 50, oldest first.
    pub items: Vec<crate::packet::Packet>,
    /// How many more there were.
    pub more: u64,
}

/// What a slow reader missed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Lagged {
    /// How many events.
    pub missed: u64,
}
