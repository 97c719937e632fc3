//! The touches in Port Trap's database as offenders and bans that are still due.

use std::{collections::BTreeMap, net::IpAddr};

use portguard_core::{Author, List, ListedHold, Offender, Subject, Timestamp, Until};
use portguard_store::port_trap::Touch;

use super::{DATABASE, list::Spared};

/// State of a touch whose ban is in force.
const IN_FORCE: i64 = 1;
/// State of a touch whose address is banned forever.
const FOREVER: i64 = 8;

/// Who offended how often, and which bans are due at `now`.
pub(super) type Past = (Vec<(Subject, Offender)>, Vec<ListedHold>);

/// Returns what the touches amount to; an address that is spared has no past.
pub(super) fn judge(
    touches: &[Touch],
    spared: &Spared,
    permanent_after: Option<u32>,
    now: Timestamp,
    report: &mut Vec<String>,
) -> Past {
    let mut by_address: BTreeMap<Subject, Vec<&Touch>> = BTreeMap::new();
    for touch in touches {
        match whose(touch, spared) {
            Ok(subject) => by_address.entry(subject).or_default().push(touch),
            Err(why) => report.push(format!("{DATABASE}: row {} is skipped: {why}", touch.id)),
        }
    }
    let mut offenders = Vec::new();
    let mut holds = Vec::new();
    for (subject, touches) in by_address {
        let Some(past) = offender(&touches) else { continue };
        offenders.push((subject, past));
        holds.extend(hold(subject, &touches, past, permanent_after, now));
    }
    let forever = holds.iter().filter(|hold| hold.until == Until::FOREVER).count();
    let (all, timed) = (offenders.len(), holds.len() - forever);
    report.push(format!(
        "{DATABASE}: {all} offenders, {timed} bans with an end and {forever} forever"
    ));
    (offenders, holds)
}

fn whose(touch: &Touch, spared: &Spared) -> Result<Subject, String> {
    let written = touch.address.trim();
    let address: IpAddr = written.parse().map_err(|_| format!("`{written}` is no address"))?;
    if u64::try_from(touch.at).is_err() {
        return Err(format!("its time is {}", touch.at));
    }
    if let Some(why) = Subject::address(address).never_a_stranger() {
        return Err(format!("{address} {why}"));
    }
    if spared.contains(address) {
        return Err(format!("{address} is on the allow list"));
    }
    Ok(Subject::address(address))
}

fn offender(touches: &[&Touch]) -> Option<Offender> {
    let count = u32::try_from(touches.len()).unwrap_or(u32::MAX);
    let first = touches.iter().map(|touch| touch.at).min()?;
    let last = touches.iter().map(|touch| touch.at).max()?;
    Some(Offender { offences: count, bans: count, first: moment(first), last: moment(last) })
}

fn hold(
    subject: Subject,
    touches: &[&Touch],
    past: Offender,
    permanent_after: Option<u32>,
    now: Timestamp,
) -> Option<ListedHold> {
    // Port Trap looks only now and then for those who have reached the number.
    let is_forever = touches.iter().any(|touch| touch.state == FOREVER)
        || permanent_after.is_some_and(|number| past.bans >= number);
    let end = touches.iter().filter(|touch| touch.state == IN_FORCE).map(|touch| touch.until).max();
    let until = match end {
        _ if is_forever => Until::FOREVER,
        Some(end) if moment(end) > now => Until::at(moment(end)),
        _ => return None,
    };
    let place = touches.last().map_or("unknown", |touch| touch.place.as_str());
    Some(ListedHold {
        list: List::Ban,
        subject,
        ports: Vec::new(),
        since: past.last,
        until,
        nth_ban: past.bans,
        author: Author::Import,
        reason: format!("Port Trap: touched the trap on {place}").into(),
    })
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_secs(u64::try_from(seconds).unwrap_or(0))
}
