//! The configuration: one TOML file with drop-ins, read and checked whole before it counts.

mod anomaly;
mod built_in;
mod check;
pub(crate) mod edit;
pub(crate) mod file;
mod form;
mod guarding;
mod key;
mod knock;
mod ladder;
mod later;
mod plan;
mod ports;
mod quantity;
mod read;
mod remote;
mod scan;
mod share;
#[cfg(test)]
mod tests;
mod trap;
mod tree;
mod value;
mod watch;
mod web;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::{Failed, Turn};

pub(crate) use anomaly::{AnomalyPlan, FanoutPlan, protocol_name};
pub(crate) use check::{Surroundings, unchangeable};
pub(crate) use guarding::OnExit;
pub(crate) use knock::{KNOCK_GROUP, KnockPlan};
pub(crate) use plan::{
    ALLOWED_GROUP, BLOCKED_GROUP, LOG_GROUP, Protect, RecordPlan, Response, TapPlan, TrapPlan,
    WatchPlan,
};
pub(crate) use remote::{RemotePlan, remote_last_file};
pub(crate) use scan::ScanPlan;
pub(crate) use share::{Route, SharePlan};

use built_in::built_in;
use guarding::section;
use key::Key;
use tree::{Place, Tree};

/// Where the configuration lives.
pub(crate) const DEFAULT_PATH: &str = "/etc/portguard/portguard.toml";

section! {
    /// Everything that can be configured. Every key is optional.
    Config {
        /// How the whole guard behaves.
        guard: guarding::Guard = guarding::Guard::default(),
        /// Who can never be banned or throttled.
        protect: guarding::Protect = guarding::Protect::default(),
        /// Who is always accepted.
        allow: guarding::Allow = guarding::Allow::default(),
        /// The table in the kernel.
        firewall: guarding::Firewall = guarding::Firewall::default(),
        /// The rates that throttled subjects are held to.
        throttle: guarding::Throttle = guarding::Throttle::default(),
        /// How measures grow with repeated offences, by name.
        ladders: ladder::Ladders = built_in().ladders.clone(),
        /// Ports that nobody honest connects to.
        traps: Vec<trap::Trap> = Vec::new(),
        /// The control socket.
        api: guarding::Api = guarding::Api::default(),
        /// The ledger.
        store: guarding::Store = guarding::Store::default(),
        /// Names for ports.
        services: BTreeMap<String, ports::Service> = built_in().services.clone(),
        /// Which ports are open.
        ports: ports::Ports = ports::Ports::default(),
        /// Log sources and the rules that read them.
        watch: Vec<watch::Watch> = Vec::new(),
        /// Where rules are found.
        rules: watch::Rules = watch::Rules::default(),
        /// Standing scans of packet decisions.
        scan: Vec<scan::Scan> = Vec::new(),
        /// The record of packet decisions.
        packets: guarding::Packets = guarding::Packets::default(),
        /// What counts as an anomaly in live traffic.
        anomaly: anomaly::Anomaly = anomaly::Anomaly::default(),
        /// The control file.
        remote: remote::Remote = remote::Remote::default(),
        /// The knock.
        knock: knock::Knock = knock::Knock::default(),
        /// Local ports made reachable from afar.
        share: share::Share = share::Share::default(),
        /// Addresses from elsewhere.
        feeds: Vec<later::Feed> = Vec::new(),
        /// Sister hosts.
        fleet: later::Fleet = later::Fleet::default(),
        /// The web face.
        web: web::Web = web::Web::default(),
        /// Figures for Prometheus.
        metrics: later::Metrics = later::Metrics::default(),
    }
}

/// A configuration that holds, and what it says in vain.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Settings that are read but take no effect in this version.
    pub(crate) warnings: Vec<String>,
}

/// A mistake in the configuration, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it was written, if it was.
    pub(crate) place: Option<Place>,
    /// The key; the top for a whole file.
    pub(crate) key: Key,
    /// What is wrong, and how it is written right.
    pub(crate) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if self.key != Key::default() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// Reads and checks the configuration at `path` with its drop-ins.
///
/// What the values mean together is checked once each of them can be read.
///
/// # Errors
/// Every mistake, each with file, line and key; nothing is taken over then.
pub(crate) fn load(path: &Path, around: &Surroundings) -> Result<Loaded, Vec<Mistake>> {
    checked(read::read(path, None)?, around)
}

/// Returns the drop-in that sets a key too, and so wins over the main file.
pub(crate) fn set_elsewhere(path: &Path, keys: &[String]) -> Option<PathBuf> {
    read::setting_drop_in(path, keys)
}

/// Returns the drop-ins beside the file, in the order in which they are read.
///
/// # Errors
/// When their folder can not be read.
pub(crate) fn drop_ins(path: &Path) -> Result<Vec<PathBuf>, Mistake> {
    read::drop_ins(path)
}

/// Returns the keys of this text of the main file that a drop-in sets as well, each with the last
/// drop-in that does.
pub(crate) fn overruled(path: &Path, text: &str) -> Vec<(String, PathBuf)> {
    read::overruled(path, text)
}

/// Reads and checks the configuration as it would be with this text as the file at `drop_in`,
/// or without that drop-in.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_with(
    path: &Path,
    around: &Surroundings,
    drop_in: &Path,
    text: Option<&str>,
) -> Result<Loaded, Vec<Mistake>> {
    checked(read::read(path, Some((drop_in, text)))?, around)
}

fn checked(mut tree: Tree, around: &Surroundings) -> Result<Loaded, Vec<Mistake>> {
    let mut config = form::parse(&mut tree)?;
    ladder::complete(&mut config.ladders);
    let mistakes = check::mistakes(&config, around, &tree);
    if mistakes.is_empty() {
        let warnings = check::without_effect(&config, &tree);
        Ok(Loaded { config, warnings })
    } else {
        Err(mistakes)
    }
}

/// Returns mistakes as a failed command.
pub(crate) fn failed(mistakes: &[Mistake]) -> Failed {
    let lines = mistakes.iter().map(ToString::to_string).collect();
    Failed::lines(Turn::Configuration, lines).hint("portguard config schema shows every key")
}

impl Config {
    /// Returns the configuration as TOML, defaults included.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("each kind of value has a form in TOML")
    }

    /// Returns the path of the control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.guard.run_dir.join("portguard.sock")
    }

    /// Returns the path of the web face's socket.
    pub(crate) fn web_socket(&self) -> PathBuf {
        self.guard.run_dir.join("web.sock")
    }

    /// Returns where the past is kept.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.guard.state_dir.join("ledger.db")
    }

    /// Returns where services report.
    pub(crate) fn report_socket(&self) -> PathBuf {
        self.guard.run_dir.join("report.sock")
    }
}

/// Returns the JSON Schema of the configuration.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).into()
}
