//! `knock`: the client's side. It sends packets and hears nothing.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    path::PathBuf,
};

use clap::Args;
use portguard_reach::knock::{self, HostKey, HostsError, Knock, USUAL_PORT};
use serde_json::json;

use crate::{
    clock,
    exit::{Failed, Turn, with_causes},
};

use super::{Global, key, show};

/// Addresses of one host that are knocked at.
const MOST_ADDRESSES: usize = 8;

/// Which host, for what.
#[derive(Debug, Args)]
pub(crate) struct KnockArgs {
    /// The host: a name or an address.
    host: String,
    /// The service, as the host's configuration names it.
    service: String,
    /// The secret Ed25519 key of OpenSSH to sign with; by default `~/.config/portguard/key`.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The host's public key; by default the one in `~/.config/portguard/knock_hosts`.
    #[arg(long, value_name = "KEY")]
    host_key: Option<HostKey>,
    /// The UDP port to knock at.
    #[arg(long, value_name = "P", default_value_t = USUAL_PORT,
        value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Open for this address, whoever delivers the packet; by default for its sender.
    #[arg(long, value_name = "ADDR")]
    from: Option<IpAddr>,
    /// Over IPv4 only.
    #[arg(short = '4')]
    ipv4: bool,
    /// Over IPv6 only.
    #[arg(short = '6', conflicts_with = "ipv4")]
    ipv6: bool,
}

/// Knocks at every address of a host.
pub(crate) fn knock(global: &Global, args: &KnockArgs) -> Result<(), Failed> {
    let host_key = args.host_key.map_or_else(|| known_key(&args.host), Ok)?;
    let key_file = args.key.clone().map_or_else(key::default_file, Ok)?;
    let key = key::secret(&key_file)?;
    let seed = key.ed25519_seed().ok_or_else(|| {
        Failed::new(Turn::Usage, format!("{} is no Ed25519 key", key_file.display()))
            .hint("portguard key new makes one, or name another with --key")
    })?;
    let mut sent = Vec::new();
    let mut failures = Vec::new();
    for to in addresses(args)? {
        let ephemeral = knock::random().map_err(|error| Failed::environment(error.to_string()))?;
        let knock = Knock {
            at: clock::now().as_millis(),
            address: args.from,
            service: args.service.clone(),
        };
        let packet = knock::seal(host_key, &seed, *ephemeral, &knock)
            .map_err(|error| Failed::new(Turn::Usage, error.to_string()))?;
        match send(to, &packet) {
            Ok(()) => sent.push(to),
            Err(error) => failures.push(format!("cannot send to {to}: {error}")),
        }
    }
    if sent.is_empty() {
        return Err(Failed::lines(Turn::NotRunning, failures));
    }
    tell(global, args, &sent)
}

fn tell(global: &Global, args: &KnockArgs, sent: &[SocketAddr]) -> Result<(), Failed> {
    if global.json {
        let addresses: Vec<String> = sent.iter().map(ToString::to_string).collect();
        return show::json(&json!({
            "host": args.host, "service": args.service, "sent": addresses,
        }));
    }
    if !global.quiet {
        let addresses: Vec<String> = sent.iter().map(|to| to.ip().to_string()).collect();
        let (service, port) = (&args.service, args.port);
        eprintln!("knocked for {service} at {}, udp/{port}", addresses.join(" and "));
    }
    Ok(())
}

/// Returns where to knock: all addresses of the host, of the family that is wanted.
fn addresses(args: &KnockArgs) -> Result<Vec<SocketAddr>, Failed> {
    let KnockArgs { host, port, ipv4, ipv6, .. } = args;
    let fail = |why: String| Failed::new(Turn::Usage, format!("cannot find {host}: {why}"));
    let found =
        (host.as_str(), *port).to_socket_addrs().map_err(|error| fail(error.to_string()))?;
    let is_wanted = |to: &SocketAddr| if to.is_ipv4() { !ipv6 } else { !ipv4 };
    let mut wanted: Vec<SocketAddr> = found.filter(is_wanted).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.truncate(MOST_ADDRESSES);
    if wanted.is_empty() {
        return Err(fail("it has no address of that family".to_owned()));
    }
    Ok(wanted)
}

fn send(to: SocketAddr, packet: &[u8]) -> io::Result<()> {
    let any: IpAddr =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0))?.send_to(packet, to).map(drop)
}

/// Returns the key of a host from the user's file.
fn known_key(host: &str) -> Result<HostKey, Failed> {
    let path = key::own_file("knock_hosts")?;
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| {
            Failed::new(Turn::Usage, format!("cannot read {}: {error}", path.display()))
        })?,
    };
    knock::key_in(&text, host).map_err(|error| {
        let failed = Failed::new(Turn::Usage, format!("{}: {}", path.display(), with_causes(&error)));
        match error {
            HostsError::Unknown(_) => failed.hint(&format!(
                "`portguard key show --host` on {host} prints it; write `{host} pgk1...` into that file, or \
                 give it with --host-key"
            )),
            HostsError::Line(..) => failed.hint("`portguard key show --host` on that host prints it"),
        }
    })
}
