//! What leaves the host or comes from afar: sharing a port through an SSH reverse tunnel, the signed
//! control file, knocks, and the keys of those who may order something.
//!
//! Everything here reads bytes that strangers wrote: buffers are bounded, nothing is believed that
//! was not checked. It decides nothing about the guard, and knows
//! nothing of the daemon.

pub mod control;
pub mod key;
pub mod knock;
mod plain;
pub mod share;
