//! Reports of a script: what the peer of its connection did.

use std::{io::stdin, net::IpAddr, os::fd::AsFd as _, path::PathBuf};

use clap::{Args, ValueEnum};
use portguard_linux::report;
use serde_json::json;

use crate::exit::{Failed, Turn};

use super::Global;

/// What is reported of whom.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// What the peer did.
    #[arg(value_enum)]
    deed: DeedName,
    /// Who reports, for the journal.
    #[arg(long, value_name = "NAME", default_value = "script")]
    service: String,
    /// The name by which the peer tried to come in.
    #[arg(long, value_name = "TEXT")]
    user: Option<String>,
    /// The peer, where standard input is not its connection; for operators only.
    #[arg(long, value_name = "ADDR")]
    address: Option<IpAddr>,
    /// The report socket; by default the one in `guard.run_dir`.
    #[arg(long, value_name = "PATH")]
    report_socket: Option<PathBuf>,
}

/// What a peer can have done.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DeedName {
    /// It failed to prove who it is.
    Failed,
    /// It proved it; its failures are forgotten.
    Ok,
    /// It did what nobody honest does: one is enough.
    Abusive,
}

/// Reports, and says so.
pub(crate) fn report(global: &Global, args: &ReportArgs) -> Result<(), Failed> {
    let socket = args.report_socket.clone();
    let path = socket.unwrap_or_else(|| crate::configured(&global.config).report_socket());
    let stdin = stdin();
    let handed = args.address.is_none().then(|| stdin.as_fd());
    let answer = report::report(&path, &message(args), handed).map_err(|error| {
        let why = format!("{}: {error}", path.display());
        Failed::environment(why).hint("is the daemon running, with api.report_socket = true?")
    })?;
    match answer.strip_prefix("no: ") {
        None if global.json => println!("{}", json!({"reported": true})),
        None if global.quiet => {}
        None => println!("reported"),
        Some(why) => {
            let failed = Failed::new(Turn::NotPermitted, why);
            return Err(failed.hint("the connection goes to standard input: report failed <&5"));
        }
    }
    Ok(())
}

/// Returns a report as it is written.
fn message(args: &ReportArgs) -> String {
    let deed = match args.deed {
        DeedName::Failed => "failed",
        DeedName::Ok => "ok",
        DeedName::Abusive => "abusive",
    };
    let address = args.address.map(|address| format!(" address={address}")).unwrap_or_default();
    let user = args.user.as_ref().map(|user| format!(" user={user}")).unwrap_or_default();
    format!("{deed} service={}{address}{user}", args.service)
}
