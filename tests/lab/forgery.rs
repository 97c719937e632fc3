//! Packets that no honest stack would send: any source, any flags, no handshake behind them.

use std::net::SocketAddr;

/// A burst of forged packets.
#[derive(Clone, Copy, Debug)]
pub struct Forgery {
    /// What each packet pretends to be.
    pub kind: Kind,
    /// The first source; need not be an address of the sending host.
    pub from: SocketAddr,
    /// Where they go; the same family as the source.
    pub to: SocketAddr,
    /// How many packets.
    pub packets: u32,
    /// From how many successive addresses they come in turn; at least one.
    pub sources: u32,
}

/// What a forged packet pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first packet of a TCP handshake.
    Syn,
    /// A packet of a TCP connection that never was, or the last of a guessed handshake.
    Ack,
    /// A UDP datagram.
    Datagram,
}

impl Forgery {
    /// Returns one packet of a kind from a source that need not exist.
    pub fn single(kind: Kind, from: SocketAddr, to: SocketAddr) -> Self {
        Self { kind, from, to, packets: 1, sources: 1 }
    }

    /// Returns the forgery as the probe takes it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let kind = match self.kind {
            Kind::Syn => "syn",
            Kind::Ack => "ack",
            Kind::Datagram => "datagram",
        };
        let numbers = [self.packets.to_string(), self.sources.to_string()];
        [kind.to_owned(), self.from.to_string(), self.to.to_string()]
            .into_iter()
            .chain(numbers)
            .collect()
    }
}
