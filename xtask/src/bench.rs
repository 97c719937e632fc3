//! `cargo xtask bench`: figures of the whole program, beside peers and limits in the same run.

use crate::{
    Chore, setup,
    step::{self, StepError},
    web,
};

pub(crate) const CHORE: Chore = Chore {
    name: "bench",
    summary: "measure the whole program (all groups, or those named: single, burst, scan, ...)",
    run: bench,
};

fn bench(arguments: &[String]) -> Result<(), StepError> {
    setup::for_tests()?;
    // The program carries the pages; it is built after them.
    web::prepare()?;
    web::build()?;
    let build = ["build", "--release", "--locked", "-p", "portguard", "-p", "portguard-tests"];
    step::run("cargo", &build)?;
    let mut run = vec!["run", "--release", "--locked", "-p", "portguard-bench", "--"];
    run.extend(arguments.iter().map(String::as_str));
    step::run("cargo", &run)
}
