//! The kernel table against the real kernel, each test in a network namespace of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bulk;
mod doors;
mod essentials;
mod frame;
mod measure;
mod monitor;
mod namespace;
mod peer;
mod setting;
mod table;
mod traffic;
mod units;
mod vacant;
