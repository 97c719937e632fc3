//! One interface by its name: is it there, is it up, and of what kind is it?

use std::io;

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkMessage},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::netlink;

/// Longest name of an interface in bytes (`IFNAMSIZ` of `linux/if.h`, without the zero at its end).
pub const LONGEST_NAME: usize = 15;

/// An interface that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number; an interface that went and came again has another one.
    pub index: u32,
    /// How its frames are made (`ARPHRD_*` of `linux/if_arp.h`).
    pub kind: u16,
    /// Whether it is up (`IFF_UP`).
    pub is_up: bool,
}

/// Returns the interface with this name, `None` if there is none.
///
/// # Errors
/// When the kernel does not answer.
pub fn find(name: &str) -> io::Result<Option<Interface>> {
    if !is_name(name) {
        return Ok(None);
    }
    let mut question = LinkMessage::default();
    question.attributes.push(LinkAttribute::IfName(name.to_owned()));
    let answer = netlink::ask(NETLINK_ROUTE, &RouteNetlinkMessage::GetLink(question));
    match answer {
        Ok(RouteNetlinkMessage::NewLink(LinkMessage { header, .. })) => Ok(Some(Interface {
            index: header.index,
            kind: header.link_layer_type.into(),
            is_up: header.flags.contains(LinkFlags::Up),
        })),
        Ok(_) => Err(io::ErrorKind::InvalidData.into()),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether an interface may have this name (`dev_valid_name` of `net/core/dev.c`).
pub fn is_name(name: &str) -> bool {
    let is_odd = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b':' | 0 | 0x0b);
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME && !name.bytes().any(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_and_nothing_is_not() {
        let found = find("lo").unwrap().unwrap();
        assert_eq!((found.index, found.kind), (1, libc::ARPHRD_LOOPBACK));
        assert_eq!(find("no-such-one").unwrap(), None);
        assert_eq!(find("a name that no interface has").unwrap(), None);
    }

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for good in ["eth1", "br-0a1b2c3d4e5f", "eth1.7", "wg0", "€"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "eth1/2", "eth1:0", "eth 1", "a\tb", "sixteen-bytes-it"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
