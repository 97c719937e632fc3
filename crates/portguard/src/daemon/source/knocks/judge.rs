//! Whether a packet is a knock that counts. On the knocks' thread, without I/O but for the memory's file.

use std::{net::IpAddr, sync::Arc, time::Duration};

use portguard_core::{KeyName, Knock, KnockNews, Timestamp};
use portguard_linux::nflog::read_datagram;
use portguard_reach::knock::{Gate, Knocked, Refusal};

use crate::config::KnockPlan;

use super::{ration::Ration, seen::Seen};

/// What became of a packet.
#[derive(Debug)]
pub(super) enum Judgement {
    /// It opens something.
    Good(Knock),
    /// It does not.
    Refused(Refused),
}

/// A packet that opens nothing.
#[derive(Debug)]
pub(super) struct Refused {
    /// The name of the kind, for counting.
    pub(super) kind: &'static str,
    /// What the journal is told, if a key signed it and not too much was told lately.
    pub(super) news: Option<KnockNews>,
}

/// What is counted beside the kinds of [`Refusal`]: packets above the ration of public-key operations.
pub(super) const OVER_BUDGET: &str = "over-budget";

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    pub(super) since_boot: Duration,
}

/// What knocks are judged with.
pub(super) struct Judge {
    gate: Gate,
    plan: Arc<KnockPlan>,
    seen: Seen,
    ration: Ration,
}

impl Judge {
    pub(super) fn new(gate: Gate, plan: Arc<KnockPlan>, seen: Seen) -> Self {
        Self { gate, plan, seen, ration: Ration::new() }
    }

    /// Takes another configuration over; what was seen stays seen.
    pub(super) fn set(&mut self, gate: Gate, plan: Arc<KnockPlan>) {
        self.seen.keep_keys(|key| plan.knockers.iter().any(|knocker| knocker.key == *key));
        (self.gate, self.plan) = (gate, plan);
    }

    pub(super) fn seen(&mut self) -> &mut Seen {
        &mut self.seen
    }

    /// Judges a logged packet; `now` is asked for only if a hash does not tell.
    pub(super) fn judge(&mut self, packet: &[u8], now: impl FnOnce() -> Now) -> Judgement {
        let refused =
            |refusal: Refusal| Judgement::Refused(Refused { kind: refusal.kind(), news: None });
        let datagram = read_datagram(packet).filter(|datagram| datagram.port == self.plan.port);
        let Some(datagram) = datagram else { return refused(Refusal::Malformed) };
        let sender = datagram.source.to_canonical();
        let addressed = match self.gate.sift(datagram.payload) {
            Ok(addressed) => addressed,
            Err(refusal) => return refused(refusal),
        };
        let now = now();
        if let Some(key) = self.seen.key_of(&addressed.ephemeral()) {
            let knocker = self.plan.knockers.iter().find(|knocker| knocker.key == *key);
            let name = knocker.and_then(|knocker| knocker.name.parse().ok());
            return self.refuse(Refusal::Replayed, name.map(|key| unread(key, sender)), now);
        }
        if !self.ration.take(sender, now.since_boot) {
            return Judgement::Refused(Refused { kind: OVER_BUDGET, news: None });
        }
        let judged = match self.gate.open(addressed) {
            Ok(knocked) => check(&self.plan, &mut self.seen, &knocked, sender, now.wall),
            Err(refusal) => return refused(refusal),
        };
        match judged {
            Ok(knock) => {
                self.ration.know(sender);
                Judgement::Good(knock)
            }
            Err((refusal, news)) => self.refuse(refusal, news, now),
        }
    }

    /// Refuses a packet that a key signed.
    fn refuse(&mut self, refusal: Refusal, news: Option<KnockNews>, now: Now) -> Judgement {
        let news = news.filter(|_| self.ration.take_line(now.since_boot));
        let news = news.map(|news| KnockNews { refused: Some(refusal.to_string()), ..news });
        Judgement::Refused(Refused { kind: refusal.kind(), news })
    }
}

/// Checks when a signed knock was made, that it is the first of its kind, and what it may open.
fn check(
    plan: &KnockPlan,
    seen: &mut Seen,
    knocked: &Knocked<'_>,
    sender: IpAddr,
    now: Timestamp,
) -> Result<Knock, (Refusal, Option<KnockNews>)> {
    let Knocked { knocker, knock, ephemeral } = knocked;
    let key: Option<KeyName> = knocker.name.parse().ok();
    let address = knock.address.unwrap_or(sender);
    let service: Arc<str> = knock.service.as_str().into();
    let fail = |refusal| {
        let news =
            |key| KnockNews { key, sender, address, service: service.clone(), refused: None };
        (refusal, key.map(news))
    };
    knocked.is_fresh(now.as_millis()).map_err(fail)?;
    // What may not be opened is remembered as well: it is told once.
    seen.take(&knocker.key, *ephemeral, knock.at, now).map_err(fail)?;
    let opens = plan.ports_for(knocker, &knock.service).zip(key);
    let ((service, ports), key) = opens.ok_or_else(|| fail(Refusal::Forbidden))?;
    Ok(Knock { key, sender, address, service, ports, span: plan.open_for })
}

/// Returns what is known of a packet that was not opened, because it was here before.
fn unread(key: KeyName, sender: IpAddr) -> KnockNews {
    KnockNews { key, sender, address: sender, service: Arc::default(), refused: None }
}
