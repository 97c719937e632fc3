//! Reads any text as a line of known hosts: it is a record, nothing, or refused; a line with a marker,
//! a pattern or a hashed name is never a record.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_reach::share::{Login, Record};

fuzz_target!(|text: &str| {
    let line = text.lines().next().unwrap_or_default().trim();
    if let Ok(Some(_)) = Record::read(line) {
        let hosts = line.split_whitespace().next().unwrap_or_default();
        assert!(!hosts.is_empty() && !hosts.contains(['*', '?', '!', '@', '|', '#']));
    }
    if let Ok(login) = text.parse::<Login>() {
        assert_eq!(login.to_string().parse::<Login>().as_ref(), Ok(&login));
        assert!(!login.known_as().contains(char::is_whitespace));
    }
});
