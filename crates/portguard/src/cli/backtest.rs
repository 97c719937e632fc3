//! A policy over the recorded past: who would be held, and who of them came back.

use std::collections::BTreeMap;

use clap::Args;
use portguard_core::{Evidence, Fact, Grade, Offence, Span, Subject, Timestamp, Until};
use portguard_store::{EntryQuery, Order, Reader, StoredEntry};
use serde_json::json;

use crate::{
    clock,
    config::{self, Config, Response},
    exit::{Failed, Turn},
    offline::Offline,
};

use super::{Global, lines, show};

/// How many entries are read at a time.
const AT_A_TIME: usize = 10_000;

/// Which past.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// Only the last so much time (`7d`).
    #[arg(long, value_name = "D")]
    since: Option<Span>,
}

/// What the policy makes of one subject.
#[derive(Debug)]
struct Held {
    measure: String,
    first: Timestamp,
    until: Until,
    decisions: u32,
    /// Offences that would not have been.
    prevented: u32,
    /// Offences that followed all the same.
    again: u32,
}

/// Runs the recorded offences through the guard of a configuration.
pub(crate) fn backtest(global: &Global, args: &BacktestArgs) -> Result<(), Failed> {
    let config = config::load(&global.config, &config::Surroundings::default())
        .map_err(|mistakes| config::failed(&mistakes))?
        .config;
    let now = lines::moment()?;
    let since = match args.since {
        Some(Span::For(span)) => now.as_millis().saturating_sub(millis(span)),
        Some(Span::Forever) | None => 0,
    };
    let offences = recorded(&config, Timestamp::from_millis(since))?;
    let mut test = Test::new(&config);
    for entry in &offences {
        test.take(entry);
    }
    test.tell(global, now, offences.len())
}

/// A policy under test.
struct Test<'c> {
    config: &'c Config,
    /// What follows from what noticed an offence.
    responses: BTreeMap<String, Option<Response>>,
    offline: Offline,
    held: BTreeMap<Subject, Held>,
    unnoticed: usize,
}

impl<'c> Test<'c> {
    fn new(config: &'c Config) -> Self {
        Self {
            config,
            responses: BTreeMap::new(),
            offline: Offline::new(config),
            held: BTreeMap::new(),
            unnoticed: 0,
        }
    }

    fn take(&mut self, entry: &StoredEntry) {
        let find = || self.config.response_to(&entry.text);
        let response = self.responses.entry(entry.text.clone()).or_insert_with(find);
        let Some(offence) = response.as_ref().and_then(|one| offence_of(one, entry)) else {
            self.unnoticed += 1;
            return;
        };
        let known = self.around(&offence);
        let Some(journal) = self.offline.take(entry.at, Fact::Offence(offence)) else {
            if let Some(held) = known.and_then(|subject| self.held.get_mut(&subject)) {
                held.prevented += 1;
            }
            return;
        };
        if let Some(held) = known.and_then(|subject| self.held.get_mut(&subject)) {
            held.again += 1;
        }
        for told in journal {
            self.note(&told);
        }
    }

    /// Returns the subject that was held for earlier offences of the same source.
    fn around(&self, offence: &Offence) -> Option<Subject> {
        let address = Subject::address(offence.peer);
        let width = offence.ladder.prefix_len(address.family());
        let both = [address, Subject::containing(offence.peer, width)];
        both.into_iter().find(|subject| self.held.contains_key(subject))
    }

    /// Takes note of a decision.
    fn note(&mut self, told: &StoredEntry) {
        let Some((subject, until)) = told.subject.zip(told.until) else { return };
        let measure = told.measure.map(|measure| measure.to_string()).unwrap_or_default();
        let held = self.held.entry(subject).or_insert(Held {
            measure: String::new(),
            first: told.at,
            until,
            decisions: 0,
            prevented: 0,
            again: 0,
        });
        (held.measure, held.until) = (measure, held.until.max(until));
        held.decisions += 1;
    }

