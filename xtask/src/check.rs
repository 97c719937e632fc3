//! `cargo xtask check`: everything that can be said of the sources without running the tests.

use crate::{
    Chore, api_types, setup,
    step::{self, StepError},
    tidy, web,
};

pub(crate) const CHORE: Chore = Chore {
    name: "check",
    summary: "format, lints, documentation, licences, dependencies, tidiness, pages, example configuration",
    run: |_| check(),
};

/// The configuration that is installed, which the installed program has to accept.
const EXAMPLE: &str = "packaging/portguard.toml";

/// A part of the check, and its name in the summary.
type Part = (&'static str, fn() -> Result<(), StepError>);

/// Quick parts first; none depends on another.
const PARTS: &[Part] = &[
    ("tidy", tidy::tidy),
    ("pages", web::build),
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("dependencies", || cargo(&["shear"])),
    ("licences", || {
        cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])
    }),
    ("lints", lints),
    ("documentation", documentation),
    ("types of the API", api_types::check),
    ("example", || cargo(&["run", "--quiet", "-p", "portguard", "--", "config", "check", EXAMPLE])),
];

/// Goes through all parts, also after a failure: who pushes wants to know everything at once.
fn check() -> Result<(), StepError> {
    setup::for_checks()?;
    let mut failed = Vec::new();
    for (name, part) in PARTS {
        if let Err(error) = part() {
            step::tell(&error);
            failed.push(*name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(StepError::Several(failed.join(", "))) }
}

fn lints() -> Result<(), StepError> {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

fn documentation() -> Result<(), StepError> {
    let strict = [("RUSTDOCFLAGS", "-D warnings")];
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
    step::run_with(&strict, "cargo", &arguments)
}

fn cargo(arguments: &[&str]) -> Result<(), StepError> {
    step::run("cargo", arguments)
}
