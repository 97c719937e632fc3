//! The last good configuration, as a file beside the ledger: what a change that was not confirmed
//! goes back to, and what is loaded at boot when the configuration itself does not hold.

use std::path::{Path, PathBuf};

use portguard_core::{Level, PortPolicy};

use crate::{
    config::{self, Config, Loaded, Surroundings},
    replace::{Durability, replace},
};

use super::journal;

/// Returns where the last good configuration is kept.
pub(super) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("last-good.toml")
}

/// Returns the last good configuration, if there is one that still holds.
pub(super) fn load(state_dir: &Path) -> Option<Config> {
    let path = path(state_dir);
    if !path.exists() {
        return None;
    }
    match config::load(&path, &Surroundings::default()) {
        Ok(Loaded { config, .. }) => Some(config),
        Err(mistakes) => {
            for mistake in mistakes {
                let line = format!("the last good configuration is of no use: {mistake}");
                journal::say(Level::Warning, &line);
            }
            None
        }
    }
}

/// Returns the policy for ports of the last good configuration.
pub(super) fn ports(state_dir: &Path) -> Option<PortPolicy> {
    load(state_dir).map(|config| config.port_policy())
}

/// Keeps a configuration that proved good; whole or not at all.
pub(super) fn keep(config: &Config) {
    let path = path(&config.guard.state_dir);
    if let Err(error) = replace(&path, config.to_toml(), Durability::OnDisk) {
        let line = format!("cannot keep {} for the next boot: {error}", path.display());
        journal::say(Level::Warning, &line);
    }
}
