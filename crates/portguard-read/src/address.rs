//! Addresses as services write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns the address that a text begins with, and how long it is there: `192.0.2.7`,
/// `2001:db8::7`, `[2001:db8::7]`, `::ffff:192.0.2.7`, `fe80::7%eth0`.
pub(crate) fn read(text: &[u8]) -> Option<(IpAddr, usize)> {
    if let Some(inside) = text.strip_prefix(b"[") {
        let (address, length) = read_bare(inside)?;
        return (inside.get(length) == Some(&b']')).then_some((address, length + 2));
    }
    read_bare(text)
}

fn read_bare(text: &[u8]) -> Option<(IpAddr, usize)> {
    if let Some((address, length)) = read_v4(text) {
        // What goes on is a name or a longer number, unless it is punctuation.
        let next = text.get(length);
        let goes_on = next.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        return (!goes_on).then_some((address.into(), length));
    }
    let (address, length) = read_v6(text)?;
    Some((IpAddr::from(address).to_canonical(), length + zone(&text[length..])))
}

/// Returns the IPv4 address that a text is, as a whole.
pub(crate) fn v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (address, length) = read_v4(text)?;
    (length == text.len()).then_some(address)
}

fn read_v4(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut octets, mut at) = ([0; 4], 0);
    for (index, place) in octets.iter_mut().enumerate() {
        if index > 0 {
            text.get(at).filter(|byte| **byte == b'.')?;
            at += 1;
        }
        let (octet, length) = octet(text.get(at..)?)?;
        (*place, at) = (octet, at + length);
    }
    Some((Ipv4Addr::from(octets), at))
}

/// Returns the number up to 255 that a text begins with, and its length.
fn octet(text: &[u8]) -> Option<(u8, usize)> {
    let digit =
        |at: usize| text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|one| *one < 10);
    let first = digit(0)?;
    let Some(second) = digit(1) else { return Some((first, 1)) };
    if first == 0 {
        // A leading zero means an octal number to some.
        return None;
    }
    let two = 10 * first + second;
    let Some(third) = digit(2) else { return Some((two, 2)) };
    let three = two.checked_mul(10)?.checked_add(third)?;
    digit(3).is_none().then_some((three, 3))
}

fn read_v6(text: &[u8]) -> Option<(Ipv6Addr, usize)> {
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    // The longest written form has 45 letters.
    let mut length = text.iter().take(46).take_while(is_part).count();
    if !text[..length].contains(&b':') {
        return None;
    }
    // What ends a sentence or introduces a port is not part of it.
    loop {
        let written = std::str::from_utf8(&text[..length]).ok()?;
        if let Ok(address) = written.parse() {
            return Some((address, length));
        }
        length = written.rfind([':', '.']).filter(|at| *at > 0)?;
    }
}

/// Returns the length of a zone behind an address (`%eth0`).
fn zone(text: &[u8]) -> usize {
    let Some(name) = text.strip_prefix(b"%") else { return 0 };
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match name.iter().take_while(is_part).count() {
        0 => 0,
        length => length + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, usize)>) {
        let expected = expected.map(|(address, length)| (address.parse().unwrap(), length));
        assert_eq!(read(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn addresses_end_where_they_end() {
        check("192.0.2.7 port", Some(("192.0.2.7", 9)));
        check("192.0.2.7:4242", Some(("192.0.2.7", 9)));
        check("192.0.2.7.", Some(("192.0.2.7", 9)));
        check("2001:db8::7]:25", Some(("2001:db8::7", 11)));
        check("[2001:db8::7]:25", Some(("2001:db8::7", 13)));
        check("2001:db8::7: x", Some(("2001:db8::7", 11)));
        check("2001:db8::7. x", Some(("2001:db8::7", 11)));
        check("::ffff:192.0.2.7:99", Some(("192.0.2.7", 16)));
        check("fe80::7%eth0 x", Some(("fe80::7", 12)));
        check("2001:0DB8::7#53", Some(("2001:db8::7", 12)));
    }

    #[test]
    fn what_is_none_is_none() {
        for text in [
            "",
            "192.0.2",
            "192.0.2.256",
            "192.0.02.7",
            "192.0.2.7x",
            "host",
            "[",
            "[192.0.2.7",
            "bad",
            ":",
        ] {
            check(text, None);
        }
    }
}
