//! Commands that change something.

use portguard_api::order::{HoldOrder, LiftOrder, LiftedName, MeasureName, OrderDone, PauseOrder};
use portguard_core::{Span, Subject, service::PortRange};

use crate::exit::{Failed, Turn};

use super::{Global, StrengthName, Whom, client::Client};

/// Puts a subject on a list.
pub(crate) fn hold(
    client: &Client,
    global: &Global,
    measure: MeasureName,
    whom: Whom,
    ports: &[PortRange],
) -> Result<(), Failed> {
    let Whom { subject, span, reason } = whom;
    let order = HoldOrder {
        measure,
        subject: subject.to_string(),
        span: span.map(written),
        ports: ports.iter().map(ToString::to_string).collect(),
        reason,
    };
    let done: OrderDone = client.post("/v1/hold", &order)?;
    let until = span.map_or("forever".to_owned(), |span| match span {
        Span::For(_) => format!("for {span}"),
        Span::Forever => "forever".to_owned(),
    });
    let done_to = match measure {
        MeasureName::Allow => "allowed",
        MeasureName::Ban => "banned",
        MeasureName::ThrottleSoft => "throttled softly",
        MeasureName::ThrottleHard => "throttled hard",
    };
    tell(global, &done, &format!("{subject} is {done_to} {until}"))
}

/// Throttles a subject.
pub(crate) fn throttle(
    client: &Client,
    global: &Global,
    strength: StrengthName,
    whom: Whom,
) -> Result<(), Failed> {
    let measure = match strength {
        StrengthName::Soft => MeasureName::ThrottleSoft,
        StrengthName::Hard => MeasureName::ThrottleHard,
    };
    hold(client, global, measure, whom, &[])
}

/// Takes a subject off a list; without a subject: lifts every ban.
pub(crate) fn lift(
    client: &Client,
    global: &Global,
    measure: LiftedName,
    subject: Option<Subject>,
) -> Result<(), Failed> {
    let order = LiftOrder { measure, subject: subject.map(|subject| subject.to_string()) };
    let done: OrderDone = client.post("/v1/lift", &order)?;
    let state = match measure {
        LiftedName::Allow => "no longer on the allow list",
        LiftedName::Throttle => "no longer throttled",
        LiftedName::Ban => "no longer banned",
    };
    let line = match subject {
        Some(subject) => format!("{subject} is {state}"),
        None => format!("{} bans were lifted", done.subjects),
    };
    tell(global, &done, &line)
}

/// Turns nobody away for a while; without a time: ends that.
pub(crate) fn pause(client: &Client, global: &Global, span: Option<Span>) -> Result<(), Failed> {
    let done: OrderDone = client.post("/v1/pause", &PauseOrder { span: span.map(written) })?;
    let line = match span {
        Some(span) => format!("paused for {span}: nobody is turned away"),
        None => "the pause is over".to_owned(),
    };
    tell(global, &done, &line)
}

/// Tells what an order led to.
pub(crate) fn tell(global: &Global, done: &OrderDone, line: &str) -> Result<(), Failed> {
    if global.json {
        super::show::json(done)?;
    } else if !global.quiet {
        println!("{line}");
    }
    if let Some(why) = &done.unwritten {
        eprintln!("warning: in force, but not on disk yet: {why}");
    }
    if done.observed_only {
        let line = "the daemon only observes: nothing was changed in the kernel";
        return Err(Failed::new(Turn::NotEnforced, line)
            .hint("set guard.observe = false in the configuration"));
    }
    Ok(())
}

/// Writes a span so that nothing of it is lost.
pub(crate) fn written(span: Span) -> String {
    match span {
        Span::For(length) => length.as_secs().to_string(),
        Span::Forever => "forever".to_owned(),
    }
}
