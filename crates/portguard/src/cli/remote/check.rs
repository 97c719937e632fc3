//! `remote check`: fetches a control file as the daemon would, judges it, and orders nothing.

use std::path::{Path, PathBuf, absolute};

use portguard_reach::{
    control::{Fetched, Judged, Mark, Place, Rules, Validators, fetch, judge},
    key::{self, PublicKey},
};
use serde_json::json;

use crate::{
    clock,
    config::{self, Config, RemotePlan, remote_last_file},
    daemon::LastFile,
    exit::{Failed, Turn, with_causes},
};

use super::super::{Global, show};

/// What a check led to.
struct Outcome {
    judged: Result<Judged, String>,
    /// Lines that would be left out, and why.
    left_out: Vec<(u32, String)>,
    /// Why a replay would not have been seen.
    blind: Option<String>,
}

/// Checks a file; returns whether all of it would be carried out.
pub(super) fn check(global: &Global, what: Option<&str>, keys: &[PathBuf]) -> Result<bool, Failed> {
    let loaded = config::load(&global.config, &config::Surroundings::default());
    let config = loaded.map_err(|mistakes| config::failed(&mistakes))?.config;
    let place = match what {
        Some(what) => place(what)?,
        None => config.remote_plan().map(|plan| plan.place).ok_or_else(|| {
            Failed::new(Turn::Usage, "there is no control file: remote.url is empty")
                .hint("name a file or an address")
        })?,
    };
    let mut rules = config.remote.rules();
    if !keys.is_empty() {
        rules.keys = keys.iter().map(|file| public(file)).collect::<Result<_, _>>()?;
    }
    let outcome = outcome(&config, &place, &rules)?;
    if global.json {
        as_json(&outcome)?;
    } else {
        as_text(&outcome)?;
    }
    Ok(outcome.judged.is_ok() && outcome.left_out.is_empty())
}

fn place(what: &str) -> Result<Place, Failed> {
    if what.contains("://") || what.starts_with("file:") {
        let place = Place::read(what);
        return place.map_err(|error| Failed::new(Turn::Usage, format!("`{what}` {error}")));
    }
    let path = absolute(what).map_err(|error| Failed::new(Turn::Usage, error.to_string()))?;
    Ok(Place::File(path))
}

fn public(file: &Path) -> Result<PublicKey, Failed> {
    key::show(file).map_err(|error| Failed::new(Turn::Usage, with_causes(&error)))
}

fn outcome(config: &Config, place: &Place, rules: &Rules) -> Result<Outcome, Failed> {
    let kinds = RemotePlan::kinds_of(rules);
    let fetched = fetch(place, &Validators::default(), &kinds).map_err(|error| {
        let line = format!("cannot fetch {place}: {}", with_causes(&error));
        Failed::new(Turn::Negative, line)
    })?;
    let received = match fetched {
        Fetched::New { received, .. } => received,
        Fetched::Unchanged => return Err(Failed::bug("nothing was known that could be unchanged")),
    };
    let (mark, blind): (Option<Mark>, _) =
        match LastFile::read(&remote_last_file(&config.guard.state_dir)) {
            Ok(last) => (last.map(|last| last.mark()), None),
            Err(error) => (None, Some(with_causes(&error))),
        };
    let judged = judge(&received, rules, mark.as_ref(), clock::now());
    let judged = judged.map_err(|rejection| with_causes(&rejection));
    let left_out = judged.as_ref().map(|judged| left_out(config, judged)).unwrap_or_default();
    Ok(Outcome { judged, left_out, blind })
}

fn left_out(config: &Config, judged: &Judged) -> Vec<(u32, String)> {
    let may_drive = |service: &String| config.remote.services.contains(service);
    let orders = judged.reading.orders.iter().filter(|order| !may_drive(&order.service));
    let unknown = orders.map(|order| {
        (order.line, format!("names `{}`, which is not in remote.services", order.service))
    });
    let faults = judged.reading.faults.iter();
    let faults = faults.map(|fault| (fault.line, with_causes(&fault.why)));
    let mut all: Vec<(u32, String)> = faults.chain(unknown).collect();
    all.sort();
    all
}

fn as_text(outcome: &Outcome) -> Result<(), Failed> {
    if let Some(why) = &outcome.blind {
        eprintln!("warning: whether it is a replay is not known: {why}");
    }
    let judged = match &outcome.judged {
        Ok(judged) => judged,
        Err(why) => return show::print(&format!("rejected: {why}\n")),
    };
    let signed = match (&judged.stamp, &judged.signer) {
        (Some(stamp), Some(signer)) => format!(
            "serial {}, signed by {signer} ({}) at {}",
            stamp.serial,
            signer.fingerprint(),
            clock::rfc3339(stamp.time)
        ),
        _ => "unsigned".to_owned(),
    };
    let known = if judged.is_known { ", in effect already" } else { "" };
    let mut lines = vec![format!("counts: {signed}{known}")];
    let is_left_out = |number: u32| outcome.left_out.iter().any(|(line, _)| *line == number);
    let orders = judged.reading.orders.iter().filter(|order| !is_left_out(order.line));
    lines.extend(orders.map(|order| format!("line {}: {order}", order.line)));
    let left_out = outcome.left_out.iter();
    lines.extend(left_out.map(|(line, why)| format!("line {line}: left out: it {why}")));
    if judged.reading.more_faults > 0 {
        lines.push(format!("more lines left out: {}", judged.reading.more_faults));
    }
    show::print(&(lines.join("\n") + "\n"))
}

fn as_json(outcome: &Outcome) -> Result<(), Failed> {
    let judged = outcome.judged.as_ref();
    let stamp = judged.ok().and_then(|judged| judged.stamp);
    let signer = judged.ok().and_then(|judged| judged.signer.as_ref());
    let orders = judged.map(|judged| &*judged.reading.orders).unwrap_or_default();
    let order = |order: &portguard_reach::control::Order| json!({ "line": order.line, "order": order.to_string() });
    let left_out = outcome.left_out.iter().map(|(line, why)| json!({ "line": line, "why": why }));
    show::json(&json!({
        "counts": judged.is_ok(),
        "why": judged.err(),
        "serial": stamp.map(|stamp| stamp.serial),
        "time": stamp.map(|stamp| clock::rfc3339(stamp.time)),
        "signer": signer.map(ToString::to_string),
        "fingerprint": signer.map(PublicKey::fingerprint),
        "in_effect": judged.is_ok_and(|judged| judged.is_known),
        "orders": orders.iter().map(order).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
    }))
}
