//! Sockets of this network namespace as the kernel lists them (`sock_diag(7)`), of both families.

use std::io;

use netlink_packet_sock_diag::{
    SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use portguard_core::Protocol;

use crate::netlink;

/// Returns the sockets of a protocol that are in one of these states, those of IPv4 first.
///
/// # Errors
/// When the kernel does not answer.
pub(crate) fn sockets(
    protocol: Protocol,
    states: &StateFlags,
    extensions: &ExtensionFlags,
) -> io::Result<Vec<InetResponse>> {
    let mut found = Vec::new();
    for (family, socket_id) in
        [(libc::AF_INET, SocketId::new_v4()), (libc::AF_INET6, SocketId::new_v6())]
    {
        let request = SockDiagMessage::InetRequest(InetRequest {
            family: u8::try_from(family).map_err(io::Error::other)?,
            protocol: protocol.number(),
            extensions: extensions.clone(),
            states: states.clone(),
            socket_id,
        });
        let answer = netlink::dump(NETLINK_SOCK_DIAG, &request)?.into_iter();
        found.extend(answer.filter_map(|message| match message {
            SockDiagMessage::InetResponse(response) => Some(*response),
            _ => None,
        }));
    }
    Ok(found)
}
