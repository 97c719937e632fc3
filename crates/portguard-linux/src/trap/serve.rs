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
    net::{self, SocketFlags, sockopt},
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

/// Connections taken of one trap in one go, so that a flood on one keeps neither the other traps
/// nor the stop signal waiting.
const TAKEN_AT_ONCE: usize = 256;

/// How long a trap rests when the system has no descriptor or memory for its next connection, so
/// that it does not spin. The connection waits in the queue, and the others are served.
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
    let watch = watch(traps, stop)?;
    let mut tarpit = Tarpit::default();
    let mut resting = Resting::default();
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        let now = Instant::now();
        let limit = [tarpit.next_drip(now), resting.left(now)].into_iter().flatten().min();
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        events.clear();
        match epoll::wait(&watch, rustix::buffer::spare_capacity(&mut events), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for event in &events {
            let index = event.data.u64();
            let Some(trap) = usize::try_from(index).ok().and_then(|index| traps.get(index)) else {
                return Ok(());
            };
            match take_connections(trap, &mut tarpit, &mut on_touch) {
                Queue::Served => {}
                Queue::Stuck => resting.lay_down(&watch, trap, index)?,
            }
        }
        resting.wake(&watch, traps, Instant::now())?;
        tarpit.drip(Instant::now());
    }
}

/// Returns what tells of the signal and of connections. UDP traps are never read: their sockets
/// hold the port, and what anybody sends there says nothing.
fn watch(traps: &[BoundTrap], stop: &StopSignal) -> io::Result<OwnedFd> {
    let watch = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&watch, stop.0.as_fd(), epoll::EventData::new_u64(STOP), epoll::EventFlags::IN)?;
    for (index, trap) in traps.iter().enumerate() {
        if trap.spec.port.protocol == Protocol::Tcp {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&watch, &trap.socket, data, epoll::EventFlags::IN)?;
        }
    }
    Ok(watch)
}

/// Traps that are not watched for a moment.
#[derive(Default)]
struct Resting {
    traps: Vec<u64>,
    until: Option<Instant>,
}

impl Resting {
    fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }

    fn lay_down(&mut self, watch: &OwnedFd, trap: &BoundTrap, index: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(index);
        epoll::modify(watch, &trap.socket, data, epoll::EventFlags::empty())?;
        self.traps.push(index);
        self.until.get_or_insert_with(|| Instant::now() + REST);
        Ok(())
    }

    fn wake(&mut self, watch: &OwnedFd, traps: &[BoundTrap], now: Instant) -> io::Result<()> {
        if self.left(now) != Some(Duration::ZERO) {
            return Ok(());
        }
        for index in self.traps.drain(..) {
            let Some(trap) = usize::try_from(index).ok().and_then(|index| traps.get(index)) else {
                continue;
            };
            let data = epoll::EventData::new_u64(index);
            epoll::modify(watch, &trap.socket, data, epoll::EventFlags::IN)?;
        }
        self.until = None;
        Ok(())
    }
}

/// How taking a trap's waiting connections ended.
enum Queue {
    /// All were taken, or as many as are taken at once.
    Served,
    /// The system could not give the next one.
    Stuck,
}

fn take_connections(
    trap: &BoundTrap,
    tarpit: &mut Tarpit,
    on_touch: &mut impl FnMut(Touch),
) -> Queue {
    for _ in 0..TAKEN_AT_ONCE {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match net::acceptfrom_with(&trap.socket, flags) {
            Ok((connection, peer)) => {
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                report(trap, &connection, peer, on_touch);
                match peer.filter(|_| trap.spec.tarpit) {
                    Some(peer) => tarpit.hold(connection, peer.ip(), Instant::now()),
                    None => hang_up(connection),
                }
            }
            Err(Errno::AGAIN) => return Queue::Served,
            // It ended while it waited (accept(2)); the next one may be there.
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PERM | Errno::PROTO) => {}
            Err(_) => return Queue::Stuck,
        }
    }
    Queue::Served
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
