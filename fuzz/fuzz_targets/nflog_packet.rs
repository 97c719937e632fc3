//! Reads any bytes as a logged packet. It may refuse them, but must neither panic nor claim ports
//! or flags that the bytes are too short for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_linux::nflog::read_packet;

/// Shortest IP header (RFC 791), the ports behind it, and the TCP flags (RFC 9293 3.1).
const IP_HEADER: usize = 20;
const WITH_PORTS: usize = IP_HEADER + 4;
const WITH_FLAGS: usize = IP_HEADER + 14;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = read_packet(bytes) else { return };
    assert!(bytes.len() >= IP_HEADER);
    assert!(packet.ports.is_none() || bytes.len() >= WITH_PORTS);
    assert!(packet.tcp_flags.is_none() || bytes.len() >= WITH_FLAGS);
    assert_eq!(packet.source.is_ipv4(), packet.destination.is_ipv4());
});
