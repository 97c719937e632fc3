//! The store as its users see it: on real files, real full disks and against real `kill -9`.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

mod chart;
mod crash;
mod damage;
mod disk;
mod doors;
mod keeper;
mod proposals;
mod question;
mod retention;
mod round_trip;
mod sample;
mod version;
