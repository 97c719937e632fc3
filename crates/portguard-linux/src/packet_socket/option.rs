//! Options of packet sockets, and their address: numbers and small structures that the kernel copies.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd as _, OwnedFd},
};

use libc::{
    c_int, packet_mreq, sock_filter, sock_fprog, sockaddr_ll, tpacket_req3, tpacket_stats_v3,
};

/// Something that the kernel may be given as it lies in memory: a structure of the kernel's own
/// headers, of plain numbers throughout.
trait Plain: Copy {}

impl Plain for c_int {}
impl Plain for tpacket_req3 {}
impl Plain for packet_mreq {}

/// Asks for a ring of such blocks (`PACKET_VERSION`, `PACKET_RX_RING`).
pub(super) fn ask_for_ring(socket: &OwnedFd, request: tpacket_req3) -> io::Result<()> {
    let version = libc::tpacket_versions::TPACKET_V3 as c_int;
    set(socket, libc::PACKET_VERSION, &version)?;
    set(socket, libc::PACKET_RX_RING, &request)
}

/// Sees only the frames that come in.
pub(super) fn ignore_outgoing(socket: &OwnedFd) -> io::Result<()> {
    set(socket, libc::PACKET_IGNORE_OUTGOING, &1)
}

/// Sees also the frames that are for others, as long as the socket is open.
pub(super) fn see_all(socket: &OwnedFd, index: u32) -> io::Result<()> {
    let request = packet_mreq {
        mr_ifindex: number(index)?,
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).map_err(io::Error::other)?,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(socket, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Returns how many packets were dropped since this was asked last (`PACKET_STATISTICS`).
pub(super) fn drops(socket: &OwnedFd) -> io::Result<u32> {
    let mut counts = MaybeUninit::<tpacket_stats_v3>::zeroed();
    let mut length = length_of::<tpacket_stats_v3>()?;
    // SAFETY: the descriptor is open for the length of the call, `counts` is writable for `length`
    // bytes, and the kernel writes no more than that.
    #[expect(unsafe_code, reason = "rustix has no options of packet sockets")]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            counts.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    // SAFETY: all of it was written, by `zeroed` at least, and any bytes are these numbers.
    #[expect(unsafe_code, reason = "the kernel fills it")]
    let counts = unsafe { counts.assume_init() };
    of_call(result).map(|()| counts.tp_drops)
}

/// Keeps the first so many bytes of each frame, by a filter that looks at nothing (`SO_ATTACH_FILTER`).
pub(super) fn keep(socket: &OwnedFd, bytes: u32) -> io::Result<()> {
    let code = u16::try_from(libc::BPF_RET | libc::BPF_K).map_err(io::Error::other)?;
    let mut program = [sock_filter { code, jt: 0, jf: 0, k: bytes }];
    let filter = sock_fprog { len: 1, filter: program.as_mut_ptr() };
    // SAFETY: the descriptor is open for the length of the call, `filter` is readable for the length
    // that is given, and points to as many instructions as it says, which the kernel copies.
    #[expect(unsafe_code, reason = "rustix attaches no filters")]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            length_of::<sock_fprog>()?,
        )
    };
    of_call(result)
}

/// Binds a packet socket to an interface, for all that it carries.
pub(super) fn bind(socket: &OwnedFd, index: u32) -> io::Result<()> {
    let address = sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?,
        sll_protocol: u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be(),
        sll_ifindex: number(index)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the descriptor is open for the length of the call, and `address` is an address of its
    // family, readable for the length that is given.
    #[expect(unsafe_code, reason = "rustix has no addresses of packet sockets")]
    let result = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length_of::<sockaddr_ll>()?)
    };
    of_call(result)
}

fn set<T: Plain>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the descriptor is open for the length of the call, and `value` is readable for the
    // length that is given.
    #[expect(unsafe_code, reason = "rustix has no options of packet sockets")]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            (&raw const *value).cast(),
            length_of::<T>()?,
        )
    };
    of_call(result)
}

fn of_call(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn number(index: u32) -> io::Result<c_int> {
    c_int::try_from(index).map_err(io::Error::other)
}

fn length_of<T>() -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)
}
