//! Logs through the whole guard, offline: what it would have seen and decided.

use std::{
    collections::VecDeque,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use glob::Pattern;
use portguard_core::{Offence, Timestamp};
use portguard_store::StoredEntry;
use serde_json::{Value, json};

use crate::{
    clock,
    config::{self, Config, WatchPlan},
    exit::{Failed, Turn},
    eye::Eye,
    offline::Offline,
};

use super::{
    Global,
    lines::{self, Lines, Progress},
};

/// What to replay.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The logs, oldest first; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The present, which times without a year are completed by: RFC 3339 or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Read all files by this rule, in place of the watches of the configuration.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
}

/// A watch with the files that it reads.
struct Stream {
    eye: Eye,
    files: VecDeque<PathBuf>,
    lines: Option<Lines>,
    found: VecDeque<(Timestamp, Offence)>,
    read: u64,
}

/// What came of a replay.
#[derive(Debug, Default)]
struct Tally {
    suspicions: u64,
    decisions: u64,
    entries: u64,
    prevented: u64,
}

/// Replays logs, and tells what follows line by line.
pub(crate) fn replay(global: &Global, args: &ReplayArgs) -> Result<(), Failed> {
    let config = config::load(&global.config, &config::Surroundings::default());
    let config = match config {
        Ok(loaded) => loaded.config,
        Err(_) if args.rule.is_some() && !global.config.exists() => Config::default(),
        Err(mistakes) => return Err(config::failed(&mistakes)),
    };
    let now = present(args)?;
    let mut streams = streams(&config, args)?;
    let mut offline = Offline::new(&config);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut progress = Progress::new(global);
    let mut tally = Tally::default();
    while let Some((at, offence)) = next(&mut streams, now)? {
        let rule = offence.origin.clone();
        let entries = offline.take(at, offence);
        tally.prevented += u64::from(entries.is_none());
        for entry in entries.into_iter().flatten() {
            tally.add(&entry);
            let line = if global.json { object(&entry, &rule).to_string() } else { text(&entry) };
            writeln!(out, "{line}").map_err(|why| cannot_print(&why))?;
        }
        progress.show(streams.iter().map(|stream| stream.read).sum());
    }
    progress.end();
    out.flush().map_err(|why| cannot_print(&why))?;
    if !global.quiet {
        let lines: u64 = streams.iter().map(|stream| stream.read).sum();
        let Tally { suspicions, decisions, entries, prevented } = tally;
        eprintln!(
            "{lines} lines, {suspicions} suspicions, {decisions} decisions, {entries} others; \
             {prevented} suspicions of sources that were banned by then are left out"
        );
    }
    Ok(())
}

/// Returns the next offence of all streams: that with the earliest time.
fn next(streams: &mut [Stream], now: Timestamp) -> Result<Option<(Timestamp, Offence)>, Failed> {
    for stream in &mut *streams {
        stream.fill(now)?;
    }
    let first = |stream: &&mut Stream| stream.found.front().map(|(at, _)| *at);
    let waiting = streams.iter_mut().filter(|stream| !stream.found.is_empty());
    Ok(waiting.min_by_key(first).and_then(|stream| stream.found.pop_front()))
}

impl Stream {
    fn new(plan: &WatchPlan, files: VecDeque<PathBuf>) -> Result<Self, Failed> {
        let name = format!("watch {}", plan.name);
        // Host names are left alone: what they lead to today is not what they led to.
        let eye = Eye::new(plan, &name, None);
        let eye = eye.map_err(|why| Failed::new(Turn::Configuration, format!("{name}: {why}")))?;
        Ok(Self { eye, files, lines: None, found: VecDeque::new(), read: 0 })
    }

    /// Reads on until something is found, or there is nothing left.
    fn fill(&mut self, now: Timestamp) -> Result<(), Failed> {
        while self.found.is_empty() {
            let Some(lines) = &mut self.lines else {
                let Some(path) = self.files.pop_front() else { return Ok(()) };
                self.lines = Some(Lines::open(&path)?);
                continue;
            };
            let Some(line) = lines.next()? else {
                self.lines = None;
                continue;
            };
            self.read += 1;
            let found = &mut self.found;
            self.eye.take(line, None, now, &mut |at, offence| found.push_back((at, offence)));
        }
        Ok(())
    }
}

/// Returns the watches that read the files: those that name a file, or all for one that none names.
fn streams(config: &Config, args: &ReplayArgs) -> Result<Vec<Stream>, Failed> {
    if let Some(rule) = &args.rule {
        let plan = config.watch_by_rule(rule);
        return Ok(vec![Stream::new(&plan, args.files.iter().cloned().collect())?]);
    }
    let plans = config.watch_plans();
    let mut streams = Vec::new();
    for plan in &plans {
        let reads =
            |path: &&PathBuf| names(plan, path) || !plans.iter().any(|other| names(other, path));
        let files: VecDeque<PathBuf> = args.files.iter().filter(reads).cloned().collect();
        if !files.is_empty() {
            streams.push(Stream::new(plan, files)?);
        }
    }
    if streams.is_empty() {
        let failed = Failed::new(Turn::Usage, "the configuration has no [[watch]] to read them");
        return Err(failed.hint("name a configuration by --config, or a rule by --rule"));
    }
    Ok(streams)
}

/// Returns whether a watch names a file, wherever it lies; what rotation adds to it is left away.
fn names(plan: &WatchPlan, path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return false;
    };
    let unnumbered = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let unrotated = unnumbered.strip_suffix(['.', '-']).unwrap_or(&name);
    plan.files.iter().any(|file| {
        let last = file.rsplit('/').next().unwrap_or(file);
        let pattern = Pattern::new(last);
        pattern.is_ok_and(|pattern| pattern.matches(&name) || pattern.matches(unrotated))
    })
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
    let is_ours = kind(entry) != "entry";
    json!({
        "at": clock::rfc3339(entry.at),
        "kind": kind(entry),
        "subject": entry.subject.map(|subject| subject.to_string()),
        "rule": is_ours.then_some(rule),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_names_its_files_wherever_they_lie_and_however_they_are_rotated() {
        let mut plan = Config::default().watch_by_rule("sshd");
        plan.files = vec!["/var/log/auth.log".into(), "/srv/*/access.log".into()];
        for (path, is_named) in [
            ("/tmp/auth.log", true),
            ("auth.log.1", true),
            ("auth.log-20261120", true),
            ("/x/access.log", true),
            ("auth2.log", false),
            ("-", false),
        ] {
            assert_eq!(names(&plan, Path::new(path)), is_named, "{path}");
        }
    }
}
