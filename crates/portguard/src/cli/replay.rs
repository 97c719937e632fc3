//! Logs and packets through the whole guard, offline: what it would have seen and decided.

mod logs;
mod packets;

use std::{
    collections::VecDeque,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use portguard_core::{Fact, Timestamp};
use portguard_store::StoredEntry;
use serde_json::{Value, json};

use crate::{
    clock,
    config::{self, Config},
    exit::{Failed, Turn},
    offline::{Offline, offence_of},
};

use self::{logs::Log, packets::Packets};

use super::{
    Global,
    lines::{self, Progress},
};

/// What to replay.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The logs and captures (pcap, pcapng), each kind oldest first; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The present, which times without a year are completed by: RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Read all logs by this rule, in place of the watches of the configuration.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
}

/// Files that are read together, with what was found in them and not handed over yet.
struct Stream {
    from: From,
    found: VecDeque<(Timestamp, Fact)>,
}

enum From {
    Log(Box<Log>),
    Packets(Box<Packets>),
}

/// What came of a replay.
#[derive(Debug, Default)]
struct Tally {
    suspicions: u64,
    decisions: u64,
    entries: u64,
    prevented: u64,
}

/// Replays logs and captures, and tells what follows line by line.
pub(crate) fn replay(global: &Global, args: &ReplayArgs) -> Result<(), Failed> {
    let config = config::load(&global.config, &config::Surroundings::default());
    let config = match config {
        Ok(loaded) => loaded.config,
        Err(_) if !global.config.exists() && is_standard(global) => Config::default(),
        Err(mistakes) => return Err(config::failed(&mistakes)),
    };
    let now = present(args)?;
    let mut streams = streams(&config, args)?;
    let mut offline = Offline::new(&config);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut progress = Progress::new(global);
    let mut tally = Tally::default();
    while let Some((at, fact)) = next(&mut streams, now, &mut progress)? {
        let rule = offence_of(&fact).map(|offence| offence.origin.clone()).unwrap_or_default();
        let entries = offline.take(at, fact);
        tally.prevented += u64::from(entries.is_none());
        for entry in entries.into_iter().flatten() {
            tally.add(&entry);
            let line = if global.json { object(&entry, &rule).to_string() } else { text(&entry) };
            writeln!(out, "{line}").map_err(|why| cannot_print(&why))?;
        }
    }
    progress.end();
    out.flush().map_err(|why| cannot_print(&why))?;
    tell(global, &streams, &tally);
    Ok(())
}

/// Returns whether the configuration is where it is looked for if nobody says otherwise.
fn is_standard(global: &Global) -> bool {
    global.config.as_os_str() == config::DEFAULT_PATH
}

fn tell(global: &Global, streams: &[Stream], tally: &Tally) {
    for packets in streams.iter().filter_map(Stream::packets) {
        for trouble in &packets.troubles {
            eprintln!("warning: {trouble}; what was read counts");
        }
    }
    if global.quiet {
        return;
    }
    let mut read = Vec::new();
    let logs = streams.iter().filter_map(Stream::log).map(|log| log.read);
    if streams.iter().any(|stream| stream.log().is_some()) {
        read.push(format!("{} lines", logs.sum::<u64>()));
    }
    for packets in streams.iter().filter_map(Stream::packets) {
        let Packets { read: count, passed_over, .. } = packets;
        read.push(format!("{count} packets ({passed_over} of other protocols than IP)"));
    }
    let Tally { suspicions, decisions, entries, prevented } = tally;
    eprintln!(
        "{}, {suspicions} suspicions, {decisions} decisions, {entries} others; \
         {prevented} suspicions of sources that were banned by then are left out",
        read.join(", ")
    );
}

/// Returns the next thing found in any stream: that with the earliest time.
fn next(
    streams: &mut [Stream],
    now: Timestamp,
    progress: &mut Progress,
) -> Result<Option<(Timestamp, Fact)>, Failed> {
    for stream in &mut *streams {
        let Stream { from, found } = stream;
        match from {
            From::Log(log) => log.fill(found, now, progress)?,
            From::Packets(packets) => packets.fill(found, now, progress)?,
        }
    }
    let first = |stream: &&mut Stream| stream.found.front().map(|(at, _)| *at);
    let waiting = streams.iter_mut().filter(|stream| !stream.found.is_empty());
    Ok(waiting.min_by_key(first).and_then(|stream| stream.found.pop_front()))
}

