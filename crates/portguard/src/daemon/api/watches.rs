//! Watches and standing scans, and trying a rule on lines.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State};
use portguard_api::{
    Problem,
    watch::{Judged, Scan, Trial, TrialResult, Watch},
};
use portguard_core::{List, Snapshot, Timestamp};
use portguard_read::{Judgement, Reader, Sighting, Verdict};
use tokio::sync::Semaphore;

use crate::{
    clock::{self, rfc3339},
    config::ScanPlan,
    daemon::source::{
        record::ScanSeen,
        watches::{Watched, journal_name, name},
    },
    rule::{AnyRule, Folders, hint},
};

use super::{Desk, answer::Failure, ask::with_guard, role::MayRead};

/// Most text of a trial, in bytes.
const LARGEST_TRIAL: usize = 256 << 10;

/// Longest name of a rule with its options, in bytes.
const LONGEST_RULE: usize = 1_024;

/// Most lines of which the judgements are told one by one.
const MOST_JUDGED: usize = 10_000;

/// Longest part of a line that is looked at, in bytes, as in a watch.
const LONGEST_LINE: usize = 64 << 10;

/// How long a trial may take; a rule that is good for a watch takes a hundredth of it.
const TRIAL_PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is to try a rule: one at a time, so that trials take no more than one processor.
pub(crate) struct Trials(Arc<Semaphore>);

