//! The terminal dashboard: what the daemon tells, live, and orders from the keyboard.
//!
//! The state is pure: updates and keys go in, questions and orders come out, and it is drawn as it
//! is. The shell around it ([`run()`]) has a thread that asks the daemon, one that gives it orders,
//! one each for keys and signals, and the caller's, which owns state and terminal. Every text
//! reaches the screen through one pen, which makes it harmless first.

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
    text::{address_of, size, translated},
    watch::Daemon,
};
