//! What views are shown of the knocks.

use portguard_api::knock::{KnockKey, KnockSeen, KnockState};

use crate::{
    clock,
    daemon::source::knocks::{self, Shown},
};

/// Returns how the knocks do as views show it.
pub(super) fn state(state: &knocks::KnockState) -> KnockState {
    let knocks::KnockState { plan, host_key, counts, last } = state;
    let key = |knocker: &portguard_reach::knock::Knocker| KnockKey {
        name: knocker.name.clone(),
        services: plan.services_of(knocker).to_vec(),
        taken: counts.taken.get(&knocker.name).copied().unwrap_or_default(),
    };
    let refused = counts.refused.iter().map(|(kind, count)| ((*kind).to_owned(), *count));
    KnockState {
        port: format!("udp/{}", plan.port),
        host_key: host_key.map(|key| key.to_string()),
        keys: plan.knockers.iter().map(key).collect(),
        open_for: plan.open_for.duration().as_secs(),
        taken: counts.taken.values().sum(),
        refused: refused.collect(),
        lost: counts.lost,
        last: last.iter().map(seen).collect(),
    }
}

fn seen(shown: &Shown) -> KnockSeen {
    let Shown { at, news } = shown;
    KnockSeen {
        at: clock::rfc3339(*at),
        key: news.key.to_string(),
        service: news.service.to_string(),
        sender: news.sender.to_string(),
        address: news.address.to_string(),
        refused: news.refused.clone(),
    }
}
