//! Commands about ports, listeners and the posture.

use std::fmt::Write as _;

use portguard_api::{
    order::OrderDone,
    port::{
        CloseOrder, Door, Lockdown, OpenOrder, Pending, PortRow, PostureName, PostureOrder, Ruling,
        RulingName, RulingOrder, Session,
    },
};
use portguard_core::{Span, Subject};

use crate::exit::Failed;

use super::{
    Global, PortsCommand, Which,
    client::Client,
    order::{tell, written},
    show,
};

/// Shows the ports.
pub(crate) fn list(client: &Client, global: &Global, all: bool) -> Result<(), Failed> {
    let rows: Vec<PortRow> = client.get(&format!("/v1/ports?all={all}"))?;
    if global.json { show::json(&rows) } else { show::print(&port_table(&rows)) }
}

/// Carries out what is said of listening sockets.
pub(crate) fn rule(client: &Client, global: &Global, command: PortsCommand) -> Result<(), Failed> {
    let (verdict, what) = match command {
        PortsCommand::Rulings => return rulings(client, global),
        PortsCommand::Approve { which } => (RulingName::Approve, words(&which)),
        PortsCommand::Deny { which } => (RulingName::Deny, words(&which)),
        PortsCommand::Forget { what } => (RulingName::Forget, Some(what.join(" "))),
    };
    let done: OrderDone =
        client.post("/v1/rulings", &RulingOrder { what: what.clone(), verdict })?;
    let said = match verdict {
        RulingName::Approve => "approved",
        RulingName::Deny => "denied",
        RulingName::Forget => "forgotten",
    };
    let line = match what {
        Some(what) => format!("{what} {said}"),
        None => format!("{} listeners {said}", done.subjects),
    };
    tell(global, &done, &line)
}

fn words(which: &Which) -> Option<String> {
    (!which.current).then(|| which.what.join(" "))
}

fn rulings(client: &Client, global: &Global) -> Result<(), Failed> {
    let rulings: Vec<Ruling> = client.get("/v1/rulings")?;
    if global.json {
        return show::json(&rulings);
    }
    let rows = rulings.iter().map(|ruling| {
        let verdict = if ruling.approved { "approved" } else { "denied" };
        vec![verdict.to_owned(), ruling.what.clone(), ruling.since.clone(), ruling.author.clone()]
    });
    show::print(&show::table(&["VERDICT", "WHAT", "SINCE", "BY"], rows.collect()))
}

/// Opens ports.
pub(crate) fn open(
    client: &Client,
    global: &Global,
    what: &str,
    from: Option<Subject>,
    span: Option<Span>,
) -> Result<(), Failed> {
    let from_text = from.map(|from| from.to_string());
    let order =
        OpenOrder { what: what.to_owned(), from: from_text.clone(), span: span.map(written) };
    let done: OrderDone = client.post("/v1/open", &order)?;
    let whom = from_text.map(|from| format!(" for {from}")).unwrap_or_default();
    let until = match span {
        Some(Span::For(_)) => span.map(|span| format!(", {span} long")).unwrap_or_default(),
        Some(Span::Forever) | None => String::new(),
    };
    tell(global, &done, &format!("{what} is open{whom}{until}"))
}

/// Closes ports.
pub(crate) fn close(
    client: &Client,
    global: &Global,
    what: &str,
    from: Option<Subject>,
) -> Result<(), Failed> {
    let from = from.map(|from| from.to_string());
    let order = CloseOrder { what: what.to_owned(), from: from.clone() };
    let done: OrderDone = client.post("/v1/close", &order)?;
    let whom = from.map(|from| format!(" for {from}")).unwrap_or_default();
    tell(global, &done, &format!("{what} is closed{whom}"))?;
    tell_pending(client, global)
}

/// Lists the ports that somebody opened or shut.
pub(crate) fn doors(client: &Client, global: &Global, for_some: bool) -> Result<(), Failed> {
    let mut doors: Vec<Door> = client.get("/v1/doors")?;
    doors.retain(|door| door.from.is_some() == for_some);
    if global.json {
        return show::json(&doors);
    }
    let rows = doors.iter().map(|door| {
        vec![
            door.port.clone(),
            door.act.clone(),
            door.from.clone().unwrap_or_else(|| "everybody".to_owned()),
            show::left(door.seconds_left),
            door.author.clone(),
            door.service.clone().unwrap_or_default(),
        ]
    });
    show::print(&show::table(&["PORT", "IS", "FOR", "LEFT", "BY", "SERVICE"], rows.collect()))
}

