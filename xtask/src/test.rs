//! `cargo xtask test`: every test, after getting what they need.

use crate::{
    Chore, setup,
    step::{self, StepError},
    web,
};

pub(crate) const CHORE: Chore = Chore {
    name: "test",
    summary: "every test; further words go to `cargo nextest run`",
    run: test,
};

fn test(arguments: &[String]) -> Result<(), StepError> {
    setup::for_tests()?;
    // The program carries the pages; it is built after them.
    web::prepare()?;
    web::build()?;
    web::test()?;
    // The whole-program tests start the program, which cargo does not know they need.
    step::run("cargo", &["build", "--locked", "-p", "portguard"])?;
    step::run("cargo", &["test", "--doc", "--workspace", "--locked"])?;
    let mut nextest = vec!["nextest", "run", "--workspace", "--locked"];
    nextest.extend(arguments.iter().map(String::as_str));
    step::run("cargo", &nextest)
}
