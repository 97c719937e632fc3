//! Where the programs are that a test starts: beside the test itself, in cargo's target folder.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Names another `portguard` than the one that was built with the tests.
const GUARD_VARIABLE: &str = "PORTGUARD_BIN";

/// Returns the path of the program under test.
///
/// # Panics
/// When it is not there.
pub fn guard() -> PathBuf {
    let path = env::var_os(GUARD_VARIABLE).map_or_else(|| beside_the_test("portguard"), Into::into);
    existing(path, &format!("run `cargo build -p portguard` first, or set {GUARD_VARIABLE}"))
}

/// Returns the path of the probe, the lab's own little client and server.
///
/// # Panics
/// When it is not there.
pub fn probe() -> PathBuf {
    existing(beside_the_test("portguard-probe"), "run `cargo build -p portguard-tests` first")
}

/// Returns the path of the dashboard that breaks.
///
/// # Panics
/// When it is not there.
pub fn broken_top() -> PathBuf {
    existing(beside_the_test("portguard-broken-top"), "run `cargo build -p portguard-tests` first")
}

/// Returns the workspace's root folder.
pub(crate) fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the workspace")
}

/// Test executables lie in `deps/`, programs one level above it.
fn beside_the_test(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running test knows its own path");
    let folder = test.parent().expect("an executable lies in a folder");
    let target = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    target.join(name)
}

fn existing(path: PathBuf, hint: &str) -> PathBuf {
    assert!(Path::is_file(&path), "there is no {}: {hint}", path.display());
    path
}