/// Tells what a lockdown takes away, and carries it out unless only that was asked.
pub(crate) fn lockdown(client: &Client, global: &Global, dry_run: bool) -> Result<(), Failed> {
    let preview: Lockdown = client.get("/v1/lockdown")?;
    if global.json && dry_run {
        return show::json(&preview);
    }
    if !global.quiet && !global.json {
        show::print(&preview_text(&preview))?;
    }
    if dry_run { Ok(()) } else { posture(client, global, PostureName::Lockdown) }
}

/// Changes the posture, or settles a change that waits.
pub(crate) fn posture(client: &Client, global: &Global, order: PostureName) -> Result<(), Failed> {
    let done: OrderDone = client.post("/v1/posture", &PostureOrder { order })?;
    let line = match order {
        PostureName::Lockdown => "posture closed",
        PostureName::Relax => "posture open",
        PostureName::Confirm => "confirmed",
        PostureName::Rollback => "rolled back",
    };
    tell(global, &done, line)?;
    if order == PostureName::Lockdown { tell_pending(client, global) } else { Ok(()) }
}

/// Reminds of a change that waits for confirmation.
pub(crate) fn tell_pending(client: &Client, global: &Global) -> Result<(), Failed> {
    if global.quiet {
        return Ok(());
    }
    let pending: Option<Pending> = client.get("/v1/pending")?;
    pending.iter().for_each(remind);
    Ok(())
}

/// Says what waits, and what can be done.
pub(crate) fn remind(pending: &Pending) {
    eprintln!("{}", reminder(pending));
    eprintln!("hint: portguard confirm keeps it, portguard rollback undoes it now");
}

/// Returns one line about a change that waits.
pub(crate) fn reminder(pending: &Pending) -> String {
    let left = show::left(pending.seconds_left);
    format!("{} rolls back in {left} unless confirmed", pending.what)
}

fn preview_text(preview: &Lockdown) -> String {
    let mut out = String::new();
    if preview.unreachable.is_empty() {
        out.push_str("nothing that can be reached now becomes unreachable\n");
    } else {
        out.push_str("becomes unreachable:\n");
        out.push_str(&port_table(&preview.unreachable));
    }
    if !preview.kept.is_empty() {
        out.push_str("\nlive connections that are kept:\n");
        out.push_str(&session_table(&preview.kept));
        if preview.kept_more > 0 {
            // Writing to a string does not fail.
            let _ = writeln!(out, "and {} more", preview.kept_more);
        }
    }
    out
}

fn session_table(sessions: &[Session]) -> String {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows = sessions.iter().map(|session| {
        vec![
            session.peer.clone(),
            session.local.clone(),
            dash(&session.process),
            dash(&session.user),
        ]
    });
    show::table(&["PEER", "HERE", "PROCESS", "USER"], rows.collect())
}

/// Returns ports as text.
fn port_table(rows: &[PortRow]) -> String {
    let rows = rows.iter().map(|row| {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let pid = row.pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
        let process = row.process.as_ref().map(|name| format!("{name}{pid}"));
        let owner = [&row.unit, &row.container].into_iter().flatten();
        let place: Vec<&str> = owner.map(String::as_str).collect();
        let mut why = row.why.clone();
        if !row.open_for.is_empty() {
            why = format!("{why}; open for {}", row.open_for.join(", "));
        }
        if let (Some(service), Some(rate)) = (&row.service, &row.rate) {
            why = format!("{why}; {service} at most {rate} per source");
        }
        vec![
            row.port.clone(),
            row.address.clone().unwrap_or_else(|| match row.rule.as_str() {
                "forward" => "every address".to_owned(),
                _ => "nobody listens".to_owned(),
            }),
            row.reach.clone(),
            dash(&process),
            if place.is_empty() { "-".to_owned() } else { place.join(" ") },
            dash(&row.user),
            why,
        ]
    });
    let heads = ["PORT", "ADDRESS", "REACH", "PROCESS", "UNIT", "USER", "WHY"];
    show::table(&heads, rows.collect())
}
