//! Entries that are there before any file is read, so that a file can change a part of one.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::{
    guarding::Rates,
    ladder::{self, Ladders},
    ports::Service,
    share::Provider,
};

/// The entries as they would be written in a file.
pub(super) const BUILT_IN: &str = r#"
[throttle]
soft = { tcp = "100/minute", udp = "100/minute", icmp = "100/hour" }
hard = { tcp = "100/hour", udp = "100/hour", icmp = "1/minute" }

[ladders.default]
base = "10m"
growth = "double"
steps = []
permanent_after = 0
max = "30d"
forget_after = "90d"
prefix_v6 = 64
prefix_v4 = 32

[ladders.trap]
base = "1h"
growth = "quadratic"
permanent_after = 3

[services]
ssh = { ports = ["tcp/22"], rate = "10/minute" }
https = { ports = ["tcp/443", "udp/443"], rate = "60/minute" }
http = { ports = ["tcp/80"] }

[share.providers."localhost.run"]
login = "nokey@localhost.run:22"
remote_port = 80
url = 'https://[a-z0-9-]+\.lhr\.life'
"#;

/// The entries by kind and name.
#[derive(Debug, Deserialize)]
pub(super) struct BuiltIn {
    pub(super) throttle: Throttles,
    pub(super) ladders: Ladders,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) share: Providers,
}

#[derive(Debug, Deserialize)]
pub(super) struct Throttles {
    pub(super) soft: Rates,
    pub(super) hard: Rates,
}

#[derive(Debug, Deserialize)]
pub(super) struct Providers {
    pub(super) providers: BTreeMap<String, Provider>,
}

/// Returns the built-in entries, ladders complete.
pub(super) fn built_in() -> &'static BuiltIn {
    static ENTRIES: LazyLock<BuiltIn> = LazyLock::new(|| {
        let mut entries: BuiltIn =
            toml::from_str(BUILT_IN).expect("what is built in is well written");
        ladder::complete(&mut entries.ladders);
        entries
    });
    &ENTRIES
}
