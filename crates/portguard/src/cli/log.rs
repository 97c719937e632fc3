//! The record of packet decisions.

use std::{fmt::Write as _, io::Write as _, thread, time::Duration};

use portguard_api::packet::{Packet, PacketLog, RecordState};
use portguard_core::Span;

use crate::exit::{Failed, Turn};

use super::{Global, LogArgs, PacketType, client::Client, show};

/// How often a followed record is asked for new decisions.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// Shows the record, and goes on if so told until the user ends it.
pub(crate) fn log(client: &Client, global: &Global, args: &LogArgs) -> Result<(), Failed> {
    let filters = filters(args);
    let first: PacketLog = client.get(&format!("/v1/log?limit=100000{filters}{}", since(args)))?;
    if !args.follow {
        if global.json {
            show::json(&first)?;
        } else {
            show::print(&lines(&first.items))?;
        }
        warn(global, &RecordState::default(), &first.record);
        return Ok(());
    }
    print(&first.items, global)?;
    let mut last = first.items.last().map_or(first.record.taken, |packet| packet.number);
    let mut told = first.record;
    loop {
        thread::sleep(FOLLOW_EVERY);
        let news: PacketLog = client.get(&format!("/v1/log?limit=100000&after={last}{filters}"))?;
        print(&news.items, global)?;
        last = news.items.last().map_or(last, |packet| packet.number);
        warn(global, &told, &news.record);
        told = news.record;
    }
}

fn filters(args: &LogArgs) -> String {
    let mut filters = String::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(filters, "&{name}={}", value.replace(' ', "%20"));
        }
    };
    add("rule", args.rule.clone());
    add("type", args.r#type.map(PacketType::word));
    add("source", args.source.map(|source| source.to_string()));
    add("port", args.port.map(|port| port.to_string()));
    filters
}

fn since(args: &LogArgs) -> String {
    match args.since {
        Some(Span::For(length)) => format!("&since={}", length.as_secs()),
        Some(Span::Forever) | None => String::new(),
    }
}

/// Says on standard error what is missing, if more is missing than before.
fn warn(global: &Global, before: &RecordState, now: &RecordState) {
    let is_worse = now.lost > before.lost || now.over_limit > before.over_limit;
    if is_worse && !global.quiet {
        eprintln!("warning: the record is not complete: {}", show::record_line(now));
    }
}

/// Prints decisions, one object a line if JSON is wanted.
fn print(packets: &[Packet], global: &Global) -> Result<(), Failed> {
    if global.json {
        for packet in packets {
            let line = serde_json::to_string(packet);
            let line = line.map_err(|error| Failed::bug(error.to_string()))?;
            show::print(&format!("{line}\n"))?;
        }
    } else {
        show::print(&lines(packets))?;
    }
    std::io::stdout()
        .flush()
        .map_err(|error| Failed::new(Turn::Negative, format!("cannot print: {error}")))
}

fn lines(packets: &[Packet]) -> String {
    packets.iter().map(line).collect()
}

/// Returns a decision as one line; columns that vary little are padded.
fn line(packet: &Packet) -> String {
    let end = |address: &str, port: Option<u16>| match port {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_owned(),
    };
    let rule = match &packet.matched {
        Some(matched) => format!("{} {matched}", packet.rule),
        None => packet.rule.clone(),
    };
    let detail = packet.flags.as_ref().or(packet.icmp.as_ref());
    let text = format!(
        "{} {:<7} {:<20} {:<6} {:<6} {} -> {} len {} {}",
        packet.at,
        packet.verdict,
        rule,
        packet.interface.as_deref().unwrap_or("-"),
        packet.protocol,
        end(&packet.source, packet.source_port),
        end(&packet.destination, packet.destination_port),
        packet.length,
        detail.map_or("", String::as_str),
    );
    format!("{}\n", text.trim_end())
}
