//! The configuration: one TOML file with drop-ins, read and checked whole before it counts.

mod anomaly;
mod check;
mod guarding;
mod later;
mod plan;
mod read;
mod value;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::{Failed, Turn};

pub(crate) use check::Surroundings;
pub(crate) use guarding::{OnExit, Posture};
pub(crate) use plan::{LOG_GROUP, Protect, TrapPlan};
pub(crate) use value::{Per, Rate};

/// Where the configuration lives.
pub(crate) const DEFAULT_PATH: &str = "/etc/portguard/portguard.toml";

/// Everything that can be configured. Every key is optional.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) guard: guarding::Guard,
    pub(crate) protect: guarding::Protect,
    pub(crate) allow: guarding::Allow,
    pub(crate) firewall: guarding::Firewall,
    pub(crate) throttle: guarding::Throttle,
    /// How measures grow with repeated offences.
    pub(crate) ladders: guarding::Ladders,
    /// Ports that nobody honest connects to.
    pub(crate) traps: Vec<guarding::Trap>,
    pub(crate) api: guarding::Api,
    pub(crate) store: guarding::Store,
    /// Names for ports.
    pub(crate) services: BTreeMap<String, later::Service>,
    pub(crate) ports: later::Ports,
    /// Log sources and the rules that read them.
    pub(crate) watch: Vec<later::Watch>,
    pub(crate) rules: later::Rules,
    /// Standing scans of packet decisions.
    pub(crate) scan: Vec<later::Scan>,
    pub(crate) packets: later::Packets,
    pub(crate) anomaly: anomaly::Anomaly,
    pub(crate) remote: later::Remote,
    pub(crate) knock: later::Knock,
    pub(crate) share: later::Share,
    /// Addresses from elsewhere.
    pub(crate) feeds: Vec<later::Feed>,
    pub(crate) fleet: later::Fleet,
    pub(crate) web: later::Web,
    pub(crate) metrics: later::Metrics,
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
    /// File and line, if it has one.
    pub(crate) place: Option<(String, usize)>,
    /// The key (`ladders.trap.growth`), empty for the whole file.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) what: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(f, "{file}:{line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// Reads and checks the configuration at `path` with its drop-ins.
///
/// # Errors
/// Every mistake, each with file, line and key; nothing is taken over then.
pub(crate) fn load(path: &Path, around: &Surroundings) -> Result<Loaded, Vec<Mistake>> {
    let source = read::read(path)?;
    let config = source.parse()?;
    let mistakes = check::mistakes(&config, around, &source);
    if mistakes.is_empty() {
        let warnings = check::without_effect(&source);
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
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// Returns the path of the control socket.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.guard.run_dir.join("portguard.sock")
    }
}

/// Returns the JSON Schema of the configuration.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).into()
}
