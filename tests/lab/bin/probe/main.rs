//! The lab's own little client, server and forger, so that no test needs an interpreter.
//!
//! Prints one word for each answer (`open`, `refused`, `silence`, `unreachable`); ends with 2 and
//! a line on stderr when it could not even ask.

mod client;
mod forge;
mod packet;
mod server;

use std::{
    error::Error, net::SocketAddr, num::NonZeroUsize, process::ExitCode, str::FromStr,
    time::Duration,
};

use crate::client::Question;

/// Shown when the arguments make no sense.
const USAGE: &str = "usage: portguard-probe connect|datagram|talk FROM|any TO MILLISECONDS
       portguard-probe datagram FROM|any TO MILLISECONDS FILE [LENGTH_OF_EACH]
       portguard-probe serve ADDRESS:PORT
       portguard-probe http ADDRESS:PORT
       portguard-probe forge syn|ack|datagram FROM TO PACKETS SOURCES";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match obey(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("portguard-probe: {why}");
            ExitCode::from(2)
        }
    }
}

fn obey(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match *arguments {
        ["connect", from, to, limit] => client::connect(&question(from, to, limit)?)?,
        ["datagram", from, to, limit] => {
            client::send_datagrams(&question(from, to, limit)?, [client::PAYLOAD])?;
        }
        ["datagram", from, to, limit, file] => {
            client::send_datagrams(&question(from, to, limit)?, [&*std::fs::read(file)?])?;
        }
        ["datagram", from, to, limit, file, length] => {
            let (bytes, length) = (std::fs::read(file)?, length.parse::<NonZeroUsize>()?);
            client::send_datagrams(&question(from, to, limit)?, bytes.chunks(length.get()))?;
        }
        ["talk", from, to, limit] => client::talk(&question(from, to, limit)?)?,
        ["serve", at] => server::serve(at.parse()?)?,
        ["http", at] => server::serve_http(at.parse()?)?,
        ["forge", kind, from, to, packets, sources] => {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse()?, to.parse()?);
            let sent = forge::send(kind.parse()?, from, to, packets.parse()?, sources.parse()?)?;
            println!("{sent}");
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn question(from: &str, to: &str, limit: &str) -> Result<Question, Box<dyn Error>> {
    let to = SocketAddr::from_str(to)?;
    let from = match from {
        "any" => None,
        address => Some(SocketAddr::new(address.parse()?, 0)),
    };
    Ok(Question { from, to, limit: Duration::from_millis(limit.parse()?) })
}
