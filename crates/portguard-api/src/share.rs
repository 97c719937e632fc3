//! Ports that are shared through a tunnel.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A port made reachable from elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// The local TCP port.
    pub port: u16,
    /// The provider, as it is configured or `user@host[:port]`.
    pub provider: String,
    /// `connecting`, `up`, `waiting` (to try again) or `refused` (for good).
    pub state: String,
    /// Why it is not up, or why it has no URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where it can be reached; null: not known yet.
    pub url: Option<String>,
    /// The same as a QR code: rows of `#` and spaces, with its margin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub qr: Vec<String>,
    /// The fingerprint of the provider's host key (`SHA256:...`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// Since when.
    pub since: String,
    /// When it ends; null: never by itself.
    pub until: Option<String>,
    /// Seconds left; null: no end.
    pub seconds_left: Option<u64>,
    /// Connections that came through it so far.
    pub connections: u64,
    /// Who asked for it.
    pub author: String,
}

/// Share a port.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareOrder {
    /// The local TCP port.
    pub port: u16,
    /// The provider; absent: `share.provider`.
    #[serde(default)]
    pub via: Option<String>,
    /// For how long (`2h`, `forever`); absent: `share.for`.
    #[serde(default, rename = "for")]
    pub span: Option<String>,
}

/// Stop sharing a port.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnshareOrder {
    /// The local TCP port.
    pub port: u16,
}
