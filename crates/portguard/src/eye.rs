//! What a watch makes of a line, wherever it came from.

mod drift;
mod names;
mod seen;

use std::{net::IpAddr, sync::Arc};

use portguard_core::{Evidence, Failing, Finding, Grade, Offence, Port, Tally, Timestamp, Why};
use portguard_read::{Judgement, Reader, Sighting, Who};

use crate::{clock, config::WatchPlan, rule::AnyRule};

pub(crate) use self::{drift::Drift, names::Names, seen::Seen};

/// How much of a line goes into the evidence, in characters.
const SHOWN: usize = 200;

/// Takes what a line makes of somebody, and when.
pub(crate) type Found<'f> = &'f mut dyn FnMut(Timestamp, Offence);

/// A rule with what it has seen.
pub(crate) struct Eye {
    plan: WatchPlan,
    name: Arc<str>,
    reader: Reader,
    tally: Tally,
    drift: Drift,
    ports: Option<Arc<Vec<Port>>>,
    /// Looks host names up, if the rule wants that.
    names: Option<Names>,
    /// Matches whose source is no address.
    unaddressed: u64,
    seen: Seen,
}

impl Eye {
    /// Makes ready to read. Host names are looked up by `names` if the rule wants them to be.
    pub(crate) fn new(plan: &WatchPlan, name: &str, names: Option<Names>) -> Result<Self, String> {
        let rule = AnyRule::load(&plan.rule, &plan.folders)?;
        Ok(Self {
            names: names.filter(|_| rule.looks_names_up()),
            reader: rule.reader()?,
            tally: Tally::new(plan.howmany, plan.within),
            drift: Drift::default(),
            ports: (!plan.ports.is_empty()).then(|| Arc::new(plan.ports.clone())),
            name: name.into(),
            plan: plan.clone(),
            unaddressed: 0,
            seen: Seen::default(),
        })
    }

    /// Takes a line, and hands over whose turn it makes it. `given` is its time if its source says,
    /// in seconds since 1970.
    pub(crate) fn take(
        &mut self,
        line: &[u8],
        given: Option<i64>,
        now: Timestamp,
        found: Found<'_>,
    ) {
        let seconds = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
        let judgement = self.reader.take(line, given, seconds);
        self.seen.lines += 1;
        self.drift.line(!matches!(judgement, Judgement::Nothing), now);
        match judgement {
            Judgement::Failure(sighting) => {
                self.seen.fail(line, now);
                self.fail(&sighting, line, now, found);
            }
            Judgement::Success(sighting) => {
                if let Some(source) = sighting.who.address() {
                    self.tally.succeed(source, time_of(&sighting, now));
                }
            }
            Judgement::Ignored | Judgement::Nothing => {}
        }
    }

    fn fail(&mut self, sighting: &Sighting, line: &[u8], now: Timestamp, found: Found<'_>) {
        // Whoever got so far in a service's own protocol receives what is sent to its address.
        if let Some(source) = sighting.who.address() {
            return self.fail_as((source, Grade::Handshake), (sighting, line), now, found);
        }
        let hosts = match (&mut self.names, &sighting.who) {
            (Some(names), Who::Other(name)) => names.addresses(name),
            _ => Vec::new(),
        };
        if hosts.is_empty() {
            self.unaddressed += 1;
        }
        // A name is what the owner of the address says it is: of anybody.
        for source in hosts {
            self.fail_as((source, Grade::Forgeable), (sighting, line), now, found);
        }
    }

    fn fail_as(
        &mut self,
        (source, grade): (IpAddr, Grade),
        (sighting, line): (&Sighting, &[u8]),
        now: Timestamp,
        found: Found<'_>,
    ) {
        let at = time_of(sighting, now);
        let user = sighting.user.as_deref();
        let failing = Failing { source, user, telling: sighting.telling, at };
        let findings: Vec<Finding> = self.tally.fail(&failing).collect();
        for finding in findings {
            self.seen.offences += 1;
            let line = (finding.source == source).then_some(line);
            found(at, Offence { grade, ..self.offence(&finding, sighting, line) });
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
    pub(crate) fn shortcomings(&self) -> Vec<String> {
        let counted = [
            (self.reader.too_slow(), "lines took too many steps to match"),
            (self.unaddressed, "matches name no address"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        let drift = self.drift.told(clock::now());
        counted.map(|(count, what)| format!("{} {what}", so_many(count))).chain(drift).collect()
    }

    /// Returns what it has seen.
    pub(crate) fn seen(&mut self) -> &mut Seen {
        &mut self.seen
    }

    pub(crate) fn drift(&mut self) -> &mut Drift {
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

/// Returns a number as it is told of what strangers can make more of at will: beyond ten it changes
/// seldom, so that the journal does not fill with it.
pub(crate) fn so_many(count: u64) -> String {
    match count {
        0..=10 => count.to_string(),
        _ => format!("{} and more", 10_u64.pow(count.ilog10())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_grow_are_told_seldom() {
        let told = [0, 3, 10, 11, 99, 100, u64::MAX].map(so_many);
        let expected = ["0", "3", "10", "10 and more", "10 and more", "100 and more"];
        assert_eq!(told[..6], expected);
        assert_eq!(told[6], "10000000000000000000 and more");
    }
}
