//! What can be ordered from the keyboard: the question that is asked back, the way to the daemon,
//! and the words for what became of it. Pure.

use portguard_api::{
    order::{HoldOrder, LiftOrder, LiftedName, MeasureName, OrderDone, PauseOrder},
    port::{CloseOrder, OpenOrder, PostureName, PostureOrder, RulingName, RulingOrder},
    proposal::{ProposalOrder, ProposalVerdict},
};
use serde::Serialize;

use crate::{data::Data, text::span};

/// An order of the operator.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Put a subject on a list.
    Hold(HoldOrder),
    /// Take a subject off a list.
    Lift(LiftOrder),
    /// Open ports.
    Open(OpenOrder),
    /// Close ports.
    Close(CloseOrder),
    /// Approve, deny or forget listeners.
    Rule(RulingOrder),
    /// Change the posture, or settle a change that waits.
    Posture(PostureOrder),
    /// Accept or dismiss a proposed rule, which is described in words.
    Decide(ProposalOrder, String),
    /// Turn nobody away for a while, or go on.
    Pause(PauseOrder),
}

impl Order {
    /// Returns where the daemon takes it.
    pub(crate) const fn path(&self) -> &'static str {
        match self {
            Self::Hold(_) => "/v1/hold",
            Self::Lift(_) => "/v1/lift",
            Self::Open(_) => "/v1/open",
            Self::Close(_) => "/v1/close",
            Self::Rule(_) => "/v1/rulings",
            Self::Posture(_) => "/v1/posture",
            Self::Decide(..) => "/v1/proposals",
            Self::Pause(_) => "/v1/pause",
        }
    }

    /// Returns it as the daemon takes it.
    pub(crate) fn body(&self) -> Vec<u8> {
        fn json(order: &impl Serialize) -> Vec<u8> {
            serde_json::to_vec(order).expect("orders are plain data with names for keys")
        }
        match self {
            Self::Hold(order) => json(order),
            Self::Lift(order) => json(order),
            Self::Open(order) => json(order),
            Self::Close(order) => json(order),
            Self::Rule(order) => json(order),
            Self::Posture(order) => json(order),
            Self::Decide(order, _) => json(order),
            Self::Pause(order) => json(order),
        }
    }

    /// Returns whether it closes the posture, before which it is told what that takes away.
    pub(crate) const fn is_lockdown(&self) -> bool {
        matches!(self, Self::Posture(PostureOrder { order: PostureName::Lockdown }))
    }

    /// Returns what is asked back before it is given: what it does, in one line.
    pub(crate) fn question(&self, data: &Data) -> String {
        match self {
            Self::Hold(order) => hold_question(order),
            Self::Lift(order) => lift_question(order),
            Self::Open(OpenOrder { what, from, span }) => {
                let whom = from.as_deref().unwrap_or("everybody");
                format!(
                    "open {what} for {whom} {}: let new connections in?",
                    until(span.as_deref())
                )
            }
            Self::Close(CloseOrder { what, from: Some(from) }) => {
                format!("close {what} for {from}: end what was opened for it?")
            }
            Self::Close(CloseOrder { what, from: None }) => {
                format!("close {what}: let no new connection in (those that stand are kept)?")
            }
            Self::Rule(order) => rule_question(order),
            Self::Posture(PostureOrder { order }) => posture_question(*order, data),
            Self::Decide(ProposalOrder { id, verdict }, what) => match verdict {
                ProposalVerdict::Accept => format!("accept rule {id}: {what}?"),
                ProposalVerdict::Dismiss => {
                    format!("dismiss rule {id} ({what}): not to be proposed again for that long?")
                }
            },
            Self::Pause(PauseOrder { span: Some(span) }) => {
                format!("pause enforcement for {span}: turn nobody away until then?")
            }
            Self::Pause(PauseOrder { span: None }) => {
                "end the pause: turn offenders away again?".to_owned()
            }
        }
    }

    /// Returns what was done, as the command line says it.
    pub(crate) fn told(&self, done: &OrderDone) -> String {
        let line = match self {
            Self::Hold(HoldOrder { measure, subject, span, .. }) => {
                format!("{subject} is {} {}", held(*measure), until(span.as_deref()))
            }
            Self::Lift(LiftOrder { measure, subject }) => {
                let subject = subject.as_deref().unwrap_or("everybody");
                let state = match measure {
                    LiftedName::Allow => "no longer on the allow list",
                    LiftedName::Throttle => "no longer throttled",
                    LiftedName::Ban => "no longer banned",
                };
                format!("{subject} is {state}")
            }
            Self::Open(OpenOrder { what, from, .. }) => {
                let whom = from.as_ref().map(|from| format!(" for {from}")).unwrap_or_default();
                format!("{what} is open{whom}")
            }
            Self::Close(CloseOrder { what, .. }) => format!("{what} is closed"),
            Self::Rule(RulingOrder { what, verdict }) => {
                let what = what.as_deref().unwrap_or("all that waited");
                format!("{what} {}", ruled(*verdict))
            }
            Self::Posture(PostureOrder { order }) => match order {
                PostureName::Lockdown => "posture closed",
                PostureName::Relax => "posture open",
                PostureName::Confirm => "confirmed",
                PostureName::Rollback => "rolled back",
            }
            .to_owned(),
            Self::Decide(ProposalOrder { id, verdict }, _) => match verdict {
                ProposalVerdict::Accept => format!("rule {id} is in force"),
                ProposalVerdict::Dismiss => format!("rule {id} is dismissed"),
            },
            Self::Pause(PauseOrder { span: Some(_) }) => "enforcement is paused".to_owned(),
            Self::Pause(PauseOrder { span: None }) => "enforcement goes on".to_owned(),
        };
        let refused = done.refused.iter().map(|one| format!("; {}: {}", one.subject, one.why));
        let refused: String = refused.collect();
        let unwritten = done.unwritten.as_ref();
        let unwritten = unwritten.map(|why| format!("; in force, but not on disk yet: {why}"));
        format!("{line}{refused}{}", unwritten.unwrap_or_default())
    }
}

