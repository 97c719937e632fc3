//! `remote`: signs control files, checks them, and shows what became of the one in effect.

mod check;
mod sign;

use std::path::PathBuf;

use clap::Subcommand;
use portguard_api::remote::{Remote, RemoteSummary};

use crate::exit::Failed;

use super::{Global, client::Client, show};

/// What can be done with control files.
#[derive(Debug, Subcommand)]
pub(crate) enum RemoteCommand {
    /// Sign a control file: writes serial and time into it, and the signature beside it.
    Sign {
        /// The control file.
        file: PathBuf,
        /// A secret key of OpenSSH (Ed25519, ECDSA) or minisign; by default
        /// ~/.config/portguard/key.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Put the signature at the end of the file itself.
        #[arg(long)]
        inline: bool,
    },
    /// Check a control file, and tell what it would do. Exit 1: it does not count, or a line of it
    /// would be left out.
    Check {
        /// A file or an address; by default `remote.url`.
        what: Option<String>,
        /// A public key to check with, in place of `remote.keys`; may be repeated.
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
    },
    /// Show the control file in effect, the last fetch, and the services that it may drive.
    Status,
    /// Have the daemon fetch the control file now, and show how it stands then. Exit 1: it does not
    /// come, or does not count.
    Fetch,
}

/// Carries out `remote`; returns whether the answer is positive.
pub(crate) fn remote(
    global: &Global,
    command: RemoteCommand,
    client: impl FnOnce() -> Result<Client, Failed>,
) -> Result<bool, Failed> {
    match command {
        RemoteCommand::Sign { file, key, inline } => {
            let place = if inline { sign::Place::Inside } else { sign::Place::Beside };
            sign::sign(global, &file, key, place).map(|()| true)
        }
        RemoteCommand::Check { what, key } => check::check(global, what.as_deref(), &key),
        RemoteCommand::Status => print(global, &client()?.get("/v1/remote")?).map(|()| true),
        RemoteCommand::Fetch => {
            let remote: Remote = client()?.post("/v1/remote/fetch", &())?;
            print(global, &remote).map(|()| remote.summary.last_error.is_none())
        }
    }
}

fn print(global: &Global, remote: &Remote) -> Result<(), Failed> {
    if global.json {
        return show::json(remote);
    }
    let Some(url) = &remote.url else {
        return show::print("no control file: remote.url is empty\n");
    };
    let mut rows = vec![
        ("address", format!("{url}, every {} s", remote.every)),
        ("state", words(&remote.summary)),
    ];
    let dash = || "-".to_owned();
    rows.push(("signed", remote.signed_at.clone().unwrap_or_else(dash)));
    rows.push(("last fetch", remote.last_fetch.clone().unwrap_or_else(dash)));
    rows.push(("last good", remote.last_good.clone().unwrap_or_else(dash)));
    rows.push(("next fetch", remote.next_fetch.clone().unwrap_or_else(dash)));
    rows.extend(remote.page_error.clone().map(|error| ("status page", error)));
    let rows = rows.into_iter().map(|(name, value)| format!("{name:<14} {value}"));
    let rows: Vec<String> = rows.collect();
    let left_out = (!remote.left_out.is_empty()).then(|| left_out(remote));
    let parts = [rows.join("\n") + "\n", services(remote)];
    let parts: Vec<String> = parts.into_iter().chain(left_out).collect();
    show::print(&parts.join("\n"))
}

/// Returns how a control file stands, in words.
pub(crate) fn words(summary: &RemoteSummary) -> String {
    let state = match &summary.last_error {
        Some(error) => format!("{}: {error}", summary.state),
        None => summary.state.clone(),
    };
    let signer = summary.signer.as_ref().map(|signer| format!(", signed by {signer}"));
    let signer = signer.unwrap_or_default();
    let file = summary.serial.map(|serial| format!("in effect: serial {serial}{signer}"));
    let left_out = summary.left_out;
    let left_out = (left_out > 0).then(|| format!("lines left out: {left_out}"));
    let warning = "UNSIGNED FILES ARE TAKEN: whoever can write the address is obeyed";
    let warning = summary.unsigned.then(|| warning.to_owned());
    let parts = [Some(state), file, left_out, warning];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn services(remote: &Remote) -> String {
    let rows = remote.services.iter().map(|service| {
        vec![
            service.name.clone(),
            service.state.clone(),
            service.until.clone().unwrap_or_else(|| "-".to_owned()),
            service.author.clone().unwrap_or_else(|| "-".to_owned()),
            service.open_for.join(" "),
        ]
    });
    show::table(&["SERVICE", "STATE", "UNTIL", "BY", "OPEN FOR"], rows.collect())
}

fn left_out(remote: &Remote) -> String {
    let rows = remote.left_out.iter().map(|left_out| {
        let order = left_out.order.clone().unwrap_or_else(|| "-".to_owned());
        vec![left_out.line.to_string(), order, left_out.why.clone()]
    });
    let table = show::table(&["LINE", "ORDER", "LEFT OUT BECAUSE"], rows.collect());
    match remote.more_left_out {
        0 => table,
        more => format!("{table}and {more} more\n"),
    }
}
