//! Reads any text as a length of time as fail2ban writes it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::fail2ban::duration;

fuzz_target!(|text: &str| {
    std::hint::black_box(duration::seconds(text));
});
