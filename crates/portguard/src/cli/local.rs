//! Commands that need no daemon: configuration, completions, manual pages.

use std::path::Path;

use clap::CommandFactory as _;

use crate::{
    config::{self, Loaded},
    daemon,
    exit::{Failed, Turn},
};

use super::{Cli, Global, show};

/// Checks a configuration and names every mistake.
pub(crate) fn check(file: &Path, global: &Global) -> Result<(), Failed> {
    let loaded = config::load(file, &daemon::surroundings());
    let Loaded { warnings, .. } = loaded.map_err(|mistakes| config::failed(&mistakes))?;
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if !global.quiet {
        println!("{} holds", file.display());
    }
    Ok(())
}

/// Shows the configuration that the file gives, defaults included.
pub(crate) fn show(file: &Path, global: &Global) -> Result<(), Failed> {
    let loaded = config::load(file, &daemon::surroundings());
    let Loaded { config, .. } = loaded.map_err(|mistakes| config::failed(&mistakes))?;
    if global.json { show::json(&config) } else { show::print(&config.to_toml()) }
}

/// Prints the schema of the configuration.
pub(crate) fn schema() -> Result<(), Failed> {
    show::json(&config::schema())
}

/// Prints what the control socket can be asked.
pub(crate) fn api_description() -> Result<(), Failed> {
    show::json(&daemon::described_api())
}

/// Prints completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "portguard", &mut std::io::stdout());
}

/// Writes the manual pages, one for each command.
pub(crate) fn man(dir: &Path) -> Result<(), Failed> {
    let fail = |error: std::io::Error| {
        Failed::new(Turn::Usage, format!("cannot write manual pages to {}: {error}", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(fail)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(fail)
}