fn hold_question(order: &HoldOrder) -> String {
    let HoldOrder { measure, subject, span, ports, reason } = order;
    let until = until(span.as_deref());
    let what = match measure {
        MeasureName::Ban if ports.is_empty() => {
            format!("ban {subject} {until}: drop what it sends")
        }
        MeasureName::Ban => {
            format!("ban {subject} {until}: drop what it sends to {}", ports.join(","))
        }
        MeasureName::Allow => format!("allow {subject} {until}: let it in whatever it does"),
        MeasureName::ThrottleSoft => {
            format!("throttle {subject} soft {until}: hold it to the rates of [throttle.soft]")
        }
        MeasureName::ThrottleHard => {
            format!("throttle {subject} hard {until}: hold it to the rates of [throttle.hard]")
        }
    };
    if reason.is_empty() { format!("{what}?") } else { format!("{what} ({reason})?") }
}

fn lift_question(order: &LiftOrder) -> String {
    let subject = order.subject.as_deref().unwrap_or("everybody");
    match order.measure {
        LiftedName::Ban => format!("unban {subject}: let it in again, and remember its offences?"),
        LiftedName::Throttle => format!("unthrottle {subject}: hold it to no rates any more?"),
        LiftedName::Allow => format!("disallow {subject}: take it off the allow list?"),
    }
}

fn rule_question(order: &RulingOrder) -> String {
    let what = order.what.as_deref().unwrap_or("all that waits");
    match order.verdict {
        RulingName::Approve => format!("approve {what}: open its port while it listens?"),
        RulingName::Deny => format!("deny {what}: keep its port closed, whatever else approves?"),
        RulingName::Forget => format!("forget what was said of {what}?"),
    }
}

fn posture_question(order: PostureName, data: &Data) -> String {
    let waits = data.status.as_ref().and_then(|status| status.pending.as_ref());
    let waits = waits.map_or("nothing waits", |pending| pending.what.as_str());
    match order {
        PostureName::Lockdown => {
            let Some(preview) = &data.lockdown else {
                return "lockdown: let nothing in but what is open by a rule?".to_owned();
            };
            let lost: Vec<&str> = preview.unreachable.iter().map(|row| row.port.as_str()).collect();
            let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") };
            let kept = preview.kept.len() + preview.kept_more;
            let back = preview
                .confirm_within
                .map(|left| format!("; rolls back in {} unless confirmed", span(Some(left))));
            let back = back.unwrap_or_default();
            format!("lockdown: {lost} becomes unreachable, {kept} connections are kept{back}?")
        }
        PostureName::Relax => "relax: let everything in but offenders?".to_owned(),
        PostureName::Confirm => format!("confirm: keep the change that waits ({waits})?"),
        PostureName::Rollback => format!("rollback: undo the change that waits ({waits}) now?"),
    }
}

const fn held(measure: MeasureName) -> &'static str {
    match measure {
        MeasureName::Allow => "allowed",
        MeasureName::Ban => "banned",
        MeasureName::ThrottleSoft => "throttled softly",
        MeasureName::ThrottleHard => "throttled hard",
    }
}

const fn ruled(verdict: RulingName) -> &'static str {
    match verdict {
        RulingName::Approve => "approved",
        RulingName::Deny => "denied",
        RulingName::Forget => "forgotten",
    }
}

fn until(span: Option<&str>) -> String {
    match span {
        None | Some("forever") => "forever".to_owned(),
        Some(span) => format!("for {span}"),
    }
}
