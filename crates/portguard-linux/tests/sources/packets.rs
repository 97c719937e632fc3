//! Packets of an interface: each comes once, and those that do not fit are counted.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use portguard_linux::{
    interface,
    packet_socket::{PacketSocket, Wrapping},
};

use crate::namespace::{alone, run};

const PATIENCE: Duration = Duration::from_secs(10);

/// Two headers before the ports: Ethernet and IPv4.
const PORTS: usize = 14 + 20;

fn open() -> PacketSocket {
    let loopback = interface::find("lo").unwrap().unwrap();
    let socket = PacketSocket::open(&loopback).unwrap();
    assert_eq!((socket.wrapping(), socket.is_loopback()), (Wrapping::Ethernet, true));
    socket
}

/// Sends datagrams to a socket that takes them, so that nothing is said in return; returns the port.
fn send(count: usize) -> (UdpSocket, u16) {
    let taker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = taker.local_addr().unwrap();
    for _ in 0..count {
        sender.send_to(b"x", to).unwrap();
    }
    (taker, to.port())
}

/// Counts the datagrams to a port until nothing comes for a while.
fn arrived(socket: &mut PacketSocket, port: u16, wait: Duration) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let mut found = 0;
    while Instant::now() < deadline {
        let is_it = |bytes: &[u8]| bytes.get(PORTS + 2..PORTS + 4) == Some(&port.to_be_bytes()[..]);
        let count = socket.receive(wait, |frame| {
            assert!(!frame.is_outgoing);
            assert_eq!((frame.kind, frame.bytes.len()), (0x0800, PORTS + 8 + 1));
            found += u64::from(is_it(frame.bytes));
        });
        if count.unwrap() == 0 {
            break;
        }
    }
    found
}

#[test]
fn each_packet_over_loopback_comes_once() {
    alone(|| {
        let mut socket = open();
        let (_taker, port) = send(10);
        assert_eq!(arrived(&mut socket, port, Duration::from_millis(200)), 10);
        assert_eq!(socket.lost().unwrap(), 0);
    });
}

#[test]
fn what_does_not_fit_is_counted() {
    alone(|| {
        const SENT: usize = 60_000;
        let mut socket = open();
        let (_taker, port) = send(SENT);
        let found = arrived(&mut socket, port, Duration::from_millis(200));
        let lost = socket.lost().unwrap();
        assert!(found > 1_000 && lost > 0, "{found} and {lost} lost");
        assert_eq!(found + lost, SENT as u64);
        // It goes on.
        let (_taker, port) = send(10);
        assert_eq!(arrived(&mut socket, port, Duration::from_millis(200)), 10);
        assert_eq!(socket.lost().unwrap(), 0);
    });
}

#[test]
fn an_interface_that_goes_down_is_no_error() {
    alone(|| {
        let mut socket = open();
        run("ip", &["link", "set", "lo", "down"]);
        assert!(!interface::find("lo").unwrap().unwrap().is_up);
        for _ in 0..3 {
            assert_eq!(socket.receive(Duration::ZERO, |_| {}).unwrap(), 0);
        }
        run("ip", &["link", "set", "lo", "up"]);
        let (_taker, port) = send(3);
        assert_eq!(arrived(&mut socket, port, Duration::from_millis(200)), 3);
    });
}