impl Default for Trials {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// The watches and what they have seen.
#[utoipa::path(get, path = "/v1/watches", responses((status = 200, body = Vec<Watch>), (status = 403, body = Problem)))]
pub(super) async fn watches(
    _: MayRead,
    State(desk): State<Desk>,
) -> Result<Json<Vec<Watch>>, Failure> {
    let snapshot = with_guard(&desk, portguard_core::Guard::snapshot).await?;
    let watches = desk.watches.watches().into_iter();
    Ok(Json(watches.map(|watched| watch(&watched, &snapshot)).collect()))
}

fn watch(watched: &Watched, snapshot: &Snapshot) -> Watch {
    let Watched { plan, seen } = watched;
    let (health, detail) = health(&[name(plan), journal_name(plan)], snapshot);
    let matches = plan.journal.iter().flat_map(|journal| &journal.matches);
    let (last_line, last_at) = seen.last().unzip();
    Watch {
        name: plan.name.clone(),
        rule: plan.rule.clone(),
        sources: plan.files.iter().chain(matches).cloned().collect(),
        howmany: plan.howmany,
        within: plan.within.as_secs(),
        health: health.to_owned(),
        detail,
        lines: seen.lines,
        failures: seen.failures,
        offences: seen.offences,
        failures_last_hour: seen.failures_last_hour(clock::now()),
        last_line,
        last_at: last_at.map(rfc3339),
    }
}

/// Returns the worst health of sources, and what is missing of each.
fn health(names: &[String], snapshot: &Snapshot) -> (&'static str, Option<String>) {
    use portguard_core::Health::{Broken, Degraded, Good};
    let mut names = names.to_vec();
    names.dedup();
    let (mut worst, mut details) = ("good", Vec::new());
    for state in names.iter().filter_map(|name| snapshot.sources.get(name.as_str())) {
        match &state.health {
            Good => {}
            Degraded(why) => {
                worst = if worst == "good" { "degraded" } else { worst };
                details.push(why.as_str());
            }
            Broken(why) => {
                worst = "broken";
                details.push(why);
            }
        }
    }
    (worst, (!details.is_empty()).then(|| details.join("; ")))
}

/// The standing scans of packet decisions and what they found.
#[utoipa::path(get, path = "/v1/scans", responses((status = 200, body = Vec<Scan>), (status = 403, body = Problem)))]
pub(super) async fn scans(_: MayRead, State(desk): State<Desk>) -> Json<Vec<Scan>> {
    let scans = desk.record.scans();
    Json(scans.into_iter().map(|(plan, seen)| scan(&plan, &seen)).collect())
}

fn scan(plan: &ScanPlan, seen: &ScanSeen) -> Scan {
    let kind = match plan.protocols {
        [] => "any",
        [6] => "tcp",
        [17] => "udp",
        _ => "icmp",
    };
    let set = match plan.measure.list() {
        List::Allow => "whitelist",
        List::Ban => "blacklist",
        other => other.name(),
    };
    Scan {
        rule: match plan.verdict {
            Verdict::Blocked => "blocked",
            Verdict::Allowed => "allowed",
        }
        .to_owned(),
        kind: kind.to_owned(),
        howmany: plan.howmany,
        within: plan.within.duration().as_secs(),
        set: set.to_owned(),
        remove_after: match plan.span {
            portguard_core::Span::For(length) => Some(length.as_secs()),
            portguard_core::Span::Forever => None,
        },
        found: seen.found,
        last_subject: seen.last.map(|(source, _)| source.to_string()),
        last_at: seen.last.map(|(_, at)| rfc3339(at)),
    }
}

/// What a rule makes of lines. Nothing follows from them.
#[utoipa::path(post, path = "/v1/rule-test", request_body = Trial,
    responses((status = 200, body = TrialResult), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn try_rule(
    _: MayRead,
    State(desk): State<Desk>,
    Json(trial): Json<Trial>,
) -> Result<Json<TrialResult>, Failure> {
    if trial.text.len() > LARGEST_TRIAL || trial.rule.len() > LONGEST_RULE {
        let what = format!(
            "a trial takes at most {LARGEST_TRIAL} bytes of lines and {LONGEST_RULE} of the rule"
        );
        return Err(Failure::usage(&what));
    }
    if !is_plain(&trial.rule) {
        let what = format!("`{}` is no name of a rule; paths are not taken", trial.rule);
        return Err(Failure::usage(&what));
    }
    let turn = desk.views.trials.0.clone().acquire_owned().await;
    let turn = turn.map_err(|error| Failure::unavailable(&error))?;
    let folders = desk.watches.folders();
    let tried = tokio::task::spawn_blocking(move || {
        let tried = tried(&trial, folders.as_deref());
        drop(turn);
        tried
    });
    Ok(Json(tried.await.map_err(|error| Failure::unavailable(&error))??))
}

/// Returns whether the name of a rule, before its options, leads nowhere but into the folders of rules.
fn is_plain(rule: &str) -> bool {
    let name = rule.strip_prefix("fail2ban:").unwrap_or(rule);
    let name = name.split('[').next().unwrap_or(name).trim();
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

fn tried(trial: &Trial, folders: Option<&Folders>) -> Result<TrialResult, Failure> {
    let none = Folders { own: Vec::new(), filters: Vec::new() };
    let rule = AnyRule::load(&trial.rule, folders.unwrap_or(&none));
    let rule = rule.map_err(|why| Failure::usage_with(&why, hint(&trial.rule)))?;
    let mut reader = rule.reader().map_err(|why| Failure::usage(&why))?;
    judged(&mut reader, &trial.text, clock::now(), Instant::now() + TRIAL_PATIENCE)
}

fn judged(
    reader: &mut Reader,
    text: &str,
    now: Timestamp,
    deadline: Instant,
) -> Result<TrialResult, Failure> {
    let now = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
    let mut result =
        TrialResult { lines: 0, matched: 0, missed: 0, ignored: 0, judgements: Vec::new() };
    for line in text.lines() {
        if Instant::now() >= deadline {
            let what = format!(
                "the rule took longer than {} s for {} lines; try fewer",
                TRIAL_PATIENCE.as_secs(),
                result.lines
            );
            return Err(Failure::usage(&what));
        }
        let line = &line.as_bytes()[..line.len().min(LONGEST_LINE)];
        let judgement = reader.take(line, None, now);
        result.lines += 1;
        *match judgement {
            Judgement::Failure(_) | Judgement::Success(_) => &mut result.matched,
            Judgement::Ignored => &mut result.ignored,
            Judgement::Nothing => &mut result.missed,
        } += 1;
        if result.judgements.len() < MOST_JUDGED {
            result.judgements.push(shown(judgement));
        }
    }
    Ok(result)
}

fn shown(judgement: Judgement) -> Judged {
    let told = |verdict: &str, sighting: Sighting| {
        let at = sighting.at.and_then(|at| u64::try_from(at).ok()).map(Timestamp::from_secs);
        Judged {
            verdict: verdict.to_owned(),
            at: at.map(rfc3339),
            subject: Some(sighting.who.to_string()),
            user: sighting.user.map(Into::into),
        }
    };
    let untold =
        |verdict: &str| Judged { verdict: verdict.to_owned(), at: None, subject: None, user: None };
    match judgement {
        Judgement::Failure(sighting) => told("failure", sighting),
        Judgement::Success(sighting) => told("success", sighting),
        Judgement::Ignored => untold("ignored"),
        Judgement::Nothing => untold("nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_rules_are_taken() {
        for name in ["sshd", "fail2ban:sshd", "fail2ban:sshd[mode=aggressive, x=\"/a/b\"]", "a.b"] {
            assert!(is_plain(name), "{name}");
        }
        for name in
            ["", ".", "..", "../x", "/etc/passwd", "fail2ban:/etc/x", "fail2ban:../x", "a/b", "a\0"]
        {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn lines_are_judged_one_by_one() {
        let text = "Jan  2 03:04:05 host sshd[1]: Failed password for root from 192.0.2.7 port 2 ssh2\n\
                    Jan  2 03:04:06 host cron[1]: nothing\n";
        let trial = Trial { rule: "sshd".to_owned(), text: text.to_owned() };
        let result = tried(&trial, None).unwrap();
        assert_eq!((result.lines, result.matched, result.missed), (2, 1, 1));
        let first = &result.judgements[0];
        assert_eq!(
            (first.verdict.as_str(), first.subject.as_deref()),
            ("failure", Some("192.0.2.7"))
        );
        assert_eq!(first.user.as_deref(), Some("root"));
        assert!(first.at.is_some());
        assert_eq!(result.judgements[1].verdict, "nothing");
        assert!(tried(&Trial { rule: "nosuch".to_owned(), text: String::new() }, None).is_err());
    }

    #[test]
    fn a_trial_ends_in_time() {
        let mut reader = AnyRule::load("sshd", &Folders { own: Vec::new(), filters: Vec::new() })
            .unwrap()
            .reader()
            .unwrap();
        let now = Instant::now();
        assert!(judged(&mut reader, "one\ntwo\n", clock::now(), now).is_err());
    }
}
