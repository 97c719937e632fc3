//! The parts of the configuration that take effect: what is guarded, how, and who is spared.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use portguard_core::{Pattern, Span, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{GrowthValue, Rate, Size, Step, Written};

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
pub(super) fn written<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Written<T> {
    Written(text.parse().expect("a default of the program is well written"))
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
        soft: Rates = Rates { tcp: written("100/minute"), udp: written("100/minute"), icmp: written("100/hour") },
        /// The harder rates.
        hard: Rates = Rates { tcp: written("100/hour"), udp: written("100/hour"), icmp: written("1/minute") },
    }
}

/// Rates of one source.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rates {
    /// New TCP connections.
    pub(crate) tcp: Written<Rate>,
    /// New UDP flows.
    pub(crate) udp: Written<Rate>,
    /// ICMP messages.
    pub(crate) icmp: Written<Rate>,
}

/// How a measure grows with repeated offences; what is left out comes from the ladder of the same
/// name that is built in, or else from `default`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LadderKeys {
    /// Length of the first ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Written<Span>>,
    /// `fixed`, `double`, `quadratic` (base * n * n) or a list of durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) growth: Option<GrowthValue>,
    /// Measures taken before the first ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<Vec<Step>>,
    /// The ban with this number is forever; 0: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permanent_after: Option<u32>,
    /// Longest ban that is not forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<Written<Span>>,
    /// A subject that behaves this long starts anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forget_after: Option<Written<Span>>,
    /// Width of an IPv6 ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_v6: Option<u8>,
    /// Width of an IPv4 ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_v4: Option<u8>,
}

/// Ports that nobody honest connects to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trap {
    /// The ports, each a number or a range (`6000-6010`).
    pub(crate) ports: Vec<Written<String>>,
    /// `ipv4`, `ipv6` or `both`.
    #[serde(default)]
    pub(crate) family: TrapFamily,
    /// Bind to this address only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Written<IpAddr>>,
    /// `tcp` or `udp`.
    #[serde(default)]
    pub(crate) protocol: TrapProtocol,
    /// `handshake`: nobody can be framed. `probe`: the first packet, which anybody can forge, so
    /// it only throttles. UDP knows only `probe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<EvidenceKind>,
    /// Name of the ladder.
    #[serde(default = "trap_ladder")]
    pub(crate) ladder: String,
    /// Hold the connection with slow bytes.
    #[serde(default)]
    pub(crate) tarpit: bool,
    /// In place of the ladder's base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Written<Span>>,
}

fn trap_ladder() -> String {
    "trap".to_owned()
}

/// Which address families a trap is set for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrapFamily {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both, each with a listener of its own.
    #[default]
    Both,
}

/// A trap's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TrapProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// What counts as a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EvidenceKind {
    /// A completed handshake.
    Handshake,
    /// The first packet.
    Probe,
}

section! {
    /// The control socket.
    Api {
        /// Group whose members may read.
        group: String = "portguard".to_owned(),
        /// Group whose members may order, as root may.
        operators: String = "portguard-operators".to_owned(),
        /// Whether services can report failed and successful logins over a socket.
        report_socket: bool = true,
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

/// Ladders by name.
pub(crate) type Ladders = BTreeMap<String, LadderKeys>;
