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

/// Lines and captures of other programs' suites, annotated; they lie beside the workspace.
const CORPORA: &str = "../shared/corpora";

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
    let ran = step::run("cargo", &nextest);
    tell_conformance(step::root().join(CORPORA).is_dir());
    ran
}

/// Says where the figures of conformance are, or that there are none: without the corpora those tests
/// have no case to fail.
fn tell_conformance(has_corpora: bool) {
    if has_corpora {
        return eprintln!("xtask: conformance: the lines that begin with `conformance:` above");
    }
    eprintln!("warning: CONFORMANCE WAS NOT RUN: there is no {CORPORA}");
    eprintln!("warning: nothing was compared with the suites of other programs");
}
