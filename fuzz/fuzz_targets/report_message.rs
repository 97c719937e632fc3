//! Reads any bytes as a report of a service: names are short, and of letters that a journal may have.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_linux::report::read_message;

fuzz_target!(|text: &[u8]| {
    let Some(message) = read_message(text) else { return };
    assert!(!message.service.is_empty() && message.service.len() <= 64);
    assert!(message.service.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(message.user.is_none_or(|user| user.len() <= 64));
});
