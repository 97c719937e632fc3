//! What the bench does inside a host of the lab: it starts itself there and takes orders line by line,
//! so that a connection costs microseconds and not the start of a program.

use std::{
    io::{BufRead as _, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use lab::{Host, running::Running};

use portguard_linux::nft::Monitor;

use crate::{knock, logs, open_scan, web::browser};

/// The first argument of a bench that works for another one.
pub(crate) const WORKER: &str = "worker";

/// How long a worker may take for one order.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bench inside a host.
pub(crate) struct Worker(Running);

impl Worker {
    /// Starts a worker on a host; `before` goes in front of its command line.
    pub(crate) fn start(host: &Host, before: &[&str]) -> Self {
        let program = std::env::current_exe().expect("a running program knows its path");
        let program = program.to_str().expect("a plain path").to_owned();
        let line = before.iter().map(|word| (*word).to_owned()).chain([program, WORKER.to_owned()]);
        Self(host.spawn(line.collect::<Vec<_>>()))
    }

    /// Gives an order and returns the answer.
    pub(crate) fn ask(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    /// Gives an order whose answer is fetched later.
    pub(crate) fn tell(&mut self, order: &str) {
        self.0.say(order);
    }

    /// Returns the answer to an order given before.
    pub(crate) fn answer(&self) -> String {
        self.0.line(PATIENCE).expect("the worker answers")
    }

    /// Returns the numbers of an answer.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        self.answer().split(' ').map(|word| word.parse().expect("a number")).collect()
    }
}

/// Carries out orders until there are no more.
pub(crate) fn run() {
    let mut held = Held::default();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("orders are text");
        let words: Vec<&str> = line.split(' ').collect();
        println!("{}", held.carry_out(&words));
    }
}

/// What a worker keeps from order to order.
#[derive(Default)]
struct Held {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    watchers: browser::Watchers,
    knocks: knock::Knocks,
    measures: Option<Monitor>,
}

impl Held {
    fn carry_out(&mut self, words: &[&str]) -> String {
        let number = |index: usize| words[index].parse::<u64>().expect("a number");
        let address = |index: usize| words[index].parse::<SocketAddr>().expect("an address");
        match words[0] {
            "listen-tcp" => {
                self.tcp.push(TcpListener::bind(address(1)).expect("a free port"));
                "ready".to_owned()
            }
            "listen-udp" => {
                self.udp.push(UdpSocket::bind(address(1)).expect("a free port"));
                "ready".to_owned()
            }
            "listen-many" => {
                let port = |n: u64| u16::try_from(n).expect("a port");
                for n in number(1)..number(1) + number(2) {
                    self.tcp.push(TcpListener::bind(("0.0.0.0", port(n))).expect("a free port"));
                }
                "ready".to_owned()
            }
            "accept" => {
                let listener = TcpListener::bind(address(1)).expect("a free port");
                thread::spawn(move || listener.incoming().for_each(drop));
                "ready".to_owned()
            }
            "close" => {
                self.tcp.clear();
                self.udp.clear();
                "ready".to_owned()
            }
            "serve" => {
                let listener = TcpListener::bind(address(1)).expect("a free port");
                thread::spawn(move || serve(&listener));
                "ready".to_owned()
            }
            "hear-measures" => {
                self.measures = Some(open_scan::hear());
                "ready".to_owned()
            }
            "next-measure" => {
                open_scan::next_measure(self.measures.as_mut().expect("it listens already"))
            }
            "heard" => heard(&self.udp[0], Duration::from_millis(number(1))).to_string(),
            "connect" => is_open(address(1), Duration::from_millis(number(2))).to_string(),
            "send" => passes(address(1), Duration::from_millis(number(2))).to_string(),
            "open-after" => open_after(address(1)),
            "connects" => connects(address(1), number(2)),
            "connects-for" => connects_for(address(1), Duration::from_millis(number(2))),
            "connects-paced" => connects_paced(address(1), number(2)),
            "ping" => ping(address(1), Duration::from_millis(number(2))),
            "flood" => flood(address(1), number(2), Duration::from_millis(number(3))),
            "knock" => knock::knock(words[1], words[2], words[3]),
            "opens-in" => knock::opens_in(address(1)),
            "knocks" => self.knocks.make(words[1], words[2]),
            "flood-knocks" => {
                let port = words[1].parse().expect("a port");
                self.knocks.flood(port, number(2), Duration::from_millis(number(3)))
            }
            "listens" => browser::listens(address(1)),
            "enter" => browser::enter(address(1), words[2]),
            "fetch" => browser::fetch(address(1), words[2], words[3]),
            "watch" => self.watchers.connect(address(1), number(2), words[3]),
            "heard-of" => self.watchers.heard(number(1)),
            "ban-by-line" => logs::ban_by_line(words[1], words[2]),
            "ban-by-lines" => logs::ban_by_lines(words[1], words[2].parse().expect("a number")),
            other => panic!("no such order: {other}"),
        }
    }
}

/// Says everything back, on each connection.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || say_back(stream));
    }
}

