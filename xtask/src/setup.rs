//! `cargo xtask setup`: gets what the other chores need, and only what is missing.

mod server;

use crate::{
    Chore,
    step::{self, StepError},
    web,
};

pub(crate) const CHORE: Chore = Chore {
    name: "setup",
    summary: "install what the other chores need (they call it themselves)",
    run: |_| {
        for_checks()?;
        for_pages()?;
        for_tests()?;
        web::prepare()
    },
};

/// A program and the Debian or Ubuntu package that has it.
type Packaged = (&'static str, &'static str);

/// A cargo subcommand and the version that is installed where there is none.
type Subcommand = (&'static str, &'static str);

/// What every build needs: SQLite is compiled from C.
const FOR_BUILDS: &[Packaged] = &[("cc", "build-essential")];

/// What the tests start beside the guard itself.
const FOR_TESTS: &[Packaged] = &[
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("nmap", "nmap"),
    ("hping3", "hping3"),
    ("tcpdump", "tcpdump"),
    ("mausezahn", "netsniff-ng"),
    ("socat", "socat"),
    ("xz", "xz-utils"),
    ("curl", "curl"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("setpriv", "util-linux"),
    ("sysctl", "procps"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("minisign", "minisign"),
    ("nginx", "nginx-light"),
    ("openssl", "openssl"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
    ("script", "bsdutils"),
    ("zbarimg", "zbar-tools"),
    ("ping", "iputils-ping"),
    ("conntrack", "conntrack"),
    ("iptables-legacy", "iptables"),
    ("nc", "netcat-openbsd"),
    ("tmux", "tmux"),
    ("pgrep", "procps"),
    ("journalctl", "systemd"),
    ("/usr/lib/systemd/systemd-journal-remote", "systemd-journal-remote"),
];

/// What builds the pages of the web face.
const FOR_PAGES: &[Packaged] = &[("node", "nodejs"), ("npm", "npm")];

/// The browser that the tests of the pages drive, and letters for its screenshots.
const FOR_BROWSING: &[Packaged] = &[
    ("chromium", "chromium"),
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
];

/// The oldest Node that builds the pages: Vite 8 says so.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Later versions of shear need a compiler that is newer than the workspace's `rust-version`.
const CHECKERS: &[Subcommand] = &[("cargo-deny", "0.20.2"), ("cargo-shear", "1.12.0")];

const RUNNERS: &[Subcommand] = &[("cargo-nextest", "0.9.143")];

/// What fuzzes the web face by its own description, from `PyPI`.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Where programs that are no Rust are installed, for this workspace alone.
const TOOLS: &str = "target/tools/schemathesis";

/// Gets what `check` needs.
///
/// # Errors
/// When something is missing and cannot be installed.
pub(crate) fn for_checks() -> Result<(), StepError> {
    packages(FOR_BUILDS)?;
    component("fmt", "rustfmt")?;
    component("clippy", "clippy")?;
    subcommands(CHECKERS)
}

/// Gets what `test` needs.
///
/// # Errors
/// When something is missing and cannot be installed.
pub(crate) fn for_tests() -> Result<(), StepError> {
    packages(FOR_BUILDS)?;
    packages(FOR_TESTS)?;
    packages(FOR_BROWSING)?;
    server::unpack_all()?;
    schemathesis()?;
    subcommands(RUNNERS)
}

/// Gets what builds the pages of the web face.
///
/// # Errors
/// When Node is missing and cannot be installed, or is too old.
pub(crate) fn for_pages() -> Result<(), StepError> {
    packages(FOR_PAGES)?;
    let said = step::output("node", &["--version"])?;
    let (major, minor) = OLDEST_NODE;
    if node_version(&said).is_some_and(|version| version >= OLDEST_NODE) {
        return Ok(());
    }
    let said = said.trim();
    Err(StepError::Missing(format!(
        "Node {major}.{minor} or newer (there is {said}): https://nodejs.org"
    )))
}

/// Reads `v20.19.2`.
fn node_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Gets what `audit` needs.
///
/// # Errors
/// When something is missing and cannot be installed.
pub(crate) fn for_audits() -> Result<(), StepError> {
    packages(FOR_BUILDS)?;
    subcommands(&CHECKERS[..1])
}

/// Installs the packages of missing programs with apt, through sudo unless this is root.
fn packages(needed: &[Packaged]) -> Result<(), StepError> {
    let missing = missing(needed, step::is_there);
    if missing.is_empty() {
        return Ok(());
    }
    if !step::is_there("apt-get") || !(is_root() || step::is_there("sudo")) {
        return Err(StepError::Missing(format!(
            "the packages {} (install them as root, under the names your distribution has)",
            missing.join(", "),
        )));
    }
    as_root(&["apt-get", "update"])?;
    let install = ["apt-get", "install", "--yes", "--no-install-recommends"];
    as_root(&[&install, missing.as_slice()].concat())
}

fn is_root() -> bool {
    step::succeeds("sh", &["-c", "test \"$(id -u)\" = 0"])
}

/// Runs a command as root, through sudo unless this is root.
fn as_root(words: &[&str]) -> Result<(), StepError> {
    let quietly = ["env", "DEBIAN_FRONTEND=noninteractive"];
    let words = [&quietly, words].concat();
    if is_root() { step::run(words[0], &words[1..]) } else { step::run("sudo", &words) }
}

/// Returns the packages of the programs that are not there, each once.
fn missing(needed: &[Packaged], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let missing = needed.iter().filter(|(program, _)| !is_there(program));
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Adds a component of the Rust toolchain.
fn component(subcommand: &str, name: &str) -> Result<(), StepError> {
    if step::succeeds("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    step::run("rustup", &["component", "add", name])
}

/// Installs schemathesis into a folder of its own.
fn schemathesis() -> Result<(), StepError> {
    let pip = format!("{TOOLS}/bin/pip");
    let wanted = format!("{SCHEMATHESIS}\n");
    let mark = step::root().join(TOOLS).join("version");
    if std::fs::read_to_string(&mark).is_ok_and(|version| version == wanted) {
        return Ok(());
    }
    if !step::succeeds("/usr/bin/python3", &["-c", "import ensurepip, venv"]) {
        packages(&[("python3 with venv", "python3-venv")])?;
    }
    step::run("/usr/bin/python3", &["-m", "venv", "--clear", TOOLS])?;
    step::run(&pip, &["install", "--quiet", SCHEMATHESIS])?;
    std::fs::write(&mark, wanted).map_err(|source| StepError::Read { path: mark, source })
}

/// Compiles missing cargo subcommands, with little optimization: they run for seconds only.
fn subcommands(needed: &[Subcommand]) -> Result<(), StepError> {
    for (name, version) in needed {
        if step::is_there(name) {
            continue;
        }
        let fast = ["profile.release.lto=false", "profile.release.opt-level=1"];
        let mut arguments = vec!["install", "--locked", "--version", version];
        arguments.extend(fast.iter().flat_map(|setting| ["--config", setting]));
        arguments.push(name);
        // One target folder, so that they share what they have in common.
        step::run_with(&[("CARGO_TARGET_DIR", "target/chores")], "cargo", &arguments)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_of_missing_programs_are_wanted_and_each_once() {
        let needed = [("nft", "nftables"), ("unshare", "util-linux"), ("nsenter", "util-linux")];
        assert_eq!(missing(&needed, |program| program == "nft"), ["util-linux"]);
        assert!(missing(&needed, |_| true).is_empty());
    }

    #[test]
    fn versions_of_node_are_compared() {
        assert_eq!(node_version("v20.20.2\n"), Some((20, 20)));
        assert!(node_version("v18.19.0") < Some(OLDEST_NODE));
        assert_eq!(node_version("none"), None);
    }
}
