//! `[remote]`: a signed text at a URL that opens and closes services.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use portguard_core::Span;
use portguard_reach::{
    control::{Kind, Place, PlaceError, Rules},
    key::{PublicKey, PublicKeyError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Config,
    guarding::{section, written},
    value::Written,
};

section! {
    /// The control file.
    Remote {
        /// Where it is fetched (`https:`, `http:`, `file:`); empty: nowhere.
        url: String = String::new(),
        /// How often.
        every: Written<Span> = written("5m"),
        /// Public keys of minisign or OpenSSH; the file must be signed by one of them.
        keys: Vec<String> = Vec::new(),
        /// Public keys that must not be used any more; what they sign is refused, listed or not.
        revoked_keys: Vec<String> = Vec::new(),
        /// Whether unsigned files are taken.
        unsigned: bool = false,
        /// How old a signed file may be.
        max_age: Written<Span> = written("1d"),
        /// Which services it may drive.
        services: Vec<String> = Vec::new(),
        /// Where the status page is written; empty: nowhere.
        status_page: String = String::new(),
    }
}

/// What the control file needs of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemotePlan {
    /// Where it lies.
    pub(crate) place: Place,
    /// How often it is fetched.
    pub(crate) every: Duration,
    /// What it has to fulfil.
    pub(crate) rules: Rules,
    /// Which services it may drive.
    pub(crate) services: Vec<Arc<str>>,
    /// Where the status page is written.
    pub(crate) page: Option<PathBuf>,
    /// Where the last file that counted is remembered.
    pub(crate) last_file: PathBuf,
}

impl RemotePlan {
    /// Returns of which kinds a signature beside the file can be.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        Self::kinds_of(&self.rules)
    }

    /// As [`RemotePlan::kinds`], by the keys of these rules.
    pub(crate) fn kinds_of(rules: &Rules) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in rules.keys.iter().chain(&rules.revoked).map(Kind::of) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

impl Remote {
    /// Returns where the file lies, if there is to be one.
    pub(super) fn place(&self) -> Option<Result<Place, PlaceError>> {
        (!self.url.is_empty()).then(|| Place::read(&self.url))
    }

    /// Returns what a file has to fulfil. What can not be read was refused before.
    pub(crate) fn rules(&self) -> Rules {
        let keys = |lines: &[String]| -> Vec<PublicKey> {
            lines.iter().filter_map(|line| PublicKey::read(line).ok()).collect()
        };
        Rules {
            keys: keys(&self.keys),
            revoked: keys(&self.revoked_keys),
            unsigned: self.unsigned,
            max_age: self.max_age.0,
        }
    }
}

impl Config {
    /// Returns what the control file needs; `None`: there is none.
    pub(crate) fn remote_plan(&self) -> Option<RemotePlan> {
        let remote = &self.remote;
        let page = &remote.status_page;
        Some(RemotePlan {
            place: remote.place()?.ok()?,
            every: remote.every.0.duration(),
            rules: remote.rules(),
            services: remote.services.iter().map(|name| name.as_str().into()).collect(),
            page: (!page.is_empty()).then(|| page.into()),
            last_file: remote_last_file(&self.guard.state_dir),
        })
    }
}

/// Returns where the last control file that counted is remembered.
pub(crate) fn remote_last_file(state_dir: &Path) -> PathBuf {
    state_dir.join("remote.json")
}

/// Returns why a line is no key.
pub(super) fn key_error(line: &str) -> Option<PublicKeyError> {
    PublicKey::read(line).err()
}
