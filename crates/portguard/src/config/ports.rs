//! Which ports are open, who may open them, and the names they go by.

use portguard_core::{Rate, Span, service::PortRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    guarding::{every_key_is_optional, section, written},
    later::{entry, words},
    quantity::Cap,
    value::Written,
};

entry! {
    /// A name for ports; of one that is built in, a key that is left out stays.
    #[schemars(transform = every_key_is_optional)]
    Service {
        /// The ports (`tcp/22`).
        ports: Vec<Written<PortRange>>,
        /// New connections of one source; above it they are turned away.
        rate: Option<Written<Rate>>,
    }
}

section! {
    /// Which ports are open.
    Ports {
        /// Open even if nothing listens.
        always: Vec<Written<PortRange>> = vec![written("tcp/22")],
        /// Never opened, even if something listens.
        never: Vec<Written<PortRange>> = Vec::new(),
        /// Whose listening sockets open their ports: `all`, `approved` or `none`.
        follow: Follow = Follow::Approved,
        /// How long a port stays open after its listener is gone.
        grace: Written<Span> = written("0s"),
        /// With posture `open`: ports without a listener that one source is answered at, or `off`; above it
        /// they are silent for that source.
        vacant: Written<Cap> = written("5/minute"),
        /// Who may open what; all keys given must match.
        approve: Vec<Approve> = Vec::new(),
    }
}

words! {
    /// Whose listening sockets open their ports.
    Follow { All, Approved, None }
}

entry! {
    /// Who may open what.
    Approve {
        /// The systemd unit.
        unit: Option<String>,
        /// The program's file.
        exe: Option<String>,
        /// The user.
        user: Option<String>,
        /// The ports; any if left out.
        ports: Option<Vec<Written<PortRange>>>,
    }
}
