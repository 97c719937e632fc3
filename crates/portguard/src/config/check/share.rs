//! What `[share]` has to make sense for.

use std::path::Path;

use portguard_reach::share::Login;

use crate::config::{Config, built_in::built_in, key::Key};

use super::{Findings, check_name, is_no_time};

/// Adds the mistakes of `[share]`.
pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let (share, here) = (&config.share, Key::of("share"));
    if share.provider.contains('@') && !share.providers.contains_key(&share.provider) {
        if let Err(error) = share.provider.parse::<Login>() {
            found.add(&here.name("provider"), error.to_string());
        }
    } else {
        check_name("provider", &share.provider, &share.providers, &here.name("provider"), found);
    }
    found.check(!is_no_time(share.r#for.0), &here.name("for"), "must be above zero");
    let is_path = Path::new(&share.known_hosts).is_absolute();
    found.check(is_path, &here.name("known_hosts"), "must be an absolute path");
    for (name, provider) in &share.providers {
        // Reading a pattern takes memory that stays; the built-in one has a test.
        if built_in().share.providers.get(name) == Some(provider) {
            continue;
        }
        let here = here.name("providers").name(name);
        if let Err(error) = provider.login() {
            found.add(&here.name("login"), error.to_string());
        }
        if let Err(error) = provider.pattern() {
            found.add(&here.name("url"), format!("is no pattern: {error}"));
        }
    }
}
