//! The parts of the configuration that take effect: what is guarded, how, and who is spared.

use std::path::PathBuf;

use portguard_core::{Pattern, Rate, Span, Subject};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::{
    built_in::built_in,
    quantity::Size,
    value::{Spelled, Written},
};

/// Declares a section with its default value for each key.
macro_rules! section {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name { $($(#[$doc])* pub(crate) $key: $kind,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}
pub(super) use section;

/// Reads a default as it is written in the configuration.
pub(super) fn written<T: Spelled>(text: &str) -> Written<T> {
    let value = text.parse().unwrap_or_else(|error| panic!("a built-in default: {error}"));
    Written(value)
}

/// Tells the schema that keys may be left out, because they are built in.
pub(super) fn every_key_is_optional(schema: &mut Schema) {
    schema.remove("required");
}

section! {
    /// How the whole guard behaves.
    Guard {
        /// `open`: everything passes but offenders. `closed`: only what is opened passes.
        posture: Posture = Posture::Open,
        /// Where the ledger lives.
        state_dir: PathBuf = "/var/lib/portguard".into(),
        /// Where the control socket lives.
        run_dir: PathBuf = "/run/portguard".into(),
        /// Whether the kernel table stays when the daemon stops.
        on_exit: OnExit = OnExit::Keep,
        /// Decide and report everything, change nothing in the kernel.
        observe: bool = false,
        /// How long a risky change waits for its confirmation.
        confirm: Written<Span> = written("60s"),
    }
}

/// What passes when nothing speaks for or against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Posture {
    /// Everything.
    Open,
    /// Nothing.
    Closed,
}

/// What happens to the kernel table when the daemon stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnExit {
    /// It stays and goes on guarding.
    Keep,
    /// It is removed.
    Remove,
}

section! {
    /// Who can never be banned or throttled.
    Protect {
        /// Every address of this host.
        own_addresses: bool = true,
        /// The next hops of all routing tables.
        gateways: bool = true,
        /// The name servers of resolv.conf.
        resolvers: bool = true,
        /// The peers of live authenticated SSH sessions.
        ssh_peers: bool = true,
        /// Further addresses and networks.
        addresses: Vec<Written<Subject>> = Vec::new(),
    }
}

section! {
    /// Who is always accepted.
    Allow {
        /// Addresses and networks.
        addresses: Vec<Written<Subject>> = Vec::new(),
        /// Names that are looked up again and again.
        hosts: Vec<String> = Vec::new(),
        /// Patterns that the whole written address must match (`12.34.56.*`).
        patterns: Vec<Written<Pattern>> = Vec::new(),
    }
}

section! {
    /// The table in the kernel.
    Firewall {
        /// The table's name.
        table: String = "portguard".to_owned(),
        /// Priority of the input chain, against the hook's `filter`.
        priority: i32 = -10,
        /// Whether bans hold for forwarded (container) traffic too.
        forward: bool = true,
        /// Which ICMP passes when the posture is closed.
        icmp: Icmp = Icmp::Essential,
        /// Whether packets that are turned away are logged.
        log_blocked: bool = true,
        /// Whether new connections that are let in are logged.
        log_allowed: bool = true,
        /// How much is logged at most, for each verdict.
        log_limit: Written<Rate> = written("2000/second"),
    }
}

/// Which ICMP messages pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Icmp {
    /// What networks need to work.
    Essential,
    /// All of it.
    All,
    /// None but neighbour discovery.
    None,
}

section! {
    /// The rates that throttled subjects are held to.
    Throttle {
        /// The milder rates.
        soft: Rates = built_in().throttle.soft.clone(),
        /// The harder rates.
        hard: Rates = built_in().throttle.hard.clone(),
    }
}

/// Rates of one source; a rate that is left out stays as it is built in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = every_key_is_optional)]
pub(crate) struct Rates {
    /// New TCP connections.
    pub(crate) tcp: Written<Rate>,
    /// New UDP flows.
    pub(crate) udp: Written<Rate>,
    /// ICMP messages.
    pub(crate) icmp: Written<Rate>,
}

section! {
    /// The control socket.
    Api {
        /// Group whose members may read.
        group: String = "portguard".to_owned(),
        /// Group whose members may order, as root may.
        operators: String = "portguard-operators".to_owned(),
        /// Group whose members may report over the report socket, as operators may.
        reporters: String = "portguard-reporters".to_owned(),
        /// Whether services can report failed and successful logins over a socket.
        report_socket: bool = true,
    }
}

section! {
    /// The record of packet decisions.
    Packets {
        /// Its size in memory.
        capacity: Written<Size> = written("64MiB"),
        /// A file for the classic log lines; empty: none.
        text_file: String = String::new(),
        /// The file is cut at this size.
        text_max: Written<Size> = written("100MiB"),
        /// Interfaces of which every packet is looked at, also those that the firewall does not see.
        interfaces: Vec<String> = Vec::new(),
    }
}

section! {
    /// The ledger.
    Store {
        /// How long journal lines are kept.
        keep_entries: Written<Span> = written("90d"),
        /// How long offenders are remembered after their last offence.
        keep_offenders: Written<Span> = written("1y"),
        /// How large the ledger's file may get.
        max_size: Written<Size> = written("1GiB"),
    }
}
