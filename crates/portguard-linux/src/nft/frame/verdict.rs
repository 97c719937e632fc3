//! What happens to a packet once a rule has spoken: it is counted, told of in measure, and dropped
//! or accepted. One small chain for each reason, so that the log can name it. Pure.

use std::collections::BTreeMap;

use portguard_core::{Family, Rate, RateUnit};

use super::{
    ALLOWED, BANNED, BLOCKED, FrameSpec, LIMIT_ALLOWED, LIMIT_BLOCKED, LOGGED_ALLOWED,
    LOGGED_BLOCKED, Log,
    definition::plain,
    rule::{Chain, LOGGED_BYTES},
};
use crate::nft::set::ListSet;

/// Packets that the kernel gathers for one delivery to the log's reader at most; the reader asks for
/// fewer.
pub(super) const DELIVER_AT_ONCE: u32 = 128;

/// The least burst of the log's limits, in packets: what `nft` gives when nothing is said.
const LEAST_BURST: u32 = 5;

/// The chain that holds new connections to the rates of services.
pub(super) const RATES: &str = "rates";

/// The chain that accepts what a ban does not hold for.
pub(super) const SPARED: &str = "spared";

/// The chain that accepts everything during a pause.
pub(super) const PAUSED: &str = "paused";

/// The chains that packets leave the rules through.
pub(super) struct Verdicts {
    log: Log,
    can_log: bool,
    has_rates: bool,
    chains: BTreeMap<String, Vec<String>>,
}

impl Verdicts {
    pub(super) fn new(spec: &FrameSpec) -> Self {
        let has_rates = spec.ports.services.values().any(|service| service.rate.is_some());
        Self { log: spec.log, can_log: spec.features.log, has_rates, chains: BTreeMap::new() }
    }

    /// Returns the statement that turns a packet away; `reason` is a rule's word and what it
    /// concerns (`ban ban4`).
    pub(super) fn block(&mut self, reason: &str) -> String {
        let name = format!("out_{}", chain_word(reason));
        let told = self.told(self.log.blocked, reason, [BLOCKED, LIMIT_BLOCKED, LOGGED_BLOCKED]);
        // Only packets that are turned away come here, so that all the others pay nothing for it.
        let unless_paused = format!("jump {PAUSED} comment \"paused\"");
        let drop = format!("drop comment \"{}\"", word(reason));
        self.chains.insert(name.clone(), vec![unless_paused, told, drop]);
        format!("goto {name}")
    }

    /// Returns the statement that turns a packet of a banned source away unless it is spared.
    pub(super) fn block_unless_spared(&mut self, reason: &str) -> String {
        let statement = self.block(reason);
        if let Some(rules) = self.chains.get_mut(&format!("out_{}", chain_word(reason))) {
            // Behind the look at the pause: what passes then counts for nothing.
            rules.insert(1, format!("counter name \"{BANNED}\" comment \"ban\""));
            rules.insert(1, format!("jump {SPARED} comment \"ban\""));
        }
        statement
    }

    /// Returns the statement that lets a packet in.
    pub(super) fn allow(&mut self, reason: &str) -> String {
        let told = self.told(self.log.allowed, reason, [ALLOWED, LIMIT_ALLOWED, LOGGED_ALLOWED]);
        let accept = format!("accept comment \"{}\"", word(reason));
        self.let_in(reason, vec![told, accept])
    }

    /// Returns the statement that lets a packet in unless its source is above the rate of the
    /// service that the port belongs to.
    pub(super) fn allow_in_measure(&mut self, reason: &str) -> String {
        let statement = self.allow(reason);
        if self.has_rates
            && let Some(rules) = self.chains.get_mut(&format!("in_{}", chain_word(reason)))
        {
            rules.insert(0, format!("jump {RATES} comment \"service rates\""));
        }
        statement
    }

    /// Returns the statement that tells of new connections and lets all packets in.
    pub(super) fn allow_telling_of_new(&mut self, reason: &str) -> String {
        let told = self.told(self.log.allowed, reason, [ALLOWED, LIMIT_ALLOWED, LOGGED_ALLOWED]);
        let accept = format!("accept comment \"{}\"", word(reason));
        self.let_in(reason, vec![format!("ct state new,untracked {told}"), accept])
    }

    /// Returns the statement that tells of a packet, and lets it go on; `None` if nobody hears.
    pub(super) fn tell(&self, reason: &str) -> Option<String> {
        let group = self.log.allowed.filter(|_| self.can_log)?;
        Some(format!(
            "limit name \"{LIMIT_ALLOWED}\" log prefix \"{reason}\" group {group} \
             snaplen {LOGGED_BYTES} queue-threshold {DELIVER_AT_ONCE}"
        ))
    }

    fn let_in(&mut self, reason: &str, rules: Vec<String>) -> String {
        let name = format!("in_{}", chain_word(reason));
        self.chains.insert(name.clone(), rules);
        format!("goto {name}")
    }

    /// Returns the rule that counts a packet and tells of it, if it is within the limit.
    fn told(&self, group: Option<u16>, reason: &str, [all, limit, logged]: [&str; 3]) -> String {
        match group.filter(|_| self.can_log) {
            Some(group) => format!(
                "counter name \"{all}\" limit name \"{limit}\" counter name \"{logged}\" \
                 log prefix \"{reason}\" group {group} snaplen {LOGGED_BYTES} \
                 queue-threshold {DELIVER_AT_ONCE} comment \"log\""
            ),
            None => format!("counter name \"{all}\" comment \"log\""),
        }
    }

    /// Returns the chains.
    pub(super) fn into_chains(self) -> Vec<Chain> {
        let chain = |(name, rules)| Chain { name, hook: None, rules };
        self.chains.into_iter().map(chain).collect()
    }
}

/// Returns the named limits of the log as `nft` text.
pub(super) fn limits(log: &Log) -> [String; 2] {
    let rate = log.limit;
    let burst = per_second(rate).max(LEAST_BURST);
    [LIMIT_BLOCKED, LIMIT_ALLOWED]
        .map(|name| format!("limit {name} {{ rate {rate} burst {burst} packets }}"))
}

/// Returns what a rate allows in one second.
fn per_second(rate: Rate) -> u32 {
    match rate.per {
        RateUnit::Second => rate.count,
        unit => u32::try_from(u64::from(rate.count) / unit.seconds()).unwrap_or(u32::MAX),
    }
}

/// Returns the reason of a rule that looked a set up: the rule's word and the set.
///
/// Networks of unusual widths share one (`ban ban4_*`): a chain for each would make a frame with
/// all widths longer than `nft` can send without privileges.
pub(super) fn of_set(word: &str, set: ListSet) -> String {
    let is_usual = matches!(set.prefix_len, 0 | 32 | 64 | 128);
    if is_usual || (set.family == Family::V4 && set.prefix_len == 24) {
        return format!("{word} {set}");
    }
    format!("{word} {}_*", ListSet { prefix_len: set.family.bits(), ..set })
}

/// Returns the first word of a reason: the rule.
fn word(reason: &str) -> &str {
    reason.split(' ').next().unwrap_or(reason)
}

/// Returns a reason as part of a chain's name, different for different reasons.
fn chain_word(reason: &str) -> String {
    match reason.split_once(' ') {
        Some(("rate", service)) => format!("rate_{}", plain(service)),
        _ => reason.replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
    }
}
