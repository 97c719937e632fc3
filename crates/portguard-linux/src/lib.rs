//! The only crate that meets the kernel: its packet rules, sockets and processes.
//!
//! Everything here is told what to do and reports what is; nothing decides.

pub mod connection;
pub mod conntrack;
pub mod credentials;
pub mod forwarded;
pub mod holder;
pub mod host;
pub mod inhabitant;
pub mod interface;
pub mod journal;
pub mod listener;
pub mod memory;
mod netlink;
pub mod nflog;
pub mod nft;
pub mod packet_socket;
pub mod privilege;
pub mod report;
mod sock_diag;
pub mod tail;
pub mod traffic;
pub mod trap;
pub mod unit;
