//! Whole-program tests: the real daemon, the real kernel, real scanners, in a lab of its own each.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod anomalies;
mod bad_input;
mod browser;
mod coexistence;
mod command;
mod config_file;
mod connections;
mod drift;
mod face;
mod faces;
mod fuzzed;
mod history;
mod journals;
mod knock;
mod lacking;
mod ladder;
mod ledger;
mod lists;
mod nonsense;
mod odd_logs;
mod packet_log;
mod packets;
mod pam;
mod pause;
mod ports;
mod posture;
mod remote;
mod repair;
mod reports;
mod restart;
mod roles;
mod scan;
mod servers;
mod share;
mod story;
mod stream;
mod tables;
mod take_over;
mod taps;
mod top;
mod traps;
mod watch_views;
mod watches;
mod web;
