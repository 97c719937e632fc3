//! One scan of a log of packets: who was logged too often is put on a list.

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use portguard_api::order::{HoldOrder, MeasureName, OrderDone};
use portguard_core::{Span, Timestamp, Window};
use portguard_read::{
    netfilter::{LoggedPacket, read_line},
    stamp::Stamps,
};
use serde_json::json;

use crate::{
    clock,
    exit::{Failed, Turn, with_causes},
};

use super::{
    Global, PacketType,
    client::Client,
    lines::{self, Lines},
};

/// Most sources whose hits are added up; those beyond are found all the same, without their totals.
const MOST_SOURCES: usize = 1_000_000;

/// How often progress is shown, in lines.
const PROGRESS_EVERY: u64 = 1 << 18;

/// What to scan for, and what then.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// The log; `-` for standard input.
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

/// What is known of one source.
#[derive(Clone, Copy, Debug)]
struct Hits {
    count: u64,
    first: i64,
    last: i64,
    is_over: bool,
}

/// What a scan found.
struct Found {
    lines: u64,
    matched: u64,
    undated: u64,
    cut: u64,
    sources: HashMap<IpAddr, Hits>,
}

/// Scans, tells of each violation, and puts its source on the list.
pub(crate) fn scan(
    global: &Global,
    args: &ScanArgs,
    connect: impl FnOnce() -> Result<Client, Failed>,
) -> Result<(), Failed> {
    let Some(file) = &args.file else {
        return Err(Failed::new(Turn::Usage, "no file to scan").hint(
            "name a log, or `-` for standard input; the daemon's own record is still to come",
        ));
    };
    // Who can not be reached is told before the work.
    let client = if args.dry_run { None } else { Some(connect()?) };
    let found = read(global, args, file)?;
    let mut over: Vec<(IpAddr, Hits)> = found
        .sources
        .iter()
        .filter(|(_, hits)| hits.is_over)
        .map(|(at, hits)| (*at, *hits))
        .collect();
    over.sort_by_key(|(source, hits)| (std::cmp::Reverse(hits.count), *source));
    for (source, hits) in &over {
        let is_applied = match &client {
            Some(client) => apply(client, args, *source, hits)?,
            None => false,
        };
        tell(global, args, (*source, hits), is_applied);
    }
    let Found { lines, matched, undated, cut, sources } = found;
    let (subjects, violations) = (sources.len(), over.len());
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

fn read(global: &Global, args: &ScanArgs, file: &Path) -> Result<Found, Failed> {
    let mut lines = Lines::open(file)?;
    let now = lines::now()?;
    let mut stamps =
        Stamps::at_beginning(TimeZone::system()).map_err(|why| Failed::bug(with_causes(&why)))?;
    let within = match args.within {
        Span::For(within) => within,
        Span::Forever => std::time::Duration::MAX,
    };
    let mut window = Window::new(args.howmany, within);
    let rule = args.rule.to_uppercase();
    let mut found = Found { lines: 0, matched: 0, undated: 0, cut: 0, sources: HashMap::new() };
    let shows_progress = !global.quiet && io::stderr().is_terminal();
    while let Some(line) = lines.next()? {
        found.lines += 1;
        if shows_progress && found.lines.is_multiple_of(PROGRESS_EVERY) {
            eprint!("\r{} lines ", found.lines);
        }
        let Some(packet) = read_line(line).filter(|packet| is_wanted(packet, &rule, args.r#type))
        else {
            continue;
        };
        found.matched += 1;
        let Some(at) = stamps.time_of(line, now) else {
            found.undated += 1;
            continue;
        };
        found.add(packet.source, at, &mut window);
    }
    if shows_progress && found.lines >= PROGRESS_EVERY {
        eprint!("\r");
    }
    found.cut = lines.cut();
    Ok(found)
}

impl Found {
    fn add(&mut self, source: IpAddr, at: i64, window: &mut Window) {
        let moment = Timestamp::from_secs(u64::try_from(at).unwrap_or(0));
        let is_full = self.sources.len() >= MOST_SOURCES && !self.sources.contains_key(&source);
        let is_over = window.hit(source, moment);
        if is_full && !is_over {
            return;
        }
        let new = Hits { count: 0, first: at, last: at, is_over: false };
        let hits = self.sources.entry(source).or_insert(new);
        hits.count += 1;
        (hits.first, hits.last) = (hits.first.min(at), hits.last.max(at));
        hits.is_over |= is_over;
    }
}

/// Returns whether a packet is of a rule, in capitals, and of a kind.
fn is_wanted(packet: &LoggedPacket<'_>, rule: &str, kind: PacketType) -> bool {
    let is_of_kind = match kind {
        PacketType::Any => true,
        PacketType::Tcp => packet.protocol == "TCP",
        PacketType::Udp => packet.protocol == "UDP",
        PacketType::Icmp => matches!(packet.protocol, "ICMP" | "ICMPv6"),
    };
    is_of_kind
        && match packet.prefix.split_once("TABLES-") {
            Some((_, word)) => word.trim_end_matches(':') == rule,
            None => packet.prefix.to_uppercase().contains(rule),
        }
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
