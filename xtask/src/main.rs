//! The project's chores, as `cargo xtask NAME`. Each is a file of its own beside this one.

mod api_types;
mod audit;
mod bench;
mod check;
mod demo;
mod setup;
mod step;
mod test;
mod tidy;
mod web;

use std::{env, fmt::Write as _, process::ExitCode};

use crate::step::StepError;

/// Something that can be asked for.
struct Chore {
    name: &'static str,
    /// What it does, in one line of the help.
    summary: &'static str,
    /// Does it, with the words that follow its name.
    run: fn(&[String]) -> Result<(), StepError>,
}

/// All chores, in the order of the help.
const CHORES: &[Chore] = &[
    check::CHORE,
    test::CHORE,
    web::CHORE,
    api_types::CHORE,
    demo::CHORE,
    bench::CHORE,
    setup::CHORE,
    tidy::CHORE,
    audit::CHORE,
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let Some((name, rest)) = words.split_first() else {
        print!("{}", help());
        return ExitCode::SUCCESS;
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        eprintln!("error: no chore is called `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    match (chore.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text = String::from("cargo xtask CHORE\n\n");
    for chore in CHORES {
        writeln!(text, "  {:<9} {}", chore.name, chore.summary).expect("a string takes all");
    }
    text
}
