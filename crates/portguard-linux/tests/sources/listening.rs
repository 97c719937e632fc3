//! Listening sockets as the watcher sees them.

use std::{
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    time::Duration,
};

use portguard_core::Listener;
use portguard_linux::listener::Watcher;
use rustix::net::{
    AddressFamily, SocketType, bind, listen, socket,
    sockopt::{set_ipv6_v6only, set_socket_reuseaddr},
};

use crate::namespace::{alone, run};

/// A change is told within 100 ms; this is how long a test waits for one that has to come.
const SOON: Duration = Duration::from_secs(5);

static URGENT: AtomicBool = AtomicBool::new(true);

fn told(watcher: &mut Watcher) -> Vec<Listener> {
    watcher.wait(SOON, &URGENT).unwrap().expect("a change")
}

fn at<'a>(listeners: &'a [Listener], port: &str) -> Vec<&'a Listener> {
    let port = port.parse().unwrap();
    listeners.iter().filter(|listener| listener.port == port).collect()
}

#[test]
fn sockets_of_each_kind_are_told_with_their_address() {
    alone(|| {
        run("ip", &["addr", "add", "192.0.2.1/32", "dev", "lo"]);
        let _tcp: Vec<TcpListener> = ["0.0.0.0:80", "192.0.2.1:81", "127.0.0.1:82", "[::1]:83"]
            .map(|at| TcpListener::bind(at).unwrap())
            .into();
        let _udp = [UdpSocket::bind("0.0.0.0:53").unwrap(), UdpSocket::bind("[::]:54").unwrap()];
        let _dual = bound("[::]:84", false);
        let _six = bound("[::]:85", true);
        let _mapped = bound("[::ffff:192.0.2.1]:86", false);
        let connected = UdpSocket::bind("127.0.0.1:99").unwrap();
        connected.connect("127.0.0.1:98").unwrap();

        let listeners = told(&mut Watcher::open().unwrap());

        for (port, address, v6_only) in [
            ("tcp/80", "0.0.0.0", false),
            ("tcp/81", "192.0.2.1", false),
            ("tcp/82", "127.0.0.1", false),
            ("tcp/83", "::1", true),
            ("udp/53", "0.0.0.0", false),
            ("udp/54", "::", false),
            ("tcp/84", "::", false),
            ("tcp/85", "::", true),
            ("tcp/86", "192.0.2.1", false),
        ] {
            let found = at(&listeners, port);
            assert_eq!(found.len(), 1, "{port}: {listeners:?}");
            assert_eq!(found[0].address, address.parse::<IpAddr>().unwrap(), "{port}");
            assert_eq!(found[0].v6_only, v6_only, "{port}");
        }
        assert!(at(&listeners, "udp/99").is_empty(), "a connected socket hears nobody else");
    });
}

#[test]
fn the_owner_is_named() {
    alone(|| {
        let mut child = Command::new("nc")
            .args(["-l", "-p", "8080"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut watcher = Watcher::open().unwrap();
        let owner = crate::namespace::eventually("an owner", || {
            let listeners = watcher.wait(SOON, &URGENT).unwrap()?;
            let found = at(&listeners, "tcp/8080").first().map(|found| found.owner.clone());
            found.filter(|owner| owner.pid.is_some())
        });
        assert_eq!(owner.pid, Some(child.id()));
        assert_eq!(&*owner.name, "nc");
        assert!(owner.exe.as_ref().unwrap().contains("nc"), "{owner:?}");
        assert_eq!(&*owner.user, "root");
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn what_comes_and_goes_is_told_and_nothing_else() {
    alone(|| {
        let mut watcher = Watcher::open().unwrap();
        assert_eq!(told(&mut watcher), []);
        let first = TcpListener::bind("0.0.0.0:80").unwrap();
        let cookie = at(&told(&mut watcher), "tcp/80")[0].socket;
        assert_eq!(watcher.wait(Duration::from_millis(1_500), &URGENT).unwrap(), None);
        drop(first);
        let _second = reopened(80);
        let found = crate::namespace::eventually("the other socket", || {
            let listeners = watcher.wait(SOON, &URGENT).unwrap()?;
            at(&listeners, "tcp/80").first().map(|found| found.socket)
        });
        assert_ne!(found, cookie, "another socket is another listener");
    });
}

#[test]
fn five_hundred_listeners_are_told_of_whole() {
    alone(|| {
        let listeners: Vec<TcpListener> =
            (0..500).map(|n| TcpListener::bind(("0.0.0.0", 20_000 + n)).unwrap()).collect();
        let mut watcher = Watcher::open().unwrap();
        let told = told(&mut watcher);
        assert_eq!(told.len(), listeners.len());
        assert!(told.iter().all(|listener| listener.owner.pid == Some(std::process::id())));
        assert_eq!(watcher.omitted(), 0);
    });
}

/// Opens an IPv6 socket that does or does not take IPv4.
fn bound(at: &str, v6_only: bool) -> rustix::fd::OwnedFd {
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
    set_ipv6_v6only(&socket, v6_only).unwrap();
    bind(&socket, &at.parse::<SocketAddr>().unwrap()).unwrap();
    listen(&socket, 1).unwrap();
    socket
}

fn reopened(port: u16) -> rustix::fd::OwnedFd {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &SocketAddr::from(([0, 0, 0, 0], port))).unwrap();
    listen(&socket, 1).unwrap();
    socket
}
