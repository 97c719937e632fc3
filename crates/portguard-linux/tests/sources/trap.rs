//! Trap listeners: who is told of, what becomes of the connection, and what stands in the way.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc::{self, Receiver},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portguard_core::{Family, Port, Protocol};
use portguard_linux::trap::{BindError, BoundTrap, StopSignal, Touch, TrapSpec, bind, serve};
use rustix::{
    net::{AddressFamily, SocketType},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use crate::namespace::{alone, eventually};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_touch_is_told_and_the_connection_reset() {
    alone(|| {
        let traps =
            Serving::begin(vec![trap(3, Family::V4, "tcp/23"), trap(4, Family::V6, "tcp/23")]);
        for (id, local) in [(3, "127.0.0.1:23"), (4, "[::1]:23")] {
            let local: SocketAddr = local.parse().unwrap();
            let mut client = TcpStream::connect(local).unwrap();
            let peer = client.local_addr().unwrap();
            assert_eq!(traps.next(), Touch { trap: id, peer, local });
            let end = client.read(&mut [0]).unwrap_err();
            assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        }
        traps.end();
    });
}

#[test]
fn an_ipv6_trap_leaves_ipv4_alone() {
    alone(|| {
        let traps = Serving::begin(vec![trap(0, Family::V6, "tcp/23")]);
        let refused = TcpStream::connect("127.0.0.1:23").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        traps.end();
    });
}

#[test]
fn a_stopped_trap_frees_its_port_for_the_next() {
    alone(|| {
        for _ in 0..3 {
            let traps = Serving::begin(vec![trap(0, Family::V4, "tcp/23")]);
            drop(TcpStream::connect("127.0.0.1:23").unwrap());
            traps.next();
            let before = Instant::now();
            traps.end();
            assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
        }
    });
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    alone(|| {
        let other = TcpListener::bind("[::]:23").unwrap();
        for family in [Family::V4, Family::V6] {
            assert_taken_by_us(&spec(0, family, "tcp/23"));
        }
        drop(other);
        let _other = UdpSocket::bind("127.0.0.1:53").unwrap();
        assert_taken_by_us(&spec(0, Family::V4, "udp/53"));
        bind(&spec(0, Family::V6, "udp/53")).unwrap();
    });
}

#[test]
fn a_port_taken_by_a_connection_is_named_too() {
    alone(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let number = client.local_addr().unwrap().port();
        assert_taken_by_us(&TrapSpec {
            port: Port { protocol: Protocol::Tcp, number },
            ..spec(0, Family::V4, "tcp/23")
        });
    });
}

#[test]
fn a_trap_on_a_foreign_address_says_so() {
    alone(|| {
        let address = Some("192.0.2.1".parse().unwrap());
        let error = bind(&TrapSpec { address, ..spec(0, Family::V4, "tcp/23") }).unwrap_err();
        assert!(matches!(error, BindError::AddressNotHere), "{error:?}");
    });
}

#[test]
fn a_tarpit_holds_eight_of_one_source_and_hangs_up_on_the_ninth() {
    alone(|| {
        let traps = Serving::begin(vec![
            bind(&TrapSpec { tarpit: true, ..spec(0, Family::V4, "tcp/23") }).unwrap(),
        ]);
        let mut held: Vec<TcpStream> = (0..8)
            .map(|_| {
                let mut client = TcpStream::connect("127.0.0.1:23").unwrap();
                traps.next();
                client.read_exact(&mut [0]).unwrap();
                client
            })
            .collect();
        let mut ninth = TcpStream::connect("127.0.0.1:23").unwrap();
        traps.next();
        assert_eq!(ninth.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        held[0].set_nonblocking(true).unwrap();
        assert_eq!(held[0].read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        traps.end();
    });
}

#[test]
fn a_trap_without_descriptors_rests_and_takes_the_connection_later() {
    alone(|| {
        let traps = Serving::begin(vec![trap(0, Family::V4, "tcp/23")]);
        let client = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        drop(TcpStream::connect("127.0.0.1:23").unwrap());
        traps.next();
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
        let to: SocketAddr = "127.0.0.1:23".parse().unwrap();
        rustix::net::connect(&client, &to).unwrap();
        assert!(traps.touches.recv_timeout(Duration::from_millis(200)).is_err());
        setrlimit(Resource::Nofile, limit).unwrap();
        traps.next();
        let spent = traps.end();
        assert!(spent < Duration::from_millis(50), "{spent:?} of processor time");
    });
}

#[test]
fn a_udp_trap_holds_its_port_and_says_nothing() {
    alone(|| {
        let traps = Serving::begin(vec![trap(0, Family::V4, "udp/53")]);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..1_000 {
            client.send_to(&[0; 512], "127.0.0.1:53").unwrap();
        }
        assert_taken_by_us(&spec(1, Family::V4, "udp/53"));
        assert!(traps.touches.try_recv().is_err());
        traps.end();
    });
}

/// Traps that are served on a thread.
struct Serving {
    stop: StopSignal,
    touches: Receiver<Touch>,
    thread: JoinHandle<Duration>,
}

impl Serving {
    fn begin(traps: Vec<BoundTrap>) -> Self {
        let stop = StopSignal::new().unwrap();
        let (tell, touches) = mpsc::channel();
        let signal = stop.clone();
        let thread = std::thread::spawn(move || {
            serve(&traps, &signal, |touch| tell.send(touch).unwrap()).unwrap();
            processor_time()
        });
        Self { stop, touches, thread }
    }

    fn next(&self) -> Touch {
        self.touches.recv_timeout(PATIENCE).unwrap()
    }

    /// Stops the thread and returns the processor time it took.
    fn end(self) -> Duration {
        self.stop.stop();
        self.thread.join().unwrap()
    }
}

/// Returns the processor time of this thread: the first number of its schedstat, in nanoseconds.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn spec(id: usize, family: Family, port: &str) -> TrapSpec {
    TrapSpec { id, family, address: None, port: port.parse().unwrap(), tarpit: false }
}

fn trap(id: usize, family: Family, port: &str) -> BoundTrap {
    bind(&spec(id, family, port)).unwrap()
}

fn assert_taken_by_us(spec: &TrapSpec) {
    // A port that was just given back can be taken for a moment longer.
    let holder = eventually("the port is taken", || match bind(spec) {
        Err(BindError::Taken { holder }) => Some(holder),
        _ => None,
    });
    assert_eq!(holder.map(|holder| holder.pid), Some(std::process::id()));
}
