//! Ports that are flooded from sources that are made up: each of them sends once, so that none can be
//! found.

use super::{
    Detector,
    contact::Tick,
    limits::{Limit, Limits},
    packet::Purpose,
    source::{Flood, SILENT_FOR, flooded},
};

/// A port of a host.
#[derive(Debug, Default)]
pub(super) struct Target {
    syns: Flood,
    datagrams: Flood,
    told: Option<Tick>,
}

impl Target {
    /// Takes a packet of a source that was never seen before. Returns which flood that makes, with the
    /// packets and the time that they came in.
    pub(super) fn take(
        &mut self,
        purpose: Purpose,
        now: Tick,
        limits: &Limits,
    ) -> Option<(Detector, u32, Limit)> {
        let (detector, limit, counts) = match purpose {
            Purpose::Connect => {
                (Detector::SynFlood, limits.syn_flood, self.syns.add(now, &limits.syn_flood))
            }
            Purpose::Datagram => {
                (Detector::UdpFlood, limits.udp_flood, self.datagrams.add(now, &limits.udp_flood))
            }
            _ => return None,
        };
        let (count, over) = flooded(counts, limit)?;
        if self.told.is_some_and(|told| now.far(told) <= Tick::within(SILENT_FOR)) {
            return None;
        }
        self.told = Some(now);
        Some((detector, count, over))
    }
}
