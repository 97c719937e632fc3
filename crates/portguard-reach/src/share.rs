//! A local port made reachable from elsewhere: an SSH client that asks a provider to forward
//! connections back, keeps that up, and reads the address under which the port can be reached.
//!
//! It runs on whatever runtime it is called on, starts no process and no thread (the system's name
//! resolution aside), and decides nothing about who may share what. The provider's host key is
//! pinned at first use; another one ends everything.

mod back_off;
mod carry;
mod client;
mod identity;
mod known_hosts;
mod login;
mod qr;
mod session;
mod url;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::plain::plain;

pub use back_off::BackOff;
pub use known_hosts::{KnownHosts, KnownHostsError, Meeting, Record, RecordError};
pub use login::{Login, LoginError};
pub use qr::{MARGIN, rows};
pub use url::{LONGEST_LINE, LONGEST_URL, UrlPattern, UrlReader};

/// What a share needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The provider's SSH server.
    pub login: Login,
    /// The address on the provider's side that is asked for, as `ssh -R` has it.
    pub bind: &'static str,
    /// The port on the provider's side that is asked for; 0: one that it chooses.
    pub remote_port: u16,
    /// What the address looks like that the provider prints.
    pub pattern: UrlPattern,
    /// Where its host key is kept.
    pub known_hosts: KnownHosts,
    /// The file of this host's own key; made when a provider wants one.
    pub identity: PathBuf,
    /// Where the shared port is reached on this host, in the order of trial.
    pub targets: Arc<[SocketAddr]>,
    /// Counts the connections that came through.
    pub carried: Arc<Carried>,
}

/// How many connections came through a share.
#[derive(Debug, Default)]
pub struct Carried(AtomicU64);

impl Carried {
    /// Returns the number so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What becomes of a share, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An attempt to connect begins.
    Connecting,
    /// The provider's host key was seen for the first time, and is kept; its fingerprint.
    KeyLearned(String),
    /// The provider forwards.
    Up {
        /// The fingerprint of its host key.
        host_key: String,
        /// The port that it listens on, if it chose one itself.
        remote_port: Option<u16>,
    },
    /// The provider said where the port can be reached, or said something else than before.
    Reachable(String),
    /// The provider said nothing of the kind for so long that it will hardly come.
    NoAddress,
    /// It is not up, and will be tried again.
    Lost {
        /// Why.
        why: String,
        /// After this time.
        again_in: Duration,
    },
}

/// Why a share can not be: trying again would change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the provider's host key is not the one that was pinned.
    pub is_key_alarm: bool,
}

/// How an attempt ended.
enum End {
    /// For good.
    Refused(Refusal),
    /// For this time.
    Failed {
        /// Why.
        why: String,
        /// Whether the provider did forward.
        was_up: bool,
    },
}

impl End {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), was_up: false }
    }

    fn refused(why: impl Into<String>, hint: Option<String>) -> Self {
        Self::Refused(Refusal { why: why.into(), hint, is_key_alarm: false })
    }
}

/// Keeps a share up until it is refused; whoever no longer wants it drops the future.
///
/// Lost connections are tried again with [`BackOff`]. Every call of `tell` is quick.
pub async fn keep(plan: &Plan, tell: &mut impl FnMut(News)) -> Refusal {
    let mut back_off = BackOff::default();
    let mut has_been_up = false;
    loop {
        tell(News::Connecting);
        let begin = tokio::time::Instant::now();
        match session::run(plan, has_been_up, tell).await {
            End::Refused(refusal) => return refusal,
            End::Failed { why, was_up } => {
                has_been_up |= was_up;
                let lived = if was_up { begin.elapsed() } else { Duration::ZERO };
                let again_in = back_off.after(lived);
                tell(News::Lost { why: plain(&why), again_in });
                tokio::time::sleep(again_in).await;
            }
        }
    }
}
