//! What a lock of npm may say: everything from the registry, with its hash, and nothing that runs at installation.

use std::{fs, path::Path};

use serde_json::Value;

use crate::step::StepError;

/// Checks the lock in a folder.
///
/// # Errors
/// When it can not be read, or an entry is not what it may be.
pub(super) fn check(folder: &Path) -> Result<(), StepError> {
    let faults = faults(&read(&folder.join("package-lock.json"))?);
    if faults.is_empty() {
        return Ok(());
    }
    let place = folder.display();
    Err(StepError::Shape(format!("{place}/package-lock.json: {}", faults.join("; "))))
}

/// Returns whether the packages that the lock names are those that are installed.
pub(super) fn is_installed(folder: &Path) -> bool {
    // npm writes down what it installed in the form of the lock, without what this system does not need.
    let there = read(&folder.join("node_modules/.package-lock.json"));
    let locked = read(&folder.join("package-lock.json"));
    let (Ok(there), Ok(locked)) = (there, locked) else { return false };
    let hash = |lock: &Value, name: &str| lock["packages"][name]["integrity"].clone();
    entries(&locked).all(|(name, entry)| {
        let is_missing = there["packages"].get(name).is_none();
        if is_missing {
            entry["optional"] == true
        } else {
            hash(&there, name) == hash(&locked, name)
        }
    })
}

fn faults(lock: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, entry) in entries(lock) {
        let hash = entry["integrity"].as_str().unwrap_or_default();
        if !hash.starts_with("sha512-") {
            found.push(format!("{name} has no sha512 hash"));
        }
        if entry.get("resolved").is_some() {
            found.push(format!("{name} names where it comes from"));
        }
        if entry["hasInstallScript"] == true {
            found.push(format!("{name} wants to run a script when it is installed"));
        }
    }
    found
}

/// Returns the packages of a lock by their places, without the folder's own entry.
fn entries(lock: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let packages = lock["packages"].as_object();
    packages
        .into_iter()
        .flatten()
        .map(|(name, entry)| (name.as_str(), entry))
        .filter(|(name, _)| !name.is_empty())
}

fn read(path: &Path) -> Result<Value, StepError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| StepError::Read { path: path.to_owned(), source })?;
    let complain = |error| StepError::Shape(format!("{}: {error}", path.display()));
    serde_json::from_str(&text).map_err(complain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(entry: &Value, expect: usize) {
        let lock = json!({ "packages": { "": { "name": "ours" }, "node_modules/a": entry } });
        assert_eq!(faults(&lock).len(), expect, "{entry}");
    }

    #[test]
    fn entries_carry_a_hash_and_nothing_else_that_counts() {
        check(&json!({ "version": "1.0.0", "integrity": "sha512-abc" }), 0);
        check(&json!({ "version": "1.0.0" }), 1);
        check(&json!({ "integrity": "sha1-abc" }), 1);
        check(&json!({ "integrity": "sha512-abc", "resolved": "https://example.org/a.tgz" }), 1);
        check(&json!({ "integrity": "sha512-abc", "hasInstallScript": true }), 1);
    }
}
