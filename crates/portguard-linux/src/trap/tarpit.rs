//! Connections held with slow bytes: each costs its owner a socket and its patience, and us little.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use portguard_core::Subject;
use rustix::net::{self, SendFlags};

use super::serve::hang_up;

/// Most connections held: a descriptor and a few kilobytes of kernel memory each.
/// When full, a newcomer is hung up on; its ban stands all the same.
const MOST_HELD: usize = 1024;

/// Most connections held of one source, so that nobody can fill the pit alone.
const MOST_HELD_OF_ONE: usize = 8;

/// How often a byte is sent.
const DRIP_EVERY: Duration = Duration::from_secs(10);

/// How long a connection is held at most.
const HELD_FOR: Duration = Duration::from_mins(30);

/// How much of an IPv6 address tells sources apart: one host usually has a whole /64 (RFC 6177).
const SOURCE_BITS_V6: u8 = 64;

/// What is dripped: never a whole line, so that a client waiting for one goes on waiting.
const BYTES: &[u8] = b"220-welcome-please-stand-by-your-call-is-important-to-us-";

struct HeldConnection {
    connection: OwnedFd,
    source: Subject,
    until: Instant,
    next_drip: Instant,
    sent: usize,
}

/// The held connections, the next to get its byte in front.
#[derive(Default)]
pub(super) struct Tarpit {
    held: VecDeque<HeldConnection>,
    of_source: HashMap<Subject, usize>,
}

impl Tarpit {
    /// Holds a connection, or hangs up if there are enough.
    pub(super) fn hold(&mut self, connection: OwnedFd, peer: IpAddr, now: Instant) {
        let source = source(peer);
        let of_this = self.of_source.get(&source).copied().unwrap_or_default();
        if self.held.len() >= MOST_HELD || of_this >= MOST_HELD_OF_ONE {
            hang_up(connection);
            return;
        }
        *self.of_source.entry(source).or_default() += 1;
        let (until, next_drip) = (now + HELD_FOR, now);
        self.held.push_front(HeldConnection { connection, source, until, next_drip, sent: 0 });
        self.drip(now);
    }

    /// Sends each connection that waited long enough its byte, and lets go of those that ended.
    pub(super) fn drip(&mut self, now: Instant) {
        while self.held.front().is_some_and(|held| held.next_drip <= now) {
            let Some(mut held) = self.held.pop_front() else { return };
            let byte = BYTES[held.sent % BYTES.len()];
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let sent = net::send(&held.connection, &[byte], flags);
            let is_alive = matches!(sent, Ok(_) | Err(rustix::io::Errno::AGAIN));
            if is_alive && held.until > now {
                held.sent += 1;
                held.next_drip = now + DRIP_EVERY;
                self.held.push_back(held);
            } else {
                self.forget(held);
            }
        }
    }

    /// Returns how long it is until the next byte is due, `None` if nobody is held.
    pub(super) fn next_drip(&self, now: Instant) -> Option<Duration> {
        self.held.front().map(|held| held.next_drip.saturating_duration_since(now))
    }

    fn forget(&mut self, held: HeldConnection) {
        if let Some(count) = self.of_source.get_mut(&held.source) {
            *count -= 1;
            if *count == 0 {
                self.of_source.remove(&held.source);
            }
        }
        hang_up(held.connection);
    }
}

fn source(peer: IpAddr) -> Subject {
    match peer.to_canonical() {
        address @ IpAddr::V4(_) => Subject::address(address),
        address @ IpAddr::V6(_) => Subject::containing(address, SOURCE_BITS_V6),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn a_held_connection_gets_one_byte_at_a_time_and_then_its_end() {
        let (mut client, server) = pair();
        let start = Instant::now();
        let mut tarpit = Tarpit::default();
        tarpit.hold(server, IpAddr::from([127, 0, 0, 1]), start);
        assert_eq!(tarpit.next_drip(start), Some(DRIP_EVERY));
        tarpit.drip(start + DRIP_EVERY / 2);
        tarpit.drip(start + DRIP_EVERY);
        let mut bytes = [0; 2];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, BYTES[..2]);
        tarpit.drip(start + HELD_FOR);
        assert!(tarpit.held.is_empty() && tarpit.of_source.is_empty());
        assert_eq!(tarpit.next_drip(start), None);
    }

    #[test]
    fn nobody_fills_the_pit_alone() {
        let one_network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, last]);
        for peer in [|_: u16| IpAddr::from([192, 0, 2, 7]), one_network] {
            let mut tarpit = Tarpit::default();
            let clients: Vec<TcpStream> = (0..11)
                .map(|number| {
                    let (client, server) = pair();
                    tarpit.hold(server, peer(number), Instant::now());
                    client
                })
                .collect();
            assert_eq!(tarpit.held.len(), MOST_HELD_OF_ONE);
            drop(clients);
        }
    }

    fn pair() -> (TcpStream, OwnedFd) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, server.into())
    }
}
