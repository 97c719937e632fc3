//! A lab of real hosts made of namespaces: a guarded one, a scanner, and what they say to each other.
//!
//! Nothing here needs root, and nothing touches the machine it runs on: each host has a network and
//! a `/run` of its own, and all of it is gone when the test ends, however it ends. The lab panics
//! where something is wrong, since there is no test without it.

pub mod daemon;
pub mod deadline;
pub mod file_server;
pub mod forgery;
pub mod host;
pub mod pages;
pub mod program;
pub mod running;
pub mod scan;
pub mod servers;
pub mod terminal;
pub mod wiring;

pub use crate::{
    daemon::Daemon,
    deadline::eventually,
    file_server::FileServer,
    forgery::{Forgery, Kind},
    host::Host,
    pages::Pages,
    running::Running,
    scan::{Answer, Finding},
    servers::Servers,
    terminal::Terminal,
    wiring::Lab,
};
