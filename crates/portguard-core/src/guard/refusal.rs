//! Why the guard would not do what it was asked: a value, not an error.

use std::fmt;

use crate::{Approval, Measure, Port, Posture, Subject};

/// What the guard would not do, in one line, and a way out where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Refusal {
    /// Why not: lower case, naming the subject.
    pub why: String,
    /// What to do instead.
    pub hint: Option<String>,
}

impl Refusal {
    pub(super) fn protected(subject: Subject, why: &str) -> Self {
        Self {
            why: format!("{subject} is protected: it {why}"),
            hint: Some("see [protect] in the configuration".to_owned()),
        }
    }

    pub(super) fn covers_protected(subject: Subject, inside: Subject, why: &str) -> Self {
        Self {
            why: format!("{subject} contains {inside}, which is protected: it {why}"),
            hint: Some("use a narrower network".to_owned()),
        }
    }

    pub(super) fn allowed(subject: Subject, by: Subject, reason: &str) -> Self {
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let part = if by == subject { String::new() } else { format!(" as part of {by}") };
        Self {
            why: format!("{subject} is on the allow list{part}{reason}"),
            hint: Some(format!("portguard disallow {by}")),
        }
    }

    pub(super) fn banned(subject: Subject, by: Subject) -> Self {
        let part = if by == subject { String::new() } else { format!(" as part of {by}") };
        Self {
            why: format!("{subject} is banned{part}"),
            hint: Some(format!("portguard unban {by}")),
        }
    }

    pub(super) fn matches_pattern(subject: Subject, pattern: &str) -> Self {
        Self {
            why: format!("{subject} matches the allow pattern `{pattern}`"),
            hint: Some("see allow.patterns in the configuration".to_owned()),
        }
    }

    pub(super) fn no_such_pause() -> Self {
        Self {
            why: "a pause lasts some time, and a day at most".to_owned(),
            hint: Some("to guard nothing for longer, stop the daemon".to_owned()),
        }
    }

    pub(super) fn not_paused() -> Self {
        Self { why: "nothing is paused".to_owned(), hint: None }
    }

    pub(super) fn no_proposal(id: u64) -> Self {
        Self {
            why: format!("no proposed rule has the number {id}"),
            hint: Some("see portguard list proposals".to_owned()),
        }
    }

    pub(super) fn not_held(subject: Subject, what: &str) -> Self {
        Self { why: format!("{subject} is not {what}"), hint: None }
    }

    pub(super) fn part_of(subject: Subject, by: Subject, what: &str, lift: &str) -> Self {
        Self {
            why: format!("{subject} is {what} as part of {by}"),
            hint: Some(format!("portguard {lift} {by}")),
        }
    }

    pub(super) fn from_configuration(subject: Subject) -> Self {
        Self {
            why: format!("{subject} is on the allow list by the configuration"),
            hint: Some("take it out of [allow] and reload".to_owned()),
        }
    }

    pub(super) fn full(measure: Measure, cap: usize) -> Self {
        Self {
            why: format!("the {measure} list is full: it holds {cap} subjects"),
            hint: Some("use networks in place of single addresses".to_owned()),
        }
    }

    pub(super) fn ports_only_with_ban(measure: Measure) -> Self {
        Self {
            why: format!("{measure} can not be limited to ports"),
            hint: Some("only a ban can".to_owned()),
        }
    }

    pub(super) fn never(port: Port) -> Self {
        Self {
            why: format!("{port} is in ports.never"),
            hint: Some("take it out of ports.never and reload".to_owned()),
        }
    }

    pub(super) fn too_many_ports_of_an_order(count: usize, most: usize) -> Self {
        Self {
            why: format!("{count} ports are too many for one order; at most {most}"),
            hint: Some("`portguard relax` opens all of them, ports.always takes ranges".to_owned()),
        }
    }

    pub(super) fn doors_full(cap: usize) -> Self {
        Self {
            why: format!("{cap} ports are opened or shut by order, which is the most"),
            hint: Some("write them into ports.always or ports.never".to_owned()),
        }
    }

    pub(super) fn no_grant(ports: &[Port], from: Option<Subject>) -> Self {
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let from = from.map(|subject| subject.to_string()).unwrap_or_default();
        Self {
            why: format!("{} is not opened for {from}", ports.join(" ")),
            hint: Some("portguard list grants".to_owned()),
        }
    }

    pub(super) fn posture_is(posture: Posture) -> Self {
        Self { why: format!("the posture is {posture} already"), hint: None }
    }

    pub(super) fn nothing_pending() -> Self {
        Self { why: "nothing waits for confirmation".to_owned(), hint: None }
    }

    pub(super) fn pending(what: &str) -> Self {
        Self {
            why: format!("{what} waits for confirmation"),
            hint: Some("portguard confirm, or portguard rollback".to_owned()),
        }
    }

    pub(super) fn rulings_full(most: usize) -> Self {
        Self {
            why: format!("{most} approvals and denials were given, which is the most"),
            hint: Some("write them into [[ports.approve]]".to_owned()),
        }
    }

    pub(super) fn way_in(port: Port) -> Self {
        Self {
            why: format!("that would close {port}, by which operators come in"),
            hint: Some(format!("portguard close {port} does, until it is confirmed")),
        }
    }

    pub(super) fn last_way_in(port: Port, person: Subject) -> Self {
        Self {
            why: format!("{port} is the last way in for {person}, whom [protect] guards"),
            hint: Some("open another one first, or close it on this host".to_owned()),
        }
    }

    pub(super) fn no_ruling(of: &Approval) -> Self {
        Self { why: format!("nothing was said of `{of}`"), hint: None }
    }

    pub(super) fn too_many_ports(count: usize, most: usize) -> Self {
        Self {
            why: format!("{count} ports are too many for one ban; at most {most}"),
            hint: Some("ban the address for all ports".to_owned()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
