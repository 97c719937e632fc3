//! What a scanner does: connects, sends datagrams, listens to the answers, runs `nmap`.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    str::FromStr,
    time::Duration,
};

use crate::{deadline::PATIENCE, forgery::Forgery, host::Host, program, running::Running};

/// What came back from a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Somebody listens and answered.
    Open,
    /// The host said that nobody listens.
    Refused,
    /// Nothing came back in time.
    Silence,
    /// The host or a router said that there is no way.
    Unreachable,
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.trim_end() {
            "open" => Ok(Self::Open),
            "refused" => Ok(Self::Refused),
            "silence" => Ok(Self::Silence),
            "unreachable" => Ok(Self::Unreachable),
            other => Err(format!("the probe said {other:?}")),
        }
    }
}

/// One port as `nmap` saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The port's number.
    pub port: u16,
    /// `open`, `closed`, `filtered`, `open|filtered`, `unfiltered`.
    pub state: String,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl Host {
    /// Opens a TCP connection, from this address if one is given, and closes it again.
    ///
    /// # Panics
    /// When the probe fails, as with an address that is not this host's.
    pub fn connect(&self, from: Option<IpAddr>, to: SocketAddr, limit: Duration) -> Answer {
        self.ask_probe("connect", from, to, limit)
    }

    /// Sends one UDP datagram and waits for the answer.
    ///
    /// # Panics
    /// When the probe fails, as with an address that is not this host's.
    pub fn send_datagram(&self, from: Option<IpAddr>, to: SocketAddr, limit: Duration) -> Answer {
        self.ask_probe("datagram", from, to, limit)
    }

    /// Sends one UDP datagram that carries what is in a file, and waits for the answer.
    ///
    /// # Panics
    /// As [`Host::send_datagram`].
    pub fn send_file(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
        limit: Duration,
        file: &Path,
    ) -> Answer {
        let limit = limit.as_millis().to_string();
        let file = file.to_str().expect("a plain path");
        let said = self.run([&probe(), "datagram", &source(from), &to.to_string(), &limit, file]);
        said.parse().expect("the probe speaks the lab's words")
    }

    /// Sends UDP datagrams of one length, cut out of a file, and waits for an answer to any of them.
    ///
    /// # Panics
    /// As [`Host::send_datagram`].
    pub fn send_cut(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
        limit: Duration,
        (file, length): (&Path, usize),
    ) -> Answer {
        let (limit, length) = (limit.as_millis().to_string(), length.to_string());
        let (from, to, file) = (source(from), to.to_string(), file.to_str().expect("a plain path"));
        let said = self.run([&*probe(), "datagram", &from, &to, &limit, file, &length]);
        said.parse().expect("the probe speaks the lab's words")
    }

    /// Opens a TCP connection and keeps it: lines said to it are sent, lines it prints came back.
    ///
    /// # Panics
    /// When there is no connection within the lab's patience.
    pub fn talk(&self, from: Option<IpAddr>, to: SocketAddr) -> Running {
        let limit = PATIENCE.as_millis().to_string();
        let talk = self.spawn([&probe(), "talk", &source(from), &to.to_string(), &limit]);
        let answer = talk.line(PATIENCE);
        assert_eq!(answer.as_deref(), Some("open"), "no connection from {from:?} to {to}");
        talk
    }

    /// Starts a server, TCP and UDP on the same port, that says everything back.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn serve(&self, at: SocketAddr) -> Running {
        let server = self.spawn([&probe(), "serve", &at.to_string()]);
        assert_eq!(server.line(PATIENCE).as_deref(), Some("ready"), "nothing serves at {at}");
        server
    }

    /// Sends packets that no honest stack would send, as fast as it can.
    ///
    /// # Panics
    /// When the kernel takes one of them not.
    pub fn forge(&self, forgery: &Forgery) {
        let mut line = vec![probe(), "forge".to_owned()];
        line.extend(forgery.arguments());
        let sent = self.run(line);
        assert_eq!(sent.trim_end(), forgery.packets.to_string(), "packets were not sent");
    }

    /// Runs `nmap` without name look-ups and host discovery; returns every port it names.
    ///
    /// # Panics
    /// When `nmap` fails.
    pub fn nmap(&self, arguments: &[&str]) -> Vec<Finding> {
        let fixed = ["nmap", "-n", "-Pn", "-oG", "-"];
        findings(&self.run(fixed.iter().chain(arguments)))
    }

    fn ask_probe(
        &self,
        verb: &str,
        from: Option<IpAddr>,
        to: SocketAddr,
        limit: Duration,
    ) -> Answer {
        let limit = limit.as_millis().to_string();
        let said = self.run([&probe(), verb, &source(from), &to.to_string(), &limit]);
        said.parse().expect("the probe speaks the lab's words")
    }
}

fn probe() -> String {
    program::probe().into_os_string().into_string().expect("cargo's folders have plain names")
}

fn source(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "any".to_owned(), |address| address.to_string())
}

/// Reads nmap's "grepable" output: `Host: ... Ports: 22/open/tcp//ssh///, 23/closed/tcp/...`.
fn findings(output: &str) -> Vec<Finding> {
    output
        .lines()
        .filter_map(|line| line.split('\t').find_map(|field| field.strip_prefix("Ports: ")))
        .flat_map(|ports| ports.split(", "))
        .filter_map(finding)
        .collect()
}

fn finding(port: &str) -> Option<Finding> {
    let mut fields = port.split('/');
    let port = fields.next()?.parse().ok()?;
    let state = fields.next()?.to_owned();
    let protocol = fields.next()?.to_owned();
    Some(Finding { port, state, protocol })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_every_host_is_read() {
        let output = "# Nmap 7.93 scan\n\
            Host: 10.77.0.1 ()\tStatus: Up\n\
            Host: 10.77.0.1 ()\tPorts: 22/open/tcp//ssh///, 23/filtered/tcp//telnet///\tIgnored State: closed (1)\n\
            Host: 10.77.0.2 ()\tPorts: 53/open|filtered/udp//domain///\n\
            # Nmap done\n";
        let read: Vec<_> =
            findings(output).into_iter().map(|f| (f.port, f.state, f.protocol)).collect();
        let expected = [(22, "open", "tcp"), (23, "filtered", "tcp"), (53, "open|filtered", "udp")];
        assert_eq!(read, expected.map(|(port, state, by)| (port, state.into(), by.into())));
    }
}
