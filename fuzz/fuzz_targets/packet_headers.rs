//! Reads any bytes as a packet's headers and writes the classic log line of it. The reader may
//! refuse them, but must not claim ports that the bytes are too short for; the line stays one line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::{
    Verdict,
    headers::read_headers,
    log_line::{Envelope, write_line},
};

/// Shortest IP header (RFC 791), and the ports behind it.
const IP_HEADER: usize = 20;
const WITH_PORTS: usize = IP_HEADER + 4;

fuzz_target!(|bytes: &[u8]| {
    let Some(headers) = read_headers(bytes) else { return };
    assert!(bytes.len() >= IP_HEADER);
    assert!(headers.ports().is_none() || bytes.len() >= WITH_PORTS);
    assert_eq!(headers.source.is_ipv4(), headers.destination.is_ipv4());
    let envelope = Envelope {
        verdict: Verdict::Blocked,
        in_interface: "eth0",
        out_interface: "",
        link_header: &bytes[..bytes.len().min(14)],
        mark: 0,
    };
    let mut line = String::new();
    write_line(&mut line, &envelope, &headers);
    assert!(!line.contains('\n') && line.contains("SRC="));
});