    fn tell(&self, global: &Global, now: Timestamp, offences: usize) -> Result<(), Failed> {
        let fate = |held: &Held| held.fate(now);
        let count = |wanted: &str| self.held.values().filter(|held| fate(held) == wanted).count();
        let prevented: u32 = self.held.values().map(|held| held.prevented).sum();
        if global.json {
            let row = |(subject, held): (&Subject, &Held)| {
                json!({
                    "subject": subject.to_string(),
                    "measure": held.measure,
                    "first": clock::rfc3339(held.first),
                    "until": clock::end(held.until),
                    "decisions": held.decisions,
                    "prevented": held.prevented,
                    "again": held.again,
                    "fate": fate(held),
                })
            };
            return show::json(&json!({
                "offences": offences,
                "unnoticed": self.unnoticed,
                "prevented": prevented,
                "behaved": count(BEHAVED),
                "came_back": count(CAME_BACK),
                "still_held": count(STILL_HELD),
                "held": self.held.iter().map(row).collect::<Vec<_>>(),
            }));
        }
        let row = |(subject, held): (&Subject, &Held)| {
            let until = clock::end(held.until).unwrap_or_else(|| "for ever".to_owned());
            let (subject, measure) = (subject.to_string(), held.measure.clone());
            let (first, prevented) = (clock::rfc3339(held.first), held.prevented.to_string());
            vec![subject, measure, first, until, prevented, fate(held).to_owned()]
        };
        let heads = ["SUBJECT", "MEASURE", "FIRST", "UNTIL", "PREVENTED", "LATER"];
        show::print(&show::table(&heads, self.held.iter().map(row).collect()))?;
        if !global.quiet {
            eprintln!(
                "{offences} offences, {} not noticed; {} held, {prevented} offences prevented; \
                 {} behaved later, {} came back, {} would still be held",
                self.unnoticed,
                self.held.len(),
                count(BEHAVED),
                count(CAME_BACK),
                count(STILL_HELD)
            );
        }
        Ok(())
    }
}

const BEHAVED: &str = "behaved";
const CAME_BACK: &str = "came back";
const STILL_HELD: &str = "still held";

impl Held {
    /// Returns what became of it.
    fn fate(&self, now: Timestamp) -> &'static str {
        match (self.again, self.until.is_over(now)) {
            (0, false) => STILL_HELD,
            (0, true) => BEHAVED,
            _ => CAME_BACK,
        }
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the offences that the ledger has, in the order in which they were written.
fn recorded(config: &Config, since: Timestamp) -> Result<Vec<StoredEntry>, Failed> {
    let path = config.ledger();
    let cannot = |why: &dyn std::fmt::Display| {
        let failed =
            Failed::new(Turn::NotPermitted, format!("cannot read {}: {why}", path.display()));
        failed.hint("the past is in guard.state_dir, and root reads it")
    };
    let mut reader = Reader::open(&path).map_err(|why| cannot(&why))?;
    let mut all = Vec::new();
    let mut last = 0;
    loop {
        let query = EntryQuery {
            since: Some(since),
            subject: None,
            kinds: vec!["offence".into()],
            after_id: Some(last),
            limit: AT_A_TIME,
            order: Order::OldestFirst,
        };
        let page = reader.entries(&query).map_err(|why| cannot(&why))?;
        let Some(newest) = page.last() else { return Ok(all) };
        last = newest.id;
        all.extend(page);
    }
}

/// Returns an offence as it was, with what follows from it by another configuration.
fn offence_of(response: &Response, entry: &StoredEntry) -> Option<Offence> {
    let grade =
        |word: &str| entry.details.iter().any(|(name, value)| name == "grade" && value == word);
    Some(Offence {
        peer: entry.subject?.first_address(),
        origin: entry.text.as_str().into(),
        grade: if grade("forgeable") { Grade::Forgeable } else { Grade::Handshake },
        ladder: response.ladder.clone(),
        evidence: Evidence::default(),
        trap: None,
        ports: response.ports.clone(),
    })
}
