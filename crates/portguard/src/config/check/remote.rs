//! What `[remote]` has to make sense for.

use std::{path::Path, time::Duration};

use portguard_core::Span;

use crate::config::{Config, key::Key, remote::key_error};

use super::Findings;

/// The shortest time between two fetches.
const LEAST_EVERY: Duration = Duration::from_secs(1);

/// Most keys of each list.
const MOST_KEYS: usize = 64;

/// Adds the mistakes of `[remote]`.
pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    let (remote, here) = (&config.remote, Key::of("remote"));
    if let Some(Err(error)) = remote.place() {
        found.add(&here.name("url"), error.to_string());
    }
    let takes_files = remote.url.is_empty() || remote.unsigned || !remote.keys.is_empty();
    let what = "no file could be taken; write `keys`, or `unsigned = true` if anybody may forge it";
    found.check(takes_files, &here.name("url"), what);
    let is_time = matches!(remote.every.0, Span::For(length) if length >= LEAST_EVERY);
    found.check(is_time, &here.name("every"), "must be at least 1s, and no `forever`");
    let is_some = remote.max_age.0 != Span::For(Duration::ZERO);
    found.check(is_some, &here.name("max_age"), "must be above zero");
    for (name, keys) in [("keys", &remote.keys), ("revoked_keys", &remote.revoked_keys)] {
        for (index, line) in keys.iter().enumerate() {
            if let Some(error) = key_error(line) {
                found.add(&here.name(name).row(index), error.to_string());
            }
        }
        let what = format!("are too many; {MOST_KEYS} at most");
        found.check(keys.len() <= MOST_KEYS, &here.name(name), &what);
    }
    let page = Path::new(&remote.status_page);
    let is_file = page.as_os_str().is_empty() || (page.is_absolute() && page.file_name().is_some());
    found.check(is_file, &here.name("status_page"), "must be an absolute path, or empty");
    let is_json = page.extension().is_some_and(|extension| extension == "json");
    let what = "must not end in `.json`, which is the name of what is written beside it";
    found.check(!is_json, &here.name("status_page"), what);
}
