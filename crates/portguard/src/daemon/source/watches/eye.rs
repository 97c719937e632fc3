//! What a watch makes of a line, wherever it came from.

use std::sync::Arc;

use portguard_core::{
    Evidence, Fact, Failing, Finding, Grade, Offence, Port, Tally, Timestamp, Why,
};
use portguard_read::{Judgement, Reader, Sighting};

use crate::{clock, config::WatchPlan, daemon::inbox::Inbox, rule::AnyRule};

use super::drift::Drift;

/// How much of a line goes into the evidence, in characters.
const SHOWN: usize = 200;

/// A rule with what it has seen.
pub(super) struct Eye {
    plan: WatchPlan,
    name: Arc<str>,
    reader: Reader,
    tally: Tally,
    drift: Drift,
    ports: Option<Arc<Vec<Port>>>,
    /// Matches whose source is no address.
    unaddressed: u64,
}

impl Eye {
    pub(super) fn new(plan: &WatchPlan, name: &str) -> Result<Self, String> {
        Ok(Self {
            reader: AnyRule::load(&plan.rule, &plan.folders)?.reader()?,
            tally: Tally::new(plan.howmany, plan.within),
            drift: Drift::default(),
            ports: (!plan.ports.is_empty()).then(|| Arc::new(plan.ports.clone())),
            name: name.into(),
            plan: plan.clone(),
            unaddressed: 0,
        })
    }

    /// Takes a line, and reports whose turn it makes it. `given` is its time if its source says,
    /// in seconds since 1970.
    pub(super) fn take(&mut self, line: &[u8], given: Option<i64>, inbox: &Inbox) {
        let now = clock::now();
        let seconds = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
        let judgement = self.reader.take(line, given, seconds);
        self.drift.line(!matches!(judgement, Judgement::Nothing), now);
        match judgement {
            Judgement::Failure(sighting) => self.fail(&sighting, line, now, inbox),
            Judgement::Success(sighting) => {
                if let Some(source) = sighting.who.address() {
                    self.tally.succeed(source, time_of(&sighting, now));
                }
            }
            Judgement::Ignored | Judgement::Nothing => {}
        }
    }

    fn fail(&mut self, sighting: &Sighting, line: &[u8], now: Timestamp, inbox: &Inbox) {
        let Some(source) = sighting.who.address() else {
            self.unaddressed += 1;
            return;
        };
        let failing = Failing {
            source,
            user: sighting.user.as_deref(),
            telling: sighting.telling,
            at: time_of(sighting, now),
        };
        let found: Vec<Finding> = self.tally.fail(&failing).collect();
        for finding in found {
            let line = (finding.source == source).then_some(line);
            inbox.deliver(Fact::Offence(self.offence(&finding, sighting, line)));
        }
    }

    fn offence(&self, finding: &Finding, sighting: &Sighting, line: Option<&[u8]>) -> Offence {
        let user = sighting.user.as_deref().map(|user| ("user", shown(user)));
        let line =
            line.map(|line| ("line", format!("\"{}\"", shown(&String::from_utf8_lossy(line)))));
        let rule = ("rule", self.plan.rule.clone());
        let why = reasons(&finding.why);
        let evidence = user.into_iter().chain([rule]).chain(why).chain(line);
        Offence {
            peer: finding.source,
            origin: self.name.clone(),
            // Whoever got so far in a service's own protocol receives what is sent to its address.
            grade: Grade::Handshake,
            ladder: self.ladder(finding),
            evidence: Evidence(evidence.collect()),
            trap: None,
            ports: self.ports.clone(),
        }
    }

    fn ladder(&self, finding: &Finding) -> Arc<portguard_core::Ladder> {
        let WatchPlan { ladder, gentle_ladder, .. } = &self.plan;
        if finding.gently { gentle_ladder.clone() } else { ladder.clone() }
    }

    /// Returns what is not as it should be with the lines that were read.
    pub(super) fn shortcomings(&self) -> Vec<String> {
        let counted = [
            (self.reader.too_slow(), "lines took too many steps to match"),
            (self.unaddressed, "matches name no address"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        let drift = self.drift.told(clock::now());
        counted.map(|(count, what)| format!("{count} {what}")).chain(drift).collect()
    }

    pub(super) fn drift(&mut self) -> &mut Drift {
        &mut self.drift
    }
}

/// Returns why a source was found, as evidence.
pub(crate) fn reasons(why: &Why) -> Vec<(&'static str, String)> {
    match why {
        Why::Often(hits) => vec![("hits", hits.to_string())],
        Why::Neighbours { network, hosts, failures } => vec![
            ("hits", failures.to_string()),
            ("network", network.to_string()),
            ("hosts", hosts.to_string()),
        ],
        Why::Spray { user, hosts } => {
            vec![("sprayed", shown(user)), ("hosts", hosts.to_string())]
        }
    }
}

/// Returns when a failure counts: at its own time, but never in the future.
pub(crate) fn time_of(sighting: &Sighting, now: Timestamp) -> Timestamp {
    let at = sighting.at.and_then(|at| u64::try_from(at).ok());
    at.map_or(now, |at| Timestamp::from_secs(at).min(now))
}

/// Returns a text of a stranger as it may be shown: on one line, and not too long.
pub(crate) fn shown(text: &str) -> String {
    let letters = text.trim().chars();
    letters.map(|letter| if letter.is_control() { '?' } else { letter }).take(SHOWN).collect()
}
