//! Where a provider's SSH server is, and as whom: `user@host[:port]`.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// The port of SSH servers.
const SSH_PORT: u16 = 22;

/// Longest name of a user or host, in bytes (RFC 1035 has 253 for a host).
const LONGEST_NAME: usize = 253;

/// An SSH server and the user to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Name or address of the host, in lower case and without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that is no login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no login; write it like `user@host` or `user@host:22`")]
pub struct LoginError(String);

impl Login {
    /// Returns the host as files of known hosts name it: with the port if it is not the usual one.
    pub fn known_as(&self) -> String {
        if self.port == SSH_PORT {
            self.host.clone()
        } else {
            format!("[{}]:{}", self.host, self.port)
        }
    }
}

impl FromStr for Login {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Self, LoginError> {
        let wrong = || LoginError(text.to_owned());
        let (user, place) = text.rsplit_once('@').ok_or_else(wrong)?;
        let (host, port) = host_and_port(place).ok_or_else(wrong)?;
        let is_user =
            !user.is_empty() && user.len() <= LONGEST_NAME && user.chars().all(is_of_user);
        if is_user { Ok(Self { user: user.to_owned(), host, port }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port } = self;
        if host.contains(':') {
            write!(f, "{user}@[{host}]:{port}")
        } else {
            write!(f, "{user}@{host}:{port}")
        }
    }
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = rest.strip_prefix(':').map_or(rest.is_empty().then_some(SSH_PORT), read_port)?;
        return Some((address.to_string(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, read_port(port)?),
        None => (text, SSH_PORT),
    };
    let is_host = !host.is_empty()
        && host.len() <= LONGEST_NAME
        && !host.starts_with('-')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    is_host.then(|| (host.to_ascii_lowercase(), port))
}

fn read_port(text: &str) -> Option<u16> {
    let is_number = text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

fn is_of_user(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_user_a_host_and_a_port() {
        for (text, expected) in [
            ("nokey@localhost.run:22", Some(("nokey", "localhost.run", 22, "localhost.run"))),
            ("a@Host.Example", Some(("a", "host.example", 22, "host.example"))),
            ("a+b@192.0.2.1:2222", Some(("a+b", "192.0.2.1", 2222, "[192.0.2.1]:2222"))),
            ("x@y@z", Some(("x@y", "z", 22, "z"))),
            ("a@[2001:db8::1]:80", Some(("a", "2001:db8::1", 80, "[2001:db8::1]:80"))),
            ("a@[2001:db8::1]", Some(("a", "2001:db8::1", 22, "2001:db8::1"))),
            ("localhost.run", None),
            ("@host", None),
            ("a@", None),
            ("a@host:", None),
            ("a@host:0", None),
            ("a@host:+22", None),
            ("a@host:65536", None),
            ("a@2001:db8::1", None),
            ("a@[host]:22", None),
            ("a b@host", None),
            ("a@-oProxyCommand=x", None),
            ("a@ho st", None),
        ] {
            let login = text.parse::<Login>().ok();
            let expected = expected.map(|(user, host, port, known_as)| {
                (Login { user: user.into(), host: host.into(), port }, known_as.to_owned())
            });
            let found = login.map(|login| (login.clone(), login.known_as()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_login_is_written_as_it_is_read() {
        for text in ["nokey@localhost.run:22", "a@[2001:db8::1]:80"] {
            assert_eq!(text.parse::<Login>().unwrap().to_string(), text);
        }
    }
}
