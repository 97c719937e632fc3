//! The system log: one line for each journal entry that an operator would tell a colleague.
//!
//! Under systemd standard error is the journal and each line carries its level in front
//! (`sd-daemon(3)`); elsewhere the lines go to standard error as they are. Traps set, touched, ban,
//! unban, permanent ban and stop are worded as Port Trap worded them, for the tools that read them.

use std::{io::Write as _, sync::OnceLock};

use portguard_core::{
    Entry, Family, Health, Level, Measure, Note, Release, ReleaseCause, Subject, Until,
};

/// Writes the entry's lines to the system log.
pub(crate) fn write(entry: &Entry) {
    for line in lines(&entry.note) {
        say(entry.note.level(), &line);
    }
}

/// Says that the ledger took no record for too long.
pub(crate) fn say_lost_record() {
    say(Level::Error, "the ledger takes nothing any more: records are lost until it does");
}

/// Writes one line with its level.
pub(crate) fn say(level: Level, line: &str) {
    let mut out = std::io::stderr().lock();
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(out, "{}{line}", prefix(level));
}

/// Returns the lines that the system log gets for a note.
fn lines(note: &Note) -> Vec<String> {
    match note {
        Note::Started { version } => vec![format!("Enable port traps... (portguard {version})")],
        Note::Stopped { table } => vec![format!("Port traps disabled. ({table})")],
        Note::TrapSet { family, address, port } => {
            vec![format!("Trap started on {} {address}:{}", family_name(*family), port.number)]
        }
        Note::TrapMissing { family, address, port, why } => {
            let family = family_name(*family);
            vec![format!("Trap not started on {family} {address}:{}: {why}", port.number)]
        }
        Note::Offence { peer, origin, excused, .. } => {
            let port = origin.rsplit_once('/').map(|(_, port)| port).unwrap_or_default();
            match (excused, origin.starts_with("trap ")) {
                (Some(_), true) => vec![format!("WHITELISTED trap touched on port {port}: {peer}")],
                (None, true) => vec![format!("Trap touched on port {port}: {peer}")],
                (Some(why), false) => vec![format!("{origin}: {peer} (nothing follows: {why})")],
                (None, false) => vec![format!("{origin}: {peer}")],
            }
        }
        Note::Decision(decision) if decision.measure == Measure::Ban => {
            let name = subject_name(decision.subject);
            let permanent = decision.until == Until::FOREVER;
            vec![format!("{} {name}", if permanent { "Permanent ban" } else { "Ban" })]
        }
        Note::Decision(decision) => {
            vec![format!("{} {}", capitalised(decision.measure), subject_name(decision.subject))]
        }
        Note::Release(Release { subject, measure: Measure::Ban, cause }) => {
            let name = subject_name(*subject);
            vec![match cause {
                ReleaseCause::Expired => format!("Unban {name}"),
                cause => format!("Unban {name} ({cause})"),
            }]
        }
        Note::Release(Release { subject, measure, cause }) => {
            vec![format!("End of {measure} {} ({cause})", subject_name(*subject))]
        }
        Note::Refused { subject, measure, refusal, author } => {
            vec![format!("Refused to {measure} {subject} for {author}: {refusal}")]
        }
        Note::Repaired { what, by } => vec![format!("Repaired: {what} by {by}")],
        Note::Health { source, health } => vec![match health {
            Health::Good => format!("{source}: good again"),
            Health::Degraded(why) => format!("{source}: degraded: {why}"),
            Health::Broken(why) => format!("{source}: broken: {why}"),
        }],
        Note::NotEnforced { why } => vec![format!("NOT ENFORCED by the kernel: {why}")],
        Note::Full { table, dropped } => {
            vec![format!("The {table} list is full; {dropped} had to go")]
        }
        note => note.words().into_iter().collect(),
    }
}

fn subject_name(subject: Subject) -> String {
    format!("{}: {subject}", family_name(subject.family()))
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

const fn capitalised(measure: Measure) -> &'static str {
    match measure {
        Measure::Allow => "Allow",
        Measure::Throttle(portguard_core::Strength::Soft) => "Throttle softly",
        Measure::Throttle(portguard_core::Strength::Hard) => "Throttle hard",
        Measure::Ban => "Ban",
    }
}

/// Returns the level as systemd reads it in front of a line, nothing outside systemd.
fn prefix(level: Level) -> &'static str {
    static UNDER_SYSTEMD: OnceLock<bool> = OnceLock::new();
    let under_systemd = *UNDER_SYSTEMD.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some());
    match (under_systemd, level) {
        (false, _) => "",
        (true, Level::Info) => "<5>",
        (true, Level::Warning) => "<4>",
        (true, Level::Error) => "<3>",
    }
}

#[cfg(test)]
mod tests {
    use portguard_core::{Author, Decision, Evidence, Grade, Port, Protocol, Timestamp};

    use super::*;

    #[test]
    fn lines_read_as_port_trap_wrote_them() {
        let subject: Subject = "192.0.2.7".parse().unwrap();
        let port = Port { protocol: Protocol::Tcp, number: 23 };
        let address = "0.0.0.0".parse().unwrap();
        let offence = |excused| Note::Offence {
            peer: "192.0.2.7".parse().unwrap(),
            subject,
            origin: "trap tcp/23".into(),
            grade: Grade::Handshake,
            evidence: Evidence::default(),
            excused,
        };
        let ban = |until| {
            Note::Decision(Decision {
                subject,
                measure: Measure::Ban,
                ports: Vec::new(),
                until,
                nth_ban: 1,
                reason: "trap tcp/23".into(),
                author: Author::Guard,
            })
        };
        let expired = Release { subject, measure: Measure::Ban, cause: ReleaseCause::Expired };
        for (note, expect) in [
            (
                Note::TrapSet { family: Family::V4, address, port },
                "Trap started on IPv4 0.0.0.0:23",
            ),
            (offence(None), "Trap touched on port 23: 192.0.2.7"),
            (offence(Some("x".into())), "WHITELISTED trap touched on port 23: 192.0.2.7"),
            (ban(Until::at(Timestamp::from_secs(60))), "Ban IPv4: 192.0.2.7"),
            (ban(Until::FOREVER), "Permanent ban IPv4: 192.0.2.7"),
            (Note::Release(expired), "Unban IPv4: 192.0.2.7"),
        ] {
            assert_eq!(lines(&note), [expect]);
        }
    }
}
