//! What stands before the request in an access log, in the common and the combined form and in
//! those with the site's name first: `[SITE ]ADDRESS IDENT USER [TIME] `.

use std::{net::IpAddr, ops::Range};

use super::address;

/// The beginning of a line of an access log.
pub(super) struct Head {
    pub(super) address: IpAddr,
    pub(super) user: Option<Range<usize>>,
    pub(super) length: usize,
}

pub(super) fn read(text: &[u8]) -> Option<Head> {
    if let Some(head) = behind_site(text, 0) {
        return Some(head);
    }
    let site = text.iter().position(|byte| *byte == b' ')?;
    behind_site(text, site + 1)
}

fn behind_site(text: &[u8], start: usize) -> Option<Head> {
    let (address, length) = address::read(&text[start..])?;
    let behind = start + length;
    // Only a chain of proxies may stand between the address and the identity.
    let ident = behind + text[behind..].strip_prefix(b" ").map(|_| 1)?;
    let user = ident + text[ident..].iter().position(|byte| *byte == b' ')? + 1;
    let time = user + memchr::memmem::find(&text[user..], b" [")?;
    let close = time + memchr::memmem::find(&text[time..], b"] ")?;
    let is_named = &text[user..time] != b"-";
    Some(Head { address, user: is_named.then_some(user..time), length: close + 2 })
}
