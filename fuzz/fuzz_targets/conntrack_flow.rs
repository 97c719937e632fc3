//! Reads any bytes as a connection that the kernel tracks. It may refuse them, but must neither panic
//! nor claim more than the bytes have room for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_linux::conntrack::read_flow;

/// Two tuples, each of two IPv4 addresses and a protocol, with the heads of their attributes.
const SHORTEST: usize = 2 * (4 + (4 + 2 * 8) + (4 + 8));

fuzz_target!(|bytes: &[u8]| {
    let Some(flow) = read_flow(bytes) else { return };
    assert!(bytes.len() >= SHORTEST - 3, "only padding at the end may be missing");
    assert!(!flow.state.is_empty());
});
