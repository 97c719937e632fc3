//! Reads any bytes as a control file: what is an order reads back the same, nothing is told of without
//! a bound, and a stamp that is put on is the one that is found.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_core::Timestamp;
use portguard_reach::control::{
    MOST_FAULTS, MOST_ORDERS, Serial, Stamp, read, split, stamp_of, stamped,
};

fuzz_target!(|file: &[u8]| {
    let (text, signature) = split(file);
    assert_eq!([text, signature.unwrap_or_default()].concat(), file);
    let reading = read(text);
    assert!(reading.orders.len() <= MOST_ORDERS && reading.faults.len() <= MOST_FAULTS);
    for order in &reading.orders {
        let line = order.to_string();
        // A name that is longer than a line of the journal is cut there.
        if order.service.chars().count() < 40 {
            let mut again = read(line.as_bytes());
            let mut again = again.orders.pop().unwrap_or_else(|| panic!("{line}"));
            again.line = order.line;
            assert_eq!(again.to_string(), line);
        }
    }
    let _ = stamp_of(text);
    let stamp = Stamp { serial: Serial::MIN, time: Timestamp::from_secs(1_795_892_400) };
    let new = stamped(text, stamp);
    assert_eq!(stamp_of(&new), Ok(Some(stamp)));
    assert_eq!(stamped(&new, stamp), new);
});
