//! Portguard's one program: the daemon, and the commands that speak with it.

mod anomaly;
mod cli;
mod clock;
mod config;
mod daemon;
mod exit;
mod eye;
mod import;
mod offline;
mod replace;
mod rule;

use std::{path::Path, process::ExitCode};

use clap::Parser as _;
use portguard_api::{
    order::{LiftedName, MeasureName},
    port::PostureName,
};

use crate::{
    cli::{
        Cli, Command, ConfigCommand, Global, ImportSource, RuleCommand, Whom, ask, client::Client,
        local, log, order, ports, proposals, scan, set, traffic, web,
    },
    exit::Failed,
};

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let done = match command {
        Some(command) => run(&global, command),
        None => connect(&global)
            .and_then(|client| web::bare(&client, &global))
            .map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(failed) => failed.tell(),
    }
}

/// Carries out a command and returns the exit code of its answer.
fn run(global: &Global, command: Command) -> Result<ExitCode, Failed> {
    let client = || connect(global);
    match command {
        Command::Daemon { observe } => {
            daemon::run(&global.config, global.socket.as_deref(), observe)?;
        }
        Command::Load => daemon::load::run(&global.config)?,
        Command::Status => ask::status(&client()?, global)?,
        Command::Web { command } => web::web(global, command)?,
        Command::OpenUi => web::open_ui(&client()?, global)?,
        Command::Top => cli::top::top(global, client)?,
        Command::Ban { whom, ports } => {
            order::hold(&client()?, global, MeasureName::Ban, whom, &ports)?;
        }
        Command::Unban { subject, all: _ } => {
            order::lift(&client()?, global, LiftedName::Ban, subject)?;
        }
        Command::Allow { whom } => order::hold(&client()?, global, MeasureName::Allow, whom, &[])?,
        Command::Disallow { subject } => {
            order::lift(&client()?, global, LiftedName::Allow, Some(subject))?;
        }
        Command::Throttle { subject, strength, span, reason } => {
            order::throttle(&client()?, global, strength, Whom { subject, span, reason })?;
        }
        Command::Unthrottle { subject } => {
            order::lift(&client()?, global, LiftedName::Throttle, Some(subject))?;
        }
        Command::List { what, sort } => ask::list(&client()?, global, what, sort)?,
        Command::Accept { id } => proposals::accept(&client()?, global, id)?,
        Command::Dismiss { id } => proposals::dismiss(&client()?, global, id)?,
        Command::Connections(args) => traffic::connections(&client()?, global, &args)?,
        Command::Interfaces => traffic::interfaces(&client()?, global)?,
        Command::Check { subject } => {
            let held = ask::check(&client()?, global, subject)?;
            return Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
        Command::Why { subject } => ask::why(&client()?, global, subject)?,
        Command::Traps => ask::traps(&client()?, global)?,
        Command::Events { follow, since, subject } => {
            ask::events(&client()?, global, follow, since, subject)?;
        }
        Command::Log(args) => log::log(&client()?, global, &args)?,
        Command::Ports { all, command: None } => ports::list(&client()?, global, all)?,
        Command::Ports { command: Some(command), .. } => ports::rule(&client()?, global, command)?,
        Command::Open { what, from, span } => ports::open(&client()?, global, &what, from, span)?,
        Command::Close { what, from } => ports::close(&client()?, global, &what, from)?,
        Command::Lockdown { dry_run } => ports::lockdown(&client()?, global, dry_run)?,
        Command::Relax => ports::posture(&client()?, global, PostureName::Relax)?,
        Command::Pause { span } => order::pause(&client()?, global, Some(span))?,
        Command::Resume => order::pause(&client()?, global, None)?,
        Command::Confirm => ports::posture(&client()?, global, PostureName::Confirm)?,
        Command::Rollback => ports::posture(&client()?, global, PostureName::Rollback)?,
        Command::Replay(args) => cli::replay::replay(global, &args)?,
        Command::Backtest(args) => cli::backtest::backtest(global, &args)?,
        Command::Report(args) => cli::report::report(global, &args)?,
        Command::Share(args) => cli::share::share(&client()?, global, args)?,
        Command::Remote { command } => {
            let is_positive = cli::remote::remote(global, command, client)?;
            return Ok(if is_positive { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
        Command::Key { command } => cli::key::key(global, command)?,
        Command::Knock(args) => cli::knock::knock(global, &args)?,
        Command::Scan(args) => scan::scan(global, &args, client)?,
        Command::Rule { command } => return rule_command(global, command),
        Command::Config { command } => configuration(global, command)?,
        Command::Import { source, path, dry_run } => import(global, source, &path, dry_run)?,
        Command::ApiDescription => local::api_description()?,
        Command::Completions { shell } => local::completions(shell),
        Command::Man { dir } => local::man(&dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn import(global: &Global, source: ImportSource, path: &Path, dry_run: bool) -> Result<(), Failed> {
    match source {
        ImportSource::PortTrap => import::port_trap(global, path, dry_run),
        ImportSource::DynamicPortGuard => import::port_guard(global, path, dry_run),
        ImportSource::Fail2ban => import::fail2ban(global, path, dry_run),
        ImportSource::Ipset => import::ipset(global, path, dry_run),
    }
}

fn rule_command(global: &Global, command: RuleCommand) -> Result<ExitCode, Failed> {
    match command {
        RuleCommand::Test { rule: name, file, count } => {
            return cli::rule::test(global, &name, &file, count);
        }
        RuleCommand::Which { file } => {
            return cli::which::which(global, &cli::rule::folders(global)?, &file);
        }
        RuleCommand::List => cli::rule::list(global)?,
        RuleCommand::Show { rule: name } => cli::rule::show_rule(global, &name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn configuration(global: &Global, command: ConfigCommand) -> Result<(), Failed> {
    match command {
        ConfigCommand::Check { file } => {
            local::check(file.as_deref().unwrap_or(&global.config), global)
        }
        ConfigCommand::Show => local::show(&global.config, global),
        ConfigCommand::Set { key, value } => set::set(global, &key, &value),
        ConfigCommand::Schema => local::schema(),
    }
}

/// Returns a client of the daemon whose socket is named, or configured.
fn connect(global: &Global) -> Result<Client, Failed> {
    match &global.socket {
        Some(socket) => Client::new(socket),
        None => Client::new(&configured_socket(&global.config)),
    }
}

/// Returns the configured socket; a configuration that can not be read leaves the default, so that
/// a running daemon can be asked all the same.
fn configured_socket(path: &Path) -> std::path::PathBuf {
    configured(path).socket()
}

fn configured(path: &Path) -> config::Config {
    let around = config::Surroundings::default();
    config::load(path, &around).map(|loaded| loaded.config).unwrap_or_default()
}
