//! Transport protocols and ports, in the notation of the configuration (`tcp/22`).

use std::{fmt, str::FromStr};

use thiserror::Error;

/// A transport protocol that has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, IP protocol 6 (RFC 9293).
    Tcp,
    /// UDP, IP protocol 17 (RFC 768).
    Udp,
}

impl Protocol {
    /// Returns the number in the IP header's protocol field.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One port of one protocol, written `tcp/22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port number, 1 to 65535.
    pub number: u16,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.number)
    }
}

/// Why a text is no port or range of ports.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortError {
    /// The protocol is missing or unknown.
    #[error("`{0}` names no protocol; write it like `tcp/22` or `udp/60000-61000`")]
    Protocol(String),
    /// The number is none, or not in 1 to 65535.
    #[error("`{0}` is no port; ports go from 1 to 65535")]
    Number(String),
    /// The range ends before it starts.
    #[error("the range `{0}` ends before it starts")]
    Backwards(String),
}

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let range: PortRange = text.parse()?;
        if range.first == range.last {
            Ok(Self { protocol: range.protocol, number: range.first })
        } else {
            Err(PortError::Number(text.to_owned()))
        }
    }
}

/// A run of ports of one protocol, both ends included, written `udp/60000-61000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port, not below `first`.
    pub last: u16,
}

impl PortRange {
    /// Returns whether `port` lies in this range.
    pub fn contains(&self, port: Port) -> bool {
        self.protocol == port.protocol && (self.first..=self.last).contains(&port.number)
    }

    /// Returns the fewest ranges that hold these ports and no others, lowest first.
    pub fn covering(ports: &[Port]) -> Vec<Self> {
        let mut ports = ports.to_vec();
        ports.sort_unstable();
        let mut ranges: Vec<Self> = Vec::new();
        for Port { protocol, number } in ports {
            match ranges.last_mut() {
                Some(range)
                    if range.protocol == protocol
                        && u32::from(number) <= u32::from(range.last) + 1 =>
                {
                    range.last = number;
                }
                _ => ranges.push(Self { protocol, first: number, last: number }),
            }
        }
        ranges
    }

    /// Returns each port of the range, lowest first.
    pub fn ports(self) -> impl Iterator<Item = Port> {
        (self.first..=self.last).map(move |number| Port { protocol: self.protocol, number })
    }
}

impl FromStr for PortRange {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let (protocol, numbers) =
            text.split_once('/').ok_or_else(|| PortError::Protocol(text.to_owned()))?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(PortError::Protocol(text.to_owned())),
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (first, last) = (port_number(first)?, port_number(last)?);
        if first > last {
            return Err(PortError::Backwards(text.to_owned()));
        }
        Ok(Self { protocol, first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}/{}", self.protocol, self.first)
        } else {
            write!(f, "{}/{}-{}", self.protocol, self.first, self.last)
        }
    }
}

/// Returns the port that `text` writes in decimal digits.
///
/// # Errors
/// When `text` is no number from 1 to 65535.
pub fn port_number(text: &str) -> Result<u16, PortError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok(number),
        _ => Err(PortError::Number(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let read = match text.parse::<PortRange>() {
            Ok(range) => range.to_string(),
            Err(why) => why.to_string(),
        };
        assert_eq!(read, expect, "{text}");
    }

    #[test]
    fn ports_and_ranges_read_back_as_written() {
        check("tcp/22", "tcp/22");
        check("udp/60000-61000", "udp/60000-61000");
        check("udp/53-53", "udp/53");
    }

    #[test]
    fn what_is_no_port_is_refused_by_name() {
        check("22", "`22` names no protocol; write it like `tcp/22` or `udp/60000-61000`");
        check(
            "sctp/22",
            "`sctp/22` names no protocol; write it like `tcp/22` or `udp/60000-61000`",
        );
        check("tcp/0", "`0` is no port; ports go from 1 to 65535");
        check("tcp/65536", "`65536` is no port; ports go from 1 to 65535");
        check("tcp/+22", "`+22` is no port; ports go from 1 to 65535");
        check("tcp/9-2", "the range `tcp/9-2` ends before it starts");
    }
}