impl Stream {
    fn of(from: From) -> Self {
        Self { from, found: VecDeque::new() }
    }

    fn log(&self) -> Option<&Log> {
        if let From::Log(log) = &self.from { Some(log) } else { None }
    }

    fn packets(&self) -> Option<&Packets> {
        if let From::Packets(packets) = &self.from { Some(packets) } else { None }
    }
}

/// Returns what reads the files: captures and logs of packets are looked through for anomalies,
/// logs are read by watches.
fn streams(config: &Config, args: &ReplayArgs) -> Result<Vec<Stream>, Failed> {
    let (with_packets, texts) = packets::with_packets(&args.files)?;
    let logs = logs::logs(config, args.rule.as_deref(), &texts)?;
    let mut streams: Vec<Stream> =
        logs.into_iter().map(|log| Stream::of(From::Log(Box::new(log)))).collect();
    let is_only_text = streams.is_empty() && with_packets.is_empty();
    let plan = config.anomaly_plan().filter(|_| !with_packets.is_empty());
    if let Some(plan) = plan {
        streams.push(Stream::of(From::Packets(Box::new(Packets::new(plan, with_packets)))));
    }
    if is_only_text {
        let failed = Failed::new(Turn::Usage, "the configuration has no [[watch]] to read them");
        return Err(failed.hint("name a configuration by --config, or a rule by --rule"));
    }
    if streams.is_empty() {
        let failed = Failed::new(Turn::Usage, "nothing is looked for in packets");
        return Err(failed.hint("set anomaly.respond to \"propose\" or \"auto\""));
    }
    Ok(streams)
}

fn present(args: &ReplayArgs) -> Result<Timestamp, Failed> {
    let Some(text) = &args.now else {
        return lines::moment();
    };
    let seconds = text.parse::<u64>().ok();
    let moment = || text.parse::<jiff::Timestamp>().ok();
    let seconds = seconds.or_else(|| moment().and_then(|at| u64::try_from(at.as_second()).ok()));
    let why = format!("`{text}` is no time: RFC 3339 or seconds since 1970 are");
    seconds.map(Timestamp::from_secs).ok_or_else(|| Failed::new(Turn::Usage, why))
}

impl Tally {
    fn add(&mut self, entry: &StoredEntry) {
        match kind(entry) {
            "suspicion" => self.suspicions += 1,
            "decision" => self.decisions += 1,
            _ => self.entries += 1,
        }
    }
}

/// Returns what an entry is to whoever replays.
fn kind(entry: &StoredEntry) -> &'static str {
    match entry.kind.as_str() {
        "offence" => "suspicion",
        "decision" => "decision",
        _ => "entry",
    }
}

fn object(entry: &StoredEntry, rule: &str) -> Value {
    let facts = entry.details.iter().chain(&entry.evidence);
    let evidence: serde_json::Map<String, Value> =
        facts.map(|(name, value)| (name.clone(), json!(value))).collect();
    let rule = match entry.kind.as_str() {
        "offence" | "decision" => Some(rule),
        // What nobody is blamed for.
        "anomaly" => Some(entry.text.as_str()),
        _ => None,
    };
    json!({
        "at": clock::rfc3339(entry.at),
        "kind": kind(entry),
        "subject": entry.subject.map(|subject| subject.to_string()),
        "rule": rule,
        "measure": entry.measure.map(|measure| measure.to_string()),
        "until": entry.until.and_then(clock::end),
        "evidence": evidence,
    })
}

fn text(entry: &StoredEntry) -> String {
    let subject = entry.subject.map(|subject| subject.to_string()).unwrap_or_default();
    let mut words = vec![clock::rfc3339(entry.at), format!("{:9}", kind(entry)), subject];
    if let Some(measure) = entry.measure {
        words.push(measure.to_string());
    }
    match entry.until {
        Some(until) => {
            words.push(
                clock::end(until).map_or("for ever".to_owned(), |end| format!("until {end}")),
            );
        }
        None => words.push(entry.text.clone()),
    }
    words.extend(entry.evidence.iter().map(|(name, value)| format!("{name}={value}")));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

fn cannot_print(why: &io::Error) -> Failed {
    Failed::new(Turn::Negative, format!("cannot print: {why}"))
}
