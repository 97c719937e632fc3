//! Reads any bytes as a log line of the kernel's packet filter: where it finds a packet, all that it
//! says of it can be asked for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::netfilter::read_line;

fuzz_target!(|line: &[u8]| {
    let Some(packet) = read_line(line) else { return };
    assert!(packet.prefix().len() <= line.len());
    let numbers = (packet.length(), packet.ttl(), packet.source_port(), packet.destination_port());
    let words = (packet.protocol(), packet.in_interface(), packet.out_interface(), packet.flags());
    std::hint::black_box((numbers, words, packet.destination()));
});
