//! Knocks: packets that open a service for their sender.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the knocks do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KnockState {
    /// The port that is knocked at (`udp/62201`).
    pub port: String,
    /// This host's public key, which clients need (`pgk1...`); null: there is none.
    pub host_key: Option<String>,
    /// Those who may knock.
    pub keys: Vec<KnockKey>,
    /// For how long a service is opened, in seconds.
    pub open_for: u64,
    /// Knocks that opened something.
    pub taken: u64,
    /// Packets that opened nothing, by the kind of their refusal.
    pub refused: BTreeMap<String, u64>,
    /// Packets that nobody looked at, because there were too many.
    pub lost: u64,
    /// The last knocks that a key signed, newest first.
    pub last: Vec<KnockSeen>,
}

/// Somebody who may knock.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KnockKey {
    /// The name behind the key.
    pub name: String,
    /// What it may open.
    pub services: Vec<String>,
    /// Knocks of it that opened something.
    pub taken: u64,
}

/// A knock that a key signed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KnockSeen {
    /// When.
    pub at: String,
    /// Whose key it is.
    pub key: String,
    /// The service that was asked for; empty: the packet was here before, and was not opened again.
    pub service: String,
    /// Where the packet said it came from.
    pub sender: String,
    /// For whom the service was to be opened.
    pub address: String,
    /// Why nothing followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
