//! `cargo xtask demo`: a guarded host meets a real scanner, in private namespaces and without root.

use crate::{
    Chore, setup,
    step::{self, StepError},
};

pub(crate) const CHORE: Chore = Chore {
    name: "demo",
    summary: "a guarded host meets a real scanner; each figure of the story is checked",
    run: |_| demo(),
};

fn demo() -> Result<(), StepError> {
    setup::for_tests()?;
    step::run("cargo", &["build", "--locked", "-p", "portguard", "-p", "portguard-tests"])?;
    step::run(
        "cargo",
        &["run", "--quiet", "--locked", "-p", "portguard-tests", "--bin", "portguard-demo"],
    )
}
