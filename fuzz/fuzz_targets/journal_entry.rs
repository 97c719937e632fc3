//! Reads any bytes as an entry of the systemd journal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::journal_entry;

fuzz_target!(|text: &[u8]| {
    if let Some(entry) = journal_entry::read(text) {
        assert!(!entry.line.contains(&b'\n'));
    }
});
