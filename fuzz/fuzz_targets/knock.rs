//! Reads any bytes as a knock that came in a packet, once as they are and once with a right check, and any
//! text as a memory, a key and a file of host keys: nothing opens, nothing panics, and what is read is
//! written as it was.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portguard_linux::nflog::read_datagram;
use portguard_reach::knock::{Gate, HostKey, HostSecret, Knocker, LENGTH, Memory, checked, key_in};

/// A gate for one key, whose secret nobody has.
static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let line =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGcE3NkWWosbRprqb8+VyWnxxvIfsgf5UjgwfarLTAxe anna";
    let knocker: Knocker = line.parse().expect("a key");
    Gate::new(HostSecret::from_bytes([9; 32]), [knocker])
});

fuzz_target!(|bytes: &[u8]| {
    if let Some(datagram) = read_datagram(bytes) {
        assert!(datagram.payload.len() < bytes.len());
        let _ = GATE.sift(datagram.payload);
    }
    if let Ok(packet) = <[u8; LENGTH]>::try_from(bytes) {
        let right = checked(GATE.public(), packet);
        if let Ok(addressed) = GATE.sift(&right) {
            assert!(GATE.open(addressed).is_err(), "nobody has the secret");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(mut memory) = Memory::read(text) {
        let kept = memory.text(0);
        assert_eq!(Memory::read(&kept).map(|mut memory| memory.text(0)), Ok(kept));
    }
    if let Ok(key) = text.parse::<HostKey>() {
        assert_eq!(key.to_string(), text.to_ascii_lowercase());
    }
    if let Ok(knocker) = text.parse::<Knocker>() {
        assert!(!knocker.name.is_empty() && !knocker.name.contains(char::is_control));
    }
    let _ = key_in(text, "host.example");
});
