//! Reads any bytes as a block of a packet socket's ring: each frame lies within it, and what is in it
//! is read without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_linux::packet_socket::frames;
use portguard_read::{Link, headers::read_headers, link::carried};

fuzz_target!(|block: &[u8]| {
    let range = block.as_ptr_range();
    for frame in frames(block) {
        let bytes = frame.bytes.as_ptr_range();
        assert!(range.start <= bytes.start && bytes.end <= range.end);
        // What stands in it is read without a panic, however it is wrapped.
        for packet in [Link::ETHERNET.packet(frame.bytes), carried(frame.kind, frame.bytes)] {
            let _ = packet.map(read_headers);
        }
    }
});
