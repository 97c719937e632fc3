//! `cargo xtask web`: builds the pages of the web face into `web/dist`.

mod asset;
mod lock;

use crate::{
    Chore, setup,
    step::{self, StepError},
};

pub(crate) const CHORE: Chore = Chore {
    name: "web",
    summary: "build the pages of the web face into web/dist",
    run: |_| build(),
};

/// Folders with packages of their own.
const FOLDERS: [&str; 2] = ["web", "web-e2e"];

/// Gets the packages as locked, checks the types, builds, and holds the result to its size.
///
/// # Errors
/// When a step fails.
pub(crate) fn build() -> Result<(), StepError> {
    setup::for_pages()?;
    locks()?;
    packages("web")?;
    let fresh = step::root().join("target/web");
    let folder = fresh.display().to_string();
    npm("web", &["run", "build", "--", "--emptyOutDir", "--outDir", &folder])?;
    asset::check(&fresh)?;
    asset::lay_out(&fresh, &step::root().join("web/dist"))
}

/// Runs the tests of the pages' own logic.
///
/// # Errors
/// When one fails.
pub(crate) fn test() -> Result<(), StepError> {
    packages("web")?;
    npm("web", &["run", "test"])
}

/// Gets all packages, those of the browser tests too.
///
/// # Errors
/// When one can not be had.
pub(crate) fn prepare() -> Result<(), StepError> {
    locks()?;
    FOLDERS.into_iter().try_for_each(packages)
}

/// Checks every lock: nothing comes from elsewhere, nothing runs on its own.
///
/// # Errors
/// When a lock says otherwise.
pub(crate) fn locks() -> Result<(), StepError> {
    FOLDERS.into_iter().try_for_each(|folder| lock::check(&step::root().join(folder)))
}

/// Installs the packages of a folder as its lock says, unless they are there already.
fn packages(folder: &str) -> Result<(), StepError> {
    if lock::is_installed(&step::root().join(folder)) {
        return Ok(());
    }
    npm(folder, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
}

fn npm(folder: &str, arguments: &[&str]) -> Result<(), StepError> {
    step::run("npm", &[&["--prefix", folder], arguments].concat())
}
