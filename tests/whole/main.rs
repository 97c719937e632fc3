//! Whole-program tests: the real daemon, the real kernel, real scanners, in a lab of its own each.

mod bad_input;
mod command;
mod ladder;
mod ledger;
mod lists;
mod packets;
mod repair;
mod restart;
mod story;
mod traps;
