//! Runs a test in a network namespace of its own, as root of that namespace and without being root.

use std::{
    any::type_name,
    env,
    process::Command,
    time::{Duration, Instant},
};

/// Says to the test binary that it runs inside a namespace.
const INSIDE: &str = "PORTGUARD_TEST_NAMESPACE";

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `body`, which has to be a closure written in the test itself, in a fresh namespace.
///
/// The test binary starts itself again under `unshare` with only this test. A machine that gives
/// no namespaces fails the test.
pub(crate) fn alone<F: FnOnce()>(body: F) {
    if env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        body();
        return;
    }
    let (_, path) = type_name::<F>().split_once("::").expect("a path inside a crate");
    let test = path.strip_suffix("::{{closure}}").expect("a closure of a test");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is part of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    print!("{said}");
    assert!(output.status.success(), "{test} failed in its namespace:\n{said}{complained}");
    assert!(said.contains(" 1 passed"), "{test} did not run in its namespace:\n{said}");
}

/// Runs a program to its end and returns what it printed; it has to succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complained}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs one `nft` command and returns what it printed.
pub(crate) fn nft(command: &str) -> String {
    run("nft", &[command])
}

/// Waits until `look` returns something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
