//! The parts of the configuration that are read and checked, but take no effect yet.

use portguard_core::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{guarding::section, scan::ListName, value::Written};

/// Declares an entry, written by the user: keys that are no `Option` are required.
macro_rules! entry {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $kind:ty,)* }) => {
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        pub(crate) struct $name { $($(#[$doc])* pub(crate) $key: $kind,)* }
    };
}

pub(super) use entry;

/// Declares a choice of words, written in lower case with hyphens.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($word:ident),* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $name { $($word),* }
    };
}

pub(super) use words;

entry! {
    /// Addresses from elsewhere.
    Feed {
        /// Its name.
        name: String,
        /// An address or a file.
        source: String,
        /// How it is written; `auto` if left out.
        format: Option<FeedFormat>,
        /// The list they are put on.
        set: ListName,
        /// How often it is fetched.
        every: Option<Written<Span>>,
    }
}

words! {
    /// How a feed is written.
    FeedFormat { Auto, Plain, Netset, Csv, Spamhaus, Json }
}

words! {
    /// What a decision of our own comes from.
    Detector { Trap, Watch }
}

section! {
    /// Sister hosts.
    Fleet {
        /// NATS servers; empty: this host stands alone.
        nats: Vec<String> = Vec::new(),
        /// File with the credentials.
        creds: String = String::new(),
        /// Name of the bucket.
        bucket: String = "portguard-bans".to_owned(),
        /// How many other members must ban a subject before this host does too.
        accept: u32 = 1,
        /// Which of our own decisions are told to the others.
        share: Vec<Detector> = vec![Detector::Trap, Detector::Watch],
    }
}

section! {
    /// Figures for Prometheus.
    Metrics {
        /// Where they are served; empty: nowhere.
        listen: String = String::new(),
    }
}
