//! A second host: a network namespace of its own, joined to the test's by a virtual cable.

use std::{
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::fd::AsFd,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    net::{AddressFamily, SocketType, sockopt::Timeout},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::namespace::{eventually, run};

/// How long an answer may take that has to come.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long silence has to last; on a virtual cable an answer takes microseconds.
const SILENCE: Duration = Duration::from_millis(200);

/// The other host: `10.9.0.2`, `fd09::2` and `fe80::2`. The test's own addresses end with 1.
pub(crate) struct Peer {
    anchor: Child,
}

/// What became of an attempt to connect.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The other side took the connection.
    Connected(TcpStream),
    /// The other side said that nobody listens.
    Refused,
    /// No answer came.
    Silence,
}

impl Peer {
    pub(crate) fn joined() -> Self {
        let anchor = Command::new("unshare")
            .args(["--net", "--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let peer = Self { anchor };
        let ours = fs::read_link("/proc/self/ns/net").unwrap();
        eventually("the peer's namespace", || {
            fs::read_link(peer.namespace()).ok().filter(|theirs| *theirs != ours)
        });
        let anchor = peer.anchor.id().to_string();
        run(
            "ip",
            &["link", "add", "cable", "type", "veth", "peer", "name", "far", "netns", &anchor],
        );
        dress("cable", 1);
        peer.visit(|| dress("far", 2));
        for host in ["10.9.0.1:9", "[fd09::1]:9"] {
            eventually("the cable", || (!peer.meets_silence(host.parse().unwrap())).then_some(()));
        }
        peer
    }

    /// Runs something on the peer.
    pub(crate) fn visit<T: Send>(&self, visit: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(self.namespace()).unwrap();
        thread::scope(|scope| {
            let visitor = scope.spawn(|| {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), network).unwrap();
                visit()
            });
            visitor.join().unwrap()
        })
    }

    /// Connects to an address that answers.
    pub(crate) fn connect(&self, to: SocketAddr) -> Attempt {
        self.attempt(to, ANSWER_LIMIT)
    }

    /// Connects from one port of the peer's to an address that answers.
    pub(crate) fn connect_from(&self, port: u16, to: SocketAddr) -> io::Result<TcpStream> {
        self.visit(|| {
            let (family, from): (_, IpAddr) = match to {
                SocketAddr::V4(_) => (AddressFamily::INET, Ipv4Addr::UNSPECIFIED.into()),
                SocketAddr::V6(_) => (AddressFamily::INET6, Ipv6Addr::UNSPECIFIED.into()),
            };
            let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::sockopt::set_socket_timeout(&socket, Timeout::Send, Some(SILENCE))?;
            rustix::net::bind(&socket, &SocketAddr::new(from, port))?;
            rustix::net::connect(&socket, &to)?;
            Ok(socket.into())
        })
    }

    /// Returns whether an attempt to connect meets no answer.
    pub(crate) fn meets_silence(&self, to: SocketAddr) -> bool {
        matches!(self.attempt(to, SILENCE), Attempt::Silence)
    }

    fn attempt(&self, to: SocketAddr, limit: Duration) -> Attempt {
        self.visit(|| match TcpStream::connect_timeout(&to, limit) {
            Ok(stream) => Attempt::Connected(stream),
            Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => Attempt::Refused,
            Err(why) if why.kind() == io::ErrorKind::TimedOut => Attempt::Silence,
            Err(why) => panic!("cannot connect to {to}: {why}"),
        })
    }

    /// Returns whether an echo request to an address is answered.
    pub(crate) fn is_answered(&self, address: &str) -> bool {
        let arguments = ["-c1", "-W1", "-n", "-q", address];
        self.visit(|| Command::new("ping").args(arguments).output().unwrap().status.success())
    }

    /// Makes the peer never complete a handshake, as a half-open scan or a forger does.
    pub(crate) fn complete_no_handshake(&self) {
        self.visit(|| {
            crate::namespace::nft(
                "table inet half_open {
                   chain output {
                     type filter hook output priority 0;
                     tcp flags & (syn | ack | rst) == ack drop
                   }
                 }",
            )
        });
    }

    fn namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.anchor.id())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The anchor reads until its standard input ends.
        drop(self.anchor.stdin.take());
        self.anchor.wait().unwrap();
    }
}

fn dress(link: &str, host: u8) {
    run("ip", &["addr", "add", &format!("10.9.0.{host}/24"), "dev", link]);
    run("ip", &["addr", "add", &format!("fd09::{host}/64"), "dev", link, "nodad"]);
    run("ip", &["addr", "add", &format!("fe80::{host}/64"), "dev", link, "nodad"]);
    run("ip", &["link", "set", link, "up"]);
}
