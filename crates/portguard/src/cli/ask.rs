//! Commands that ask the daemon.

use std::{io::Write as _, thread, time::Duration};

use portguard_api::{Page, view};
use portguard_core::{Span, Subject};

use crate::exit::{Failed, Turn};

use super::{Global, Listed, SortKey, client::Client, ports, proposals, show, web};

/// How often a followed journal is asked for new lines.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// Shows the status.
pub(crate) fn status(client: &Client, global: &Global) -> Result<(), Failed> {
    let status: view::Status = client.get("/v1/status")?;
    if global.json {
        return show::json(&status);
    }
    let address = web::address(&crate::configured(&global.config));
    show::print(&show::status(&status, &address))
}

/// Lists.
pub(crate) fn list(
    client: &Client,
    global: &Global,
    what: Listed,
    sort: Option<SortKey>,
) -> Result<(), Failed> {
    let lists: &[&str] = match what {
        Listed::Offenders => return offenders(client, global, sort),
        Listed::Bans => &["bans"],
        Listed::Allowed => &["allowed"],
        Listed::Throttled => &["throttled-hard", "throttled-soft"],
        Listed::Protected => &["protected"],
        Listed::Open => return ports::doors(client, global, false),
        Listed::Proposals => return proposals::list(client, global),
        Listed::Grants => return ports::doors(client, global, true),
    };
    let mut holds = Vec::new();
    for name in lists {
        let mut after = String::new();
        loop {
            let page: Page<view::Hold> =
                client.get(&format!("/v1/lists/{name}?limit=10000{after}"))?;
            holds.extend(page.items);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
    }
    if global.json { show::json(&holds) } else { show::print(&show::holds(&holds)) }
}

fn offenders(client: &Client, global: &Global, sort: Option<SortKey>) -> Result<(), Failed> {
    let sort = sort.map_or("", |SortKey::Count| "&sort=count");
    let page: Page<view::Offender> = client.get(&format!("/v1/offenders?limit=10000{sort}"))?;
    let by_count = !sort.is_empty();
    if global.json {
        show::json(&page.items)
    } else {
        show::print(&show::offenders(&page.items, by_count))
    }
}

/// Asks the kernel about a subject; a negative answer when it is neither banned nor throttled.
pub(crate) fn check(client: &Client, global: &Global, subject: Subject) -> Result<bool, Failed> {
    let check: view::Check = client.get(&format!("/v1/check?subject={subject}"))?;
    if global.json {
        show::json(&check)?;
    } else {
        show::print(&show::check(&check))?;
    }
    Ok(matches!(check.verdict.as_str(), "banned" | "throttled"))
}

/// Tells the whole story of a subject.
pub(crate) fn why(client: &Client, global: &Global, subject: Subject) -> Result<(), Failed> {
    let why: view::Why = client.get(&format!("/v1/why?subject={subject}"))?;
    if global.json { show::json(&why) } else { show::print(&show::why(&why)) }
}

/// Shows the traps and their catch.
pub(crate) fn traps(client: &Client, global: &Global) -> Result<(), Failed> {
    let traps: Vec<view::Trap> = client.get("/v1/traps")?;
    if global.json { show::json(&traps) } else { show::print(&show::traps(&traps)) }
}

/// Shows the journal, and goes on if so told until the user ends it.
pub(crate) fn events(
    client: &Client,
    global: &Global,
    follow: bool,
    since: Option<Span>,
    subject: Option<Subject>,
) -> Result<(), Failed> {
    let since = match since {
        Some(Span::For(length)) => format!("&since={}", length.as_secs()),
        Some(Span::Forever) | None => String::new(),
    };
    let subject = subject.map_or(String::new(), |subject| format!("&subject={subject}"));
    let entries: Vec<view::Entry> =
        client.get(&format!("/v1/events?limit=10000{since}{subject}"))?;
    if !follow {
        return if global.json {
            show::json(&entries)
        } else {
            show::print(&show::entries(&entries))
        };
    }
    let mut last = entries.last().map_or(0, |entry| entry.id);
    print_lines(&entries, global)?;
    loop {
        thread::sleep(FOLLOW_EVERY);
        let path = format!("/v1/events?after={last}{subject}");
        let entries: Vec<view::Entry> = client.get(&path)?;
        last = entries.last().map_or(last, |entry| entry.id);
        print_lines(&entries, global)?;
    }
}

/// Prints journal lines, one object a line if JSON is wanted.
fn print_lines(entries: &[view::Entry], global: &Global) -> Result<(), Failed> {
    if global.json {
        for entry in entries {
            let line = serde_json::to_string(entry);
            let line = line.map_err(|error| Failed::bug(error.to_string()))?;
            show::print(&format!("{line}\n"))?;
        }
    } else {
        show::print(&show::entries(entries))?;
    }
    std::io::stdout()
        .flush()
        .map_err(|error| Failed::new(Turn::Negative, format!("cannot print: {error}")))
}