fn say_back(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while let Ok(length) = stream.read(&mut bytes) {
        if length == 0 || stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

fn is_open(to: SocketAddr, limit: Duration) -> bool {
    TcpStream::connect_timeout(&to, limit).is_ok()
}

/// Connects and waits until the other side has ended the connection.
fn is_served(to: SocketAddr, limit: Duration) -> bool {
    let ended = TcpStream::connect_timeout(&to, limit).and_then(|mut stream| {
        stream.set_read_timeout(Some(limit))?;
        stream.read(&mut [0])
    });
    ended.is_ok_and(|bytes| bytes == 0)
}

/// Returns whether a datagram reaches the other host's UDP, which refuses it if nobody listens.
fn passes(to: SocketAddr, limit: Duration) -> bool {
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).expect("a free port");
    socket.connect(to).expect("a way to the host");
    socket.set_read_timeout(Some(limit)).expect("a limit above zero");
    // A refusal may come before the second call or with it.
    let sent = socket.send(b"x");
    let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    sent.is_err_and(refused) || socket.recv(&mut [0; 8]).is_err_and(refused)
}

fn heard(socket: &UdpSocket, limit: Duration) -> bool {
    socket.set_read_timeout(Some(limit)).expect("a limit above zero");
    socket.recv(&mut [0; 8]).is_ok()
}

/// Returns the milliseconds until a port answers.
fn open_after(to: SocketAddr) -> String {
    let start = Instant::now();
    while !is_open(to, Duration::from_millis(3)) && start.elapsed() < Duration::from_secs(10) {}
    format!("{}", start.elapsed().as_secs_f64() * 1e3)
}

/// What counts as failed: the kernel sends a lost SYN again after a second.
const TOO_LATE: Duration = Duration::from_millis(150);

/// Opens so many connections one after the other: how many failed, and the longest in ms.
fn connects(to: SocketAddr, count: u64) -> String {
    let (mut failed, mut longest) = (0, Duration::ZERO);
    for _ in 0..count {
        let start = Instant::now();
        failed += u64::from(!is_served(to, TOO_LATE));
        longest = longest.max(start.elapsed());
    }
    format!("{failed} {}", longest.as_secs_f64() * 1e3)
}

/// Opens connections for a while: how many, and how many failed.
fn connects_for(to: SocketAddr, length: Duration) -> String {
    let start = Instant::now();
    let (mut count, mut failed) = (0, 0);
    while start.elapsed() < length {
        count += 1;
        failed += u64::from(!is_served(to, TOO_LATE));
    }
    format!("{count} {failed}")
}

/// Opens so many connections, one every few milliseconds whether the last one failed or not: how
/// many, and how many failed.
fn connects_paced(to: SocketAddr, count: u64) -> String {
    const PACE: Duration = Duration::from_millis(4);
    let mut next = Instant::now();
    let mut failed = 0;
    for _ in 0..count {
        failed += u64::from(!is_served(to, PACE));
        next += PACE;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    format!("{count} {failed}")
}

/// Sends a byte a thousand times a second and waits for it: the longest wait in ms.
fn ping(to: SocketAddr, length: Duration) -> String {
    let mut stream = TcpStream::connect(to).expect("an open port");
    stream.set_nodelay(true).expect("a connection");
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    while start.elapsed() < length {
        let sent = Instant::now();
        stream.write_all(b"x").expect("the connection stands");
        stream.read_exact(&mut [0]).expect("the connection stands");
        longest = longest.max(sent.elapsed());
        thread::sleep(Duration::from_millis(1));
    }
    format!("{}", longest.as_secs_f64() * 1e3)
}

/// Sends datagrams at a rate: how many were sent, and in how many seconds.
fn flood(to: SocketAddr, per_second: u64, length: Duration) -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
    socket.connect(to).expect("a way to the host");
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < length {
        let due = start.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
        while sent < due {
            // What the other side refuses was sent all the same.
            let _ = socket.send(b"x");
            sent += 1;
        }
        thread::sleep(Duration::from_micros(200));
    }
    format!("{sent} {}", start.elapsed().as_secs_f64())
}
