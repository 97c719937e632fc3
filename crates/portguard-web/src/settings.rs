//! What the web face is told when it starts.

use std::{io, net::SocketAddr, os::fd::BorrowedFd, path::PathBuf, sync::Arc, time::Duration};

/// Hands an accepted socket over to the guard's report socket, with words such as
/// `failed service=web user=NAME`, and returns the answer. May block.
pub type Report = Arc<dyn Fn(&str, BorrowedFd<'_>) -> io::Result<String> + Send + Sync>;

/// How the face is set up.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether and how it speaks TLS.
    pub tls: Tls,
    /// How long a session lasts.
    pub session: Duration,
    /// How long a session lasts without being used.
    pub idle: Duration,
    /// The face's own folder, for users, sessions and the certificate that it makes.
    pub folder: PathBuf,
    /// The daemon's `web.sock`.
    pub upstream: PathBuf,
    /// The guard's unit.
    pub unit: String,
    /// How log-ins are reported to the guard.
    pub report: Report,
}

/// Whether and how the face speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It does not.
    Off,
    /// With a certificate that it makes for itself, also for these names and addresses.
    Made(Vec<String>),
    /// With a certificate and key in PEM files.
    Given {
        /// The certificate with its chain.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}
