//! The trap thread: waits for connections, reports each at once, and lets go of it or holds it.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use portguard_core::Protocol;
use rustix::{
    event::{EventfdFlags, Timespec, epoll, eventfd},
    io::Errno,
    net::{self, RecvFlags, SocketFlags, sockopt},
};

use super::{BoundTrap, tarpit::Tarpit};

/// Somebody completed a handshake with a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The trap's number.
    pub trap: usize,
    /// Who.
    pub peer: SocketAddr,
    /// Which of our addresses was touched.
    pub local: SocketAddr,
}

/// Tells a trap thread to stop; cheap to clone.
#[derive(Clone, Debug)]
pub struct StopSignal(Arc<OwnedFd>);

impl StopSignal {
    /// Returns a signal that has not been given.
    ///
    /// # Errors
    /// When the system gives no event descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Gives the signal; it stays given.
    pub fn stop(&self) {
        // An event descriptor takes a one whenever it is not about to overflow, and then it has
        // been given already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// Marks the stop signal among the events.
const STOP: u64 = u64::MAX;

/// Events taken in one go.
const EVENTS: usize = 64;

/// Longest wait, so that held connections get their slow bytes.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long a listener rests when the process is out of descriptors, so that it does not spin.
const REST: Duration = Duration::from_millis(50);

/// Watches the traps until the signal is given; calls `on_touch` for each completed handshake
/// before anything else is done with the connection. Blocks; runs on a thread of its own.
///
/// # Errors
/// When the system refuses to watch the sockets.
pub fn serve(
    traps: &[BoundTrap],
    stop: &StopSignal,
    mut on_touch: impl FnMut(Touch),
) -> io::Result<()> {
    let watch = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&watch, stop.0.as_fd(), epoll::EventData::new_u64(STOP), epoll::EventFlags::IN)?;
    for (index, trap) in traps.iter().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&watch, &trap.socket, data, epoll::EventFlags::IN)?;
    }
    let mut tarpit = Tarpit::default();
    let mut events = Vec::with_capacity(EVENTS);
    let wait = Timespec { tv_sec: LONGEST_WAIT.as_secs().cast_signed(), tv_nsec: 0 };
    loop {
        events.clear();
        match epoll::wait(&watch, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in &events {
            let index = event.data.u64();
            if index == STOP {
                return Ok(());
            }
            let Some(trap) = usize::try_from(index).ok().and_then(|index| traps.get(index)) else {
                continue;
            };
            match trap.spec.port.protocol {
                Protocol::Tcp => take_connections(trap, &mut tarpit, &mut on_touch),
                Protocol::Udp => drain(trap),
            }
        }
        tarpit.drip(Instant::now());
    }
}

fn take_connections(trap: &BoundTrap, tarpit: &mut Tarpit, on_touch: &mut impl FnMut(Touch)) {
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match net::acceptfrom_with(&trap.socket, flags) {
            Ok((connection, peer)) => {
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                report(trap, &connection, peer, on_touch);
                if trap.spec.tarpit {
                    tarpit.hold(connection, peer.map(|peer| peer.ip()), Instant::now());
                } else {
                    hang_up(connection);
                }
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                std::thread::sleep(REST);
                return;
            }
            Err(Errno::AGAIN) => return,
            // A connection that ended while it waited (accept(2)); the next one may be there.
            Err(_) => {}
        }
    }
}

fn report(
    trap: &BoundTrap,
    connection: &OwnedFd,
    peer: Option<SocketAddr>,
    on_touch: &mut impl FnMut(Touch),
) {
    let local = net::getsockname(connection).and_then(SocketAddr::try_from);
    if let (Some(peer), Ok(local)) = (peer, local) {
        on_touch(Touch { trap: trap.spec.id, peer, local });
    }
}

/// Ends a connection with a reset, so that neither our socket table nor connection tracking keeps
/// it waiting for a peer whose packets are dropped from here on.
pub(super) fn hang_up(connection: OwnedFd) {
    // Without the option the connection ends the ordinary way, only later.
    let _ = sockopt::set_socket_linger(&connection, Some(Duration::ZERO));
    drop(connection);
}

/// Empties a UDP trap's socket; what arrives there says nothing, its source can be forged.
fn drain(trap: &BoundTrap) {
    let mut byte = [0_u8; 1];
    for _ in 0..EVENTS {
        if net::recv(&trap.socket, &mut byte, RecvFlags::TRUNC).is_err() {
            return;
        }
    }
}
