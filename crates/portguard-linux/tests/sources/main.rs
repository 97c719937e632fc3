//! Traps, logged packets and facts about the host against the real kernel, each test in a network
//! namespace of its own.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod conntrack;
mod fact;
mod listening;
mod logged;
#[path = "../nft/namespace.rs"]
mod namespace;
mod packets;
mod session;
mod tail;
mod trap;
