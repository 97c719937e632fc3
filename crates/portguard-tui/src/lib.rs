//! The terminal dashboard: what the daemon tells, live, and orders from the keyboard.
//!
//! [`State`] is pure: updates and keys go in, questions and orders come out, [`draw`] shows it.
//! The shell around it ([`run`]) has three threads: one asks the daemon, one gives it orders, and
//! the caller's owns the terminal. Every text reaches the screen through one pen, which makes it
//! harmless first.

mod ask;
mod data;
mod draw;
mod key;
mod look;
mod order;
mod prompt;
mod rate;
mod rows;
mod run;
mod state;
mod table;
mod terminal;
mod text;
mod view;
mod watch;

#[cfg(test)]
mod tests;

pub use crate::{
    ask::Unanswered,
    look::{Colours, Look},
    run::{TopError, run},
    watch::Daemon,
};
