//! `share`: makes a port reachable from elsewhere, lists what is shared, stops it.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use portguard_api::{
    order::OrderDone,
    share::{Share, ShareOrder, UnshareOrder},
};
use portguard_core::Span;

use crate::exit::{Failed, Turn};

use super::{
    Global,
    client::Client,
    order::{tell, written},
    show,
};

/// How long the address is waited for. A provider that takes longer is tried on by the daemon.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at the share: short for a person, and next to nothing for the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is shared, and how.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ShareArgs {
    /// The TCP port of this host; something must listen on it.
    #[arg(required = true, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// A provider of the configuration, or `user@host[:port]`; by default `share.provider`.
    #[arg(long, value_name = "PROVIDER")]
    via: Option<String>,
    /// For how long (`90s`, `10m`, `1d12h`, `forever`); by default `share.for`.
    #[arg(long = "for", value_name = "D")]
    span: Option<Span>,
    #[command(subcommand)]
    command: Option<ShareCommand>,
}

/// What can be asked of shares.
#[derive(Debug, Subcommand)]
enum ShareCommand {
    /// List the shared ports.
    List,
    /// Stop sharing a port.
    Stop {
        /// The port.
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
    },
}

/// Carries out `share`.
pub(crate) fn share(client: &Client, global: &Global, args: ShareArgs) -> Result<(), Failed> {
    match (args.command, args.port) {
        (Some(ShareCommand::List), _) => list(client, global),
        (Some(ShareCommand::Stop { port }), _) => stop(client, global, port),
        (None, Some(port)) => {
            let order = ShareOrder { port, via: args.via, span: args.span.map(written) };
            begin(client, global, &order)
        }
        (None, None) => Err(Failed::bug("no port to share")),
    }
}

fn list(client: &Client, global: &Global) -> Result<(), Failed> {
    let shares: Vec<Share> = client.get("/v1/shares")?;
    if global.json {
        return show::json(&shares);
    }
    let rows = shares.into_iter().map(|one| {
        vec![
            one.port.to_string(),
            one.state,
            one.url.unwrap_or_else(|| "-".to_owned()),
            show::left(one.seconds_left),
            one.connections.to_string(),
            one.provider,
            one.author,
            one.detail.unwrap_or_default(),
        ]
    });
    let heads = ["PORT", "STATE", "URL", "LEFT", "CONNECTIONS", "PROVIDER", "BY", "DETAIL"];
    show::print(&show::table(&heads, rows.collect()))
}

fn stop(client: &Client, global: &Global, port: u16) -> Result<(), Failed> {
    let done: OrderDone = client.post("/v1/shares/stop", &UnshareOrder { port })?;
    tell(global, &done, &format!("tcp/{port} is no longer shared"))
}

/// Shares a port, waits until it can be reached and says where.
fn begin(client: &Client, global: &Global, order: &ShareOrder) -> Result<(), Failed> {
    let say = |line: &str| {
        if !global.quiet {
            eprintln!("{line}");
        }
    };
    say(&format!(
        "note: whoever has the address will reach tcp/{} of this host, and the provider sees what \
         passes",
        order.port
    ));
    let begun: Share = client.post("/v1/shares", order)?;
    let share = wait(client, begun, &say)?;
    if global.json {
        return show::json(&share);
    }
    if let Some(url) = &share.url {
        show::print(&format!("{url}\n"))?;
    }
    if io::stdout().is_terminal() {
        show::print(&code(&share.qr, !global.no_color && std::env::var_os("NO_COLOR").is_none()))?;
    }
    if let (None, Some(detail)) = (&share.url, &share.detail) {
        eprintln!("warning: {detail}");
    }
    let left = match share.seconds_left {
        Some(_) => format!("for {}", show::left(share.seconds_left)),
        None => "without an end".to_owned(),
    };
    say(&format!("shared by the daemon {left}; to end it: portguard share stop {}", share.port));
    Ok(())
}

/// Waits until the port can be reached, telling what happens meanwhile.
fn wait(client: &Client, begun: Share, say: &dyn Fn(&str)) -> Result<Share, Failed> {
    let (port, deadline) = (begun.port, Instant::now() + PATIENCE);
    let mut told = String::new();
    let mut share = begun;
    loop {
        let state = match &share.detail {
            Some(detail) => format!("{}: {}: {detail}", share.provider, share.state),
            None => format!("{}: {}", share.provider, share.state),
        };
        match (share.state.as_str(), &share.url, &share.detail) {
            ("refused", _, detail) => {
                let why = detail.as_deref().unwrap_or("the provider does not want it");
                let failed = Failed::new(Turn::Negative, why);
                return Err(match &share.hint {
                    Some(hint) => failed.hint(hint),
                    None => failed,
                });
            }
            ("up", Some(_), _) | ("up", None, Some(_)) => return Ok(share),
            _ => {}
        }
        if Instant::now() >= deadline {
            let line = format!("tcp/{port} can not be reached yet; {state}");
            return Err(Failed::new(Turn::Negative, line)
                .hint("the daemon goes on trying; see `portguard share list`"));
        }
        if state != told {
            say(&state);
            told = state;
        }
        std::thread::sleep(LOOK_EVERY);
        let shares: Vec<Share> = client.get("/v1/shares")?;
        let found = shares.into_iter().find(|one| one.port == port);
        share = found.ok_or_else(|| {
            Failed::new(Turn::Negative, format!("tcp/{port} is no longer shared"))
                .hint("see `portguard events`")
        })?;
    }
}

/// Returns a QR code for a terminal, two rows in one line, light modules drawn.
///
/// Coloured it is the same on every terminal; plain it is right on dark ones.
fn code(rows: &[String], is_coloured: bool) -> String {
    let (begin, end) = if is_coloured { ("\x1b[97;40m", "\x1b[0m") } else { ("", "") };
    let lines = rows.chunks(2).map(|pair| {
        let upper = pair[0].bytes();
        let lower = pair.get(1).map_or("", String::as_str).bytes();
        // Below the last row all is light, as its margin is.
        let lower = lower.chain(std::iter::repeat(b' '));
        let blocks = upper.zip(lower).map(|(upper, lower)| match (upper, lower) {
            (b'#', b'#') => ' ',
            (b'#', _) => '\u{2584}',
            (_, b'#') => '\u{2580}',
            _ => '\u{2588}',
        });
        format!("{begin}{}{end}\n", blocks.collect::<String>())
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_of_a_code_stand_in_one_line() {
        let rows = ["# # ", "##  ", " #  "].map(str::to_owned);
        assert_eq!(
            code(&rows, false),
            "\u{20}\u{2580}\u{2584}\u{2588}\n\u{2588}\u{2584}\u{2588}\u{2588}\n"
        );
        assert_eq!(code(&rows[..1], true), "\x1b[97;40m\u{2584}\u{2588}\u{2584}\u{2588}\x1b[0m\n");
    }
}
