//! Rules tried on files of lines, offline: `rule test`, `rule list`, `rule show`.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::tz::TimeZone;
use portguard_core::Timestamp;
use portguard_read::fail2ban::{
    Files as _, Filter,
    date::Clock,
    matcher::{Failure, Judgement, Matcher},
};
use serde_json::{Value, json};

use crate::{
    clock,
    config::{self, Loaded},
    daemon,
    exit::{Failed, Turn, with_causes},
    filter::{self, Disk, FAIL2BAN},
};

use super::{
    Global,
    lines::{self, Lines},
    show,
};

/// Where fail2ban's filters are, if no configuration says.
const FILTERS: &str = "/etc/fail2ban/filter.d";

/// Tries a rule on the lines of a file, or of standard input (`-`). Exit 1: nothing matched.
pub(crate) fn test(
    global: &Global,
    rule: &str,
    file: &Path,
    count_only: bool,
) -> Result<ExitCode, Failed> {
    let filter = filter(global, rule)?;
    let mut matcher = Matcher::new(&filter).map_err(|why| {
        Failed::new(Turn::Configuration, format!("{rule}: {}", with_causes(&why)))
    })?;
    let clock = Clock { now: lines::now()?, zone: TimeZone::system() };
    let mut lines = Lines::open(file)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut tally = Tally::default();
    while let Some(line) = lines.next()? {
        let line = String::from_utf8_lossy(line);
        let judgement = matcher.take(&line, None, &clock);
        tally.add(&judgement);
        if !count_only {
            let text = if global.json {
                told_as_json(&judgement, tally.lines)
            } else {
                Some(told(&judgement, &line))
            };
            if let Some(text) = text {
                writeln!(out, "{text}").map_err(|why| broken_output(&why))?;
            }
        }
    }
    let summary = if global.json { tally.as_json().to_string() } else { tally.told() };
    writeln!(out, "{summary}").and_then(|()| out.flush()).map_err(|why| broken_output(&why))?;
    for (count, what) in [
        (lines.cut(), "lines were longer than 64 KiB; what is behind that was left out"),
        (matcher.too_slow(), "lines took too many steps to tell whether they match"),
    ] {
        if count > 0 {
            eprintln!("warning: {count} {what}");
        }
    }
    Ok(if tally.matched > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists the rules that are there.
pub(crate) fn list(global: &Global) -> Result<(), Failed> {
    let names: BTreeSet<String> = folders(global)?
        .iter()
        .flat_map(|folder| Disk.list(folder))
        .filter(|path| path.extension().is_some_and(|end| end == "conf" || end == "local"))
        .filter_map(|path| path.file_stem()?.to_str().map(|name| format!("{FAIL2BAN}{name}")))
        // Files that only others include have nothing to match.
        .filter(|name| filter(global, name).is_ok())
        .collect();
    if global.json {
        return show::json(&names);
    }
    show::print(&names.into_iter().map(|name| name + "\n").collect::<String>())
}

/// Shows what a rule consists of.
pub(crate) fn show_rule(global: &Global, rule: &str) -> Result<(), Failed> {
    let filter = filter(global, rule)?;
    if global.json {
        return show::json(&json!({
            "rule": rule,
            "prefregex": filter.prefregex,
            "failregex": filter.failregex,
            "ignoreregex": filter.ignoreregex,
            "datepattern": filter.datepattern,
            "maxlines": filter.maxlines,
            "journalmatch": filter.journalmatch,
            "usedns": filter.usedns,
        }));
    }
    let line = |name: &str, text: &str| format!("{name} = {text}\n");
    let lines = |name: &str, texts: &[String]| {
        texts.iter().map(|text| line(name, text)).collect::<String>()
    };
    show::print(
        &[
            lines("prefregex", filter.prefregex.as_slice()),
            lines("failregex", &filter.failregex),
            lines("ignoreregex", &filter.ignoreregex),
            lines("datepattern", filter.datepattern.as_slice()),
            line("maxlines", &filter.maxlines.to_string()),
            lines("journalmatch", &filter.journalmatch),
            lines("usedns", filter.usedns.as_slice()),
        ]
        .concat(),
    )
}

fn filter(global: &Global, rule: &str) -> Result<Filter, Failed> {
    let hint = if rule.starts_with(FAIL2BAN) {
        "portguard rule list shows the rules"
    } else {
        "fail2ban's filters are called fail2ban:NAME, as in fail2ban:sshd[mode=aggressive]"
    };
    filter::load(rule, &folders(global)?).map_err(|why| Failed::new(Turn::Usage, why).hint(hint))
}

/// Returns the folders of fail2ban's filters.
fn folders(global: &Global) -> Result<Vec<PathBuf>, Failed> {
    if !global.config.exists() {
        return Ok(vec![PathBuf::from(FILTERS)]);
    }
    let loaded = config::load(&global.config, &daemon::surroundings());
    let Loaded { config, .. } = loaded.map_err(|mistakes| config::failed(&mistakes))?;
    Ok(config.rules.filter_dirs.iter().map(PathBuf::from).collect())
}

fn told(judgement: &Judgement, line: &str) -> String {
    match judgement {
        Judgement::Failure(failure) => format!("matched {}  {line}", failure.id),
        Judgement::Ignored => format!("ignored {line}"),
        Judgement::Nothing => format!("missed  {line}"),
    }
}

/// Returns the object of a matched line.
fn told_as_json(judgement: &Judgement, number: u64) -> Option<String> {
    let Judgement::Failure(Failure { id, at, groups, .. }) = judgement else { return None };
    let is_address = id.parse::<IpAddr>().is_ok() || id.contains('/');
    let at = at.and_then(|at| u64::try_from(at).ok()).map(Timestamp::from_secs);
    let object = json!({
        "line": number,
        "at": at.map(clock::rfc3339),
        "subject": id,
        "host": groups.get("dns").filter(|_| !is_address),
        "user": groups.get("user"),
        "fields": groups,
    });
    Some(object.to_string())
}

fn broken_output(why: &io::Error) -> Failed {
    Failed::environment(format!("cannot write: {why}"))
}

/// How many lines were what.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    matched: u64,
    missed: u64,
    ignored: u64,
}

impl Tally {
    fn add(&mut self, judgement: &Judgement) {
        self.lines += 1;
        match judgement {
            Judgement::Failure(_) => self.matched += 1,
            Judgement::Ignored => self.ignored += 1,
            Judgement::Nothing => self.missed += 1,
        }
    }

    fn told(&self) -> String {
        let Self { lines, matched, missed, ignored } = self;
        format!("{lines} lines: {matched} matched, {missed} missed, {ignored} ignored")
    }

    fn as_json(&self) -> Value {
        let Self { lines, matched, missed, ignored } = self;
        json!({ "lines": lines, "matched": matched, "missed": missed, "ignored": ignored })
    }
}
