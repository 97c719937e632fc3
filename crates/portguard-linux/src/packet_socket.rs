//! Every packet of an interface, in and out, as a packet socket with a ring shows it (packet(7),
//! `Documentation/networking/packet_mmap.rst`).
//!
//! Blocks the thread that reads. Nothing here decides; what the kernel drops for want of room is
//! counted, never silent. Packets are only copied: the interface's own way with them is not touched.

mod block;
mod option;
mod ring;

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
};

use crate::interface::Interface;

use self::ring::Ring;

pub use self::block::{Frame, frames};

/// Bytes of each frame that are kept: the headers of Ethernet, tags, `PPPoE`, IPv6 with extensions and
/// TCP come to less than 200.
const KEPT_BYTES: u32 = 256;

/// How the frames of an interface are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// In Ethernet. The tag of a VLAN that the kernel took off is not put back: who wants the packet
    /// would step over it.
    Ethernet,
    /// In nothing: a frame begins with what [`Frame::kind`] says.
    Bare,
}

/// Why a packet socket can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel gives none; it wants `CAP_NET_RAW`.
    #[error("no packet socket")]
    Socket(#[source] io::Error),
    /// It has no room for the ring.
    #[error("no ring for packets")]
    Ring(#[source] io::Error),
    /// The interface is gone, or does not let itself be read.
    #[error("the packet socket can not be bound to the interface")]
    Bind(#[source] io::Error),
}

/// A packet socket on an interface.
#[derive(Debug)]
pub struct PacketSocket {
    // The ring goes before the socket that it belongs to.
    ring: Ring,
    socket: OwnedFd,
    wrapping: Wrapping,
    is_loopback: bool,
}

impl PacketSocket {
    /// Opens a socket that sees every packet of the interface from here on, also those for others
    /// (`PACKET_MR_PROMISC`): a mirror port has no other ones.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(interface: &Interface) -> Result<Self, OpenError> {
        let is_loopback = interface.kind == libc::ARPHRD_LOOPBACK;
        let is_ethernet = is_loopback || interface.kind == libc::ARPHRD_ETHER;
        let (wrapping, kind) = if is_ethernet {
            (Wrapping::Ethernet, SocketType::RAW)
        } else {
            (Wrapping::Bare, SocketType::DGRAM)
        };
        // Of no protocol until it is bound: packets of other interfaces never come in.
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::PACKET, kind, flags, None)
            .map_err(|errno| OpenError::Socket(errno.into()))?;
        let ring = Ring::map(&socket).map_err(OpenError::Ring)?;
        option::keep(&socket, KEPT_BYTES).map_err(OpenError::Ring)?;
        if is_loopback {
            // What goes out over loopback comes in again.
            option::ignore_outgoing(&socket).map_err(OpenError::Bind)?;
        }
        option::bind(&socket, interface.index).map_err(OpenError::Bind)?;
        if is_ethernet && !is_loopback {
            option::see_all(&socket, interface.index).map_err(OpenError::Bind)?;
        }
        Ok(Self { ring, socket, wrapping, is_loopback })
    }

    /// Returns how the frames are wrapped.
    pub fn wrapping(&self) -> Wrapping {
        self.wrapping
    }

    /// Returns whether it is the loopback interface that is read.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Hands over the frames that are in the ring, in their order; waits for some at most `wait`.
    /// Returns how many there were. Each packet comes once, also over loopback.
    ///
    /// An interface that goes down or away is no error: nothing comes from it.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn receive(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(Frame<'_>),
    ) -> io::Result<usize> {
        let ring = &mut self.ring;
        let mut count = 0;
        let mut read = |block: &[u8]| {
            for frame in frames(block) {
                count += 1;
                each(frame);
            }
        };
        if !ring.take(&mut read) {
            wait_for(&self.socket, wait)?;
        }
        // One lap, so that whoever calls may look after other things.
        for _ in 0..ring::BLOCKS {
            if !ring.take(&mut read) {
                break;
            }
        }
        Ok(count)
    }

    /// Returns how many packets the kernel dropped since this was asked last: there was no room in the
    /// ring.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn lost(&mut self) -> io::Result<u64> {
        option::drops(&self.socket).map(u64::from)
    }
}

/// Waits until the kernel has handed over a block.
fn wait_for(socket: &OwnedFd, wait: Duration) -> io::Result<()> {
    let wait = Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    let mut waited_for = [PollFd::new(socket, PollFlags::IN)];
    match rustix::event::poll(&mut waited_for, Some(&wait)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    if !waited_for[0].revents().contains(PollFlags::ERR) {
        return Ok(());
    }
    // Reading it clears it.
    match sockopt::socket_error(socket)? {
        Ok(()) | Err(Errno::NETDOWN | Errno::NODEV | Errno::NXIO) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
