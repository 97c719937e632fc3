//! `[[scan]]`: standing scans of the decisions about packets.

use portguard_core::{Measure, Span, Strength};
use portguard_read::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    later::{entry, words},
    value::Written,
};

entry! {
    /// A standing scan of packet decisions.
    Scan {
        /// Which decisions are looked at.
        rule: Decided,
        /// Which packets are looked at.
        r#type: PacketType,
        /// So many packets are an offence.
        howmany: u32,
        /// Within this time.
        within: Written<Span>,
        /// The list an offender is put on.
        set: ListName,
        /// For how long.
        remove_after: Written<Span>,
    }
}

words! {
    /// What was decided about a packet.
    Decided { Blocked, Allowed }
}

words! {
    /// A kind of packet.
    PacketType { Tcp, Udp, Icmp, Any }
}

words! {
    /// A list of subjects.
    ListName { Whitelist, Blacklist, ThrottleSoft, ThrottleHard }
}

/// What a standing scan does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanPlan {
    /// As it is shown (`scan blocked tcp`).
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// Protocol numbers (IANA); none: all.
    pub(crate) protocols: &'static [u8],
    pub(crate) howmany: u32,
    pub(crate) within: Span,
    pub(crate) measure: Measure,
    pub(crate) span: Span,
}

impl Scan {
    pub(super) fn plan(&self) -> ScanPlan {
        let (verdict, rule) = match self.rule {
            Decided::Blocked => (Verdict::Blocked, "blocked"),
            Decided::Allowed => (Verdict::Allowed, "allowed"),
        };
        let (protocols, kind): (&[u8], _) = match self.r#type {
            PacketType::Tcp => (&[6], " tcp"),
            PacketType::Udp => (&[17], " udp"),
            PacketType::Icmp => (&[1, 58], " icmp"),
            PacketType::Any => (&[], ""),
        };
        let measure = match self.set {
            ListName::Whitelist => Measure::Allow,
            ListName::Blacklist => Measure::Ban,
            ListName::ThrottleSoft => Measure::Throttle(Strength::Soft),
            ListName::ThrottleHard => Measure::Throttle(Strength::Hard),
        };
        ScanPlan {
            name: format!("scan {rule}{kind}"),
            verdict,
            protocols,
            howmany: self.howmany,
            within: self.within.0,
            measure,
            span: self.remove_after.0,
        }
    }
}
