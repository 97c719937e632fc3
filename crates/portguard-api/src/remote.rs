//! The control file: what became of it, and of the services that it may drive.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The control file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Remote {
    /// Where it is fetched; null: nowhere.
    pub url: Option<String>,
    /// How it stands.
    pub summary: RemoteSummary,
    /// Seconds between two fetches.
    pub every: u64,
    /// When it was last asked for; null: not yet.
    pub last_fetch: Option<String>,
    /// When it last came and counted.
    pub last_good: Option<String>,
    /// When it is asked for again.
    pub next_fetch: Option<String>,
    /// When the file in effect was signed.
    pub signed_at: Option<String>,
    /// The services that it may drive.
    pub services: Vec<RemoteService>,
    /// Lines that are not carried out, and why.
    pub left_out: Vec<RemoteLine>,
    /// How many more lines there are of those.
    pub more_left_out: usize,
    /// Why the status page is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_error: Option<String>,
}

/// How the control file stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemoteSummary {
    /// `off`, `waiting` (for the first fetch), `good`, `failing` (it does not come) or `rejected`.
    pub state: String,
    /// Why it does not come, or does not count.
    pub last_error: Option<String>,
    /// Whether files are taken that nobody signed.
    pub unsigned: bool,
    /// The serial of the file in effect; null: none was signed.
    pub serial: Option<u32>,
    /// Who signed the file in effect.
    pub signer: Option<String>,
    /// How many of its lines are not carried out.
    pub left_out: usize,
}

/// A service that a control file may drive.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemoteService {
    /// Its name.
    pub name: String,
    /// `open`, `closed`, `partly open` or `unknown`.
    pub state: String,
    /// When that ends by itself.
    pub until: Option<String>,
    /// Who opened or closed it, if somebody did.
    pub author: Option<String>,
    /// Sources that it is open for whatever else is so.
    pub open_for: Vec<String>,
}

/// A line that is not carried out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemoteLine {
    /// Its number.
    pub line: u32,
    /// The line in words; null if it can not be read.
    pub order: Option<String>,
    /// Why not.
    pub why: String,
}
