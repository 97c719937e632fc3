//! `cargo xtask audit`: known vulnerabilities of the dependencies.
//!
//! Apart from `check`, because it needs the advisory database, which changes from day to day and
//! cannot be fetched everywhere.

use crate::{
    Chore, setup,
    step::{self, StepError},
};

pub(crate) const CHORE: Chore = Chore {
    name: "audit",
    summary: "known vulnerabilities of the dependencies (fetches a database)",
    run: |_| audit(),
};

fn audit() -> Result<(), StepError> {
    setup::for_audits()?;
    step::run("cargo", &["deny", "check", "advisories"])
}
