//! Reads any bytes as a frame of any kind: the packet that is found is a part of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::Link;

fuzz_target!(|input: (u32, &[u8])| {
    let (link, frame) = input;
    for link in [link, 0, 1, 9, 51, 101, 108, 113, 228, 229, 239, 276] {
        if let Some(packet) = Link(link).packet(frame) {
            assert!(!packet.is_empty() && packet.len() <= frame.len());
        }
    }
});
