//! The web face: `[web]`, and what follows from it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use portguard_core::Span;
use portguard_web::Tls;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    guarding::{section, written},
    value::Written,
};

section! {
    /// The web face.
    Web {
        /// Where it listens.
        listen: String = "127.0.0.1:6060".to_owned(),
        /// Speak TLS; without `tls_certificate`, with a certificate that the face makes for itself.
        tls: bool = false,
        /// File with the certificate.
        tls_certificate: String = String::new(),
        /// File with its key.
        tls_key: String = String::new(),
        /// Further names and addresses of a certificate that the face makes for itself.
        names: Vec<String> = Vec::new(),
        /// How long a login lasts.
        session: Written<Span> = written("12h"),
        /// How long a login lasts that nobody uses.
        idle: Written<Span> = written("2h"),
        /// Where users, sessions and the face's own certificate are kept.
        state_dir: PathBuf = "/var/lib/portguard-web".into(),
    }
}

impl Web {
    /// Returns where it listens; the default if what is configured is no address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen.parse().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 6060)))
    }

    /// Returns whether and how it speaks TLS.
    pub(crate) fn tls(&self) -> Tls {
        match (self.tls, self.tls_certificate.is_empty()) {
            (_, false) => Tls::Given {
                certificate: self.tls_certificate.clone().into(),
                key: self.tls_key.clone().into(),
            },
            (true, true) => Tls::Made(self.names.clone()),
            (false, true) => Tls::Off,
        }
    }

    /// Returns how long sessions last: in all, and unused.
    pub(crate) fn lifetimes(&self) -> (Duration, Duration) {
        (length(self.session.0), length(self.idle.0))
    }
}

/// Returns a length of time that was checked to be one.
fn length(span: Span) -> Duration {
    match span {
        Span::For(length) => length,
        Span::Forever => Duration::MAX,
    }
}
