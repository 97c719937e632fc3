//! One scan of a log of packets: who was logged too often is put on a list.

mod log;

use std::{net::IpAddr, path::PathBuf, thread};

use clap::{Args, ValueEnum};
use portguard_api::{
    order::{HoldOrder, MeasureName, OrderDone},
    packet::PacketLog,
};
use portguard_core::{Span, Timestamp};
use serde_json::json;

use crate::{clock, exit::Failed};

use self::log::{Counting, Found, Hits, Wanted};

use super::{Global, PacketType, client::Client, lines::Progress};

/// Most threads that a scan uses unless told otherwise.
const MOST_THREADS: usize = 4;

/// Most decisions that the daemon's record is asked for.
const MOST_DECISIONS: u32 = 1_000_000;

/// What to scan for, and what then.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// The log; `-` for standard input; without it, the daemon's own record.
    file: Option<PathBuf>,
    /// What the packets' rule says: `blocked`, `allowed`, or a word of its prefix.
    #[arg(long, value_name = "R", default_value = "blocked")]
    rule: String,
    /// This kind of packet.
    #[arg(long, value_enum, value_name = "T", default_value = "any")]
    r#type: PacketType,
    /// So many packets ...
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    howmany: u32,
    /// ... within this time are too many.
    #[arg(long, value_name = "D")]
    within: Span,
    /// The list to put the source on.
    #[arg(long, alias = "ipset", value_enum, value_name = "S")]
    set: SetName,
    /// For how long (`3h`, `1d`, `forever`).
    #[arg(long, alias = "removeafter", value_name = "D")]
    remove_after: Span,
    /// Only tell who it would be.
    #[arg(long, alias = "dryrun")]
    dry_run: bool,
    /// On so many threads; by default one for each core, four at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
}

/// A list by the name that its set had with ipset.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SetName {
    /// The allow list.
    Whitelist,
    /// Bans.
    Blacklist,
    /// Throttled softly.
    ThrottleSoft,
    /// Throttled hard.
    ThrottleHard,
}

/// Scans, tells of each violation, and puts its source on the list.
pub(crate) fn scan(
    global: &Global,
    args: &ScanArgs,
    connect: impl FnOnce() -> Result<Client, Failed>,
) -> Result<(), Failed> {
    // Who can not be reached is told before the work.
    let needs_daemon = !args.dry_run || args.file.is_none();
    let client = if needs_daemon { Some(connect()?) } else { None };
    let found = match (&args.file, &client) {
        (Some(file), _) => {
            let mut progress = Progress::new(global);
            let found = log::scan(file, &wanted(args), threads(args), &mut progress)?;
            progress.end();
            found
        }
        (None, Some(client)) => of_record(client, args)?,
        (None, None) => return Err(Failed::bug("a record without a daemon")),
    };
    let Found { lines, matched, undated, cut, sources, over } = found;
    let client = client.filter(|_| !args.dry_run);
    for (source, hits) in &over {
        let is_applied = match &client {
            Some(client) => apply(client, args, *source, hits)?,
            None => false,
        };
        tell(global, args, (*source, hits), is_applied);
    }
    let (subjects, violations) = (sources, over.len());
    if global.json {
        let all = json!({ "lines": lines, "matched": matched, "subjects": subjects,
                          "violations": violations });
        println!("{all}");
    } else if !global.quiet {
        eprintln!("{lines} lines, {matched} matched, {subjects} sources, {violations} violations");
    }
    for (count, what) in
        [(undated, "matching lines have no time"), (cut, "lines were longer than 64 KiB")]
    {
        if count > 0 {
            eprintln!("warning: {count} {what}");
        }
    }
    Ok(())
}

/// Scans the daemon's own record.
fn of_record(client: &Client, args: &ScanArgs) -> Result<Found, Failed> {
    let kind = match args.r#type {
        PacketType::Any => String::new(),
        kind => format!("&type={}", kind.word()),
    };
    let rule = args.rule.to_lowercase();
    let path = format!("/v1/log?limit={MOST_DECISIONS}&rule={rule}{kind}");
    let log: PacketLog = client.get(&path)?;
    let mut counting = Counting::new(&wanted(args), usize::MAX);
    let mut found = Found::default();
    for packet in &log.items {
        found.lines += 1;
        let at = packet.at.parse::<jiff::Timestamp>().ok();
        let Some((source, at)) = packet.source.parse().ok().zip(at) else { continue };
        found.matched += 1;
        counting.add(source, at.as_second());
    }
    found.sources = counting.sources();
    found.over = log::over(std::iter::once(&counting));
    Ok(found)
}

fn wanted(args: &ScanArgs) -> Wanted {
    Wanted {
        rule: args.rule.to_uppercase(),
        kind: args.r#type,
        howmany: args.howmany,
        within: args.within.duration(),
    }
}

fn threads(args: &ScanArgs) -> usize {
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    args.threads.map_or_else(cores, usize::from)
}

/// Puts a source on the list; returns whether the rules let it.
fn apply(client: &Client, args: &ScanArgs, source: IpAddr, hits: &Hits) -> Result<bool, Failed> {
    let order = HoldOrder {
        measure: args.set.measure(),
        subject: source.to_string(),
        span: Some(args.remove_after.to_string()),
        ports: Vec::new(),
        reason: format!(
            "scan: {} packets {}, {} within {}",
            hits.count, args.rule, args.howmany, args.within
        ),
    };
    match client.post::<OrderDone>("/v1/hold", &order) {
        Ok(_) => Ok(true),
        // Whom the rules protect is told, and the others follow.
        Err(failed) if failed.is_refusal() => {
            eprintln!("warning: {}", failed.words());
            Ok(false)
        }
        Err(failed) => Err(failed),
    }
}

fn tell(global: &Global, args: &ScanArgs, (source, hits): (IpAddr, &Hits), is_applied: bool) {
    let time = |at: i64| clock::rfc3339(Timestamp::from_secs(u64::try_from(at).unwrap_or(0)));
    let (first, last) = (time(hits.first), time(hits.last));
    if global.json {
        let seconds = match args.remove_after {
            Span::For(span) => json!(span.as_secs()),
            Span::Forever => json!(null),
        };
        let object = json!({ "subject": source, "hits": hits.count, "first": first, "last": last,
                             "set": args.set.name(), "seconds": seconds,
                             "applied": is_applied });
        println!("{object}");
        return;
    }
    let what = match (args.dry_run, is_applied) {
        (true, _) => "would go",
        (false, true) => "goes",
        (false, false) => "does not go",
    };
    println!(
        "{source}  {} hits from {first} to {last}, {what} on {} for {}",
        hits.count,
        args.set.name(),
        args.remove_after
    );
}

impl SetName {
    const fn name(self) -> &'static str {
        match self {
            Self::Whitelist => "whitelist",
            Self::Blacklist => "blacklist",
            Self::ThrottleSoft => "throttle-soft",
            Self::ThrottleHard => "throttle-hard",
        }
    }

    const fn measure(self) -> MeasureName {
        match self {
            Self::Whitelist => MeasureName::Allow,
            Self::Blacklist => MeasureName::Ban,
            Self::ThrottleSoft => MeasureName::ThrottleSoft,
            Self::ThrottleHard => MeasureName::ThrottleHard,
        }
    }
}
