//! Notes about ports and posture in words, the same in the system log, the ledger and the views.

use crate::{Author, DoorAct, FileDeed, Note, Port, Reach, Subject, service::PortRange};

impl Note {
    /// Returns the note in words if it is about ports, listeners, shares, the control file, knocks or
    /// the posture.
    pub fn words(&self) -> Option<String> {
        Some(match self {
            Self::Listener { port, address, owner, reach, why } => match reach {
                Reach::Pending => format!("{port} on {address} waits for approval: {owner}"),
                reach => format!("{port} on {address} is {reach} ({why}): {owner}"),
            },
            Self::Doors { act, from, ports, service, author, .. } => {
                let done = match act {
                    DoorAct::Open => "opened",
                    DoorAct::Shut => "shut",
                };
                format!("{} {done}{} by {author}", named(service, ports), source(*from))
            }
            Self::DoorsEnded { act, from, ports, cause } => {
                let done = match act {
                    DoorAct::Open => "no longer opened",
                    DoorAct::Shut => "no longer shut",
                };
                format!("{} {done}{}: {cause}", named("", ports), source(*from))
            }
            Self::Posture { posture, author } => format!("posture {posture}, ordered by {author}"),
            Self::Awaiting { what, author, .. } => {
                format!("{what} by {author} rolls back unless it is confirmed")
            }
            Self::Confirmed { what, author } => format!("{what} confirmed by {author}"),
            Self::RolledBack { what, author } => {
                format!("{what} rolled back: {}", undone_by(*author))
            }
            Self::Paused { author, .. } => format!("paused by {author}: nobody is turned away"),
            Self::Resumed { author: Some(author) } => format!("the pause was ended by {author}"),
            Self::Resumed { author: None } => "the pause is over".to_owned(),
            Self::File { path, deed } => match deed {
                FileDeed::Changed(author) => format!("{path} changed by {author}"),
                FileDeed::Restored => format!("{path} has its former text again"),
                FileDeed::LeftAlone => format!(
                    "{path} was written by somebody else meanwhile, and still says what was rolled \
                     back"
                ),
            },
            Self::ClockStepped { seconds } => {
                format!("the clock jumped by {seconds} s; what is in force lasts as long as before")
            }
            Self::Anomaly { origin, severity, evidence } => {
                format!("{origin}, severity {severity}: {evidence}")
            }
            Self::Proposed(one) => format!(
                "{}: proposed for {}, severity {}, number {}",
                one.origin, one.span, one.severity, one.id
            ),
            Self::Dismissed { id, origin, author, .. } => {
                format!("{origin}: proposal {id} dismissed by {author}")
            }
            Self::Ruling(ruling) => {
                let verdict = if ruling.approved { "approved" } else { "denied" };
                format!("{} {verdict} by {}", ruling.of, ruling.author)
            }
            Self::Share { port, provider, step } => step.words(*port, provider),
            Self::Remote { step, .. } => step.words(),
            Self::Knock(news) => news.words(),
            _ => return None,
        })
    }
}

fn source(from: Option<Subject>) -> String {
    from.map(|subject| format!(" for {subject}")).unwrap_or_default()
}

fn undone_by(author: Option<Author>) -> String {
    author.map_or_else(|| "nobody confirmed it".to_owned(), |author| format!("by {author}"))
}

/// Returns ports in words, with the name of the service if one was named.
fn named(service: &str, ports: &[Port]) -> String {
    let ranges: Vec<String> = PortRange::covering(ports).iter().map(ToString::to_string).collect();
    let ports = ranges.join(" ");
    if service.is_empty() { ports } else { format!("{service} ({ports})") }
}
