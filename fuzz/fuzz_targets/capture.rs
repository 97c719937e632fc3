//! Reads any bytes as a capture, and what is in its frames as packets, through the detectors: it comes
//! to an end, and gives no more than there is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_core::{Anomalies, Limits, anomaly::Outcome};
use portguard_read::{Capture, capture::Frame, headers::read_headers};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut capture) = Capture::new(bytes) else { return };
    let mut packets = Vec::new();
    let mut most = 0;
    let mut take = |frame: Frame<'_>| {
        most = most.max(frame.bytes.len());
        let headers = frame.link.packet(frame.bytes).and_then(read_headers);
        packets.extend(headers.map(|headers| headers.packet(frame.at, Outcome::Unknown)));
    };
    while capture.next(&mut take).unwrap_or(false) {}
    assert!(most <= bytes.len());
    if packets.is_empty() {
        return;
    }
    let mut anomalies = Anomalies::new(Limits::default(), 0);
    let found: usize = packets.iter().map(|packet| anomalies.see(packet).count()).sum();
    assert!(found <= 20 * packets.len());
});
