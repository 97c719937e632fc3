//! Reads any bytes as a signature of a control file and checks it: nobody signed this text. What is
//! read as a public key reads back the same.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portguard_reach::{control::Signature, key::PublicKey};

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let lines = [
        include_str!("../../crates/portguard-reach/src/control/vectors/ed25519.pub"),
        include_str!("../../crates/portguard-reach/src/control/vectors/ecdsa.pub"),
        include_str!("../../crates/portguard-reach/src/control/vectors/rsa.pub"),
        include_str!("../../crates/portguard-reach/src/control/vectors/minisign.pub"),
    ];
    lines.iter().map(|line| PublicKey::read(line).expect("a vector")).collect()
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signature) = Signature::read(bytes) {
        assert!(signature.check(b"a text that nobody signed", &KEYS, &[]).is_err());
    }
    if let Some(key) = str::from_utf8(bytes).ok().and_then(|line| PublicKey::read(line).ok()) {
        assert_eq!(PublicKey::read(&key.line()).as_ref(), Ok(&key));
    }
});
