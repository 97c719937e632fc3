//! Rules tried on files of lines, offline: `rule test`, `rule list`, `rule show`.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use portguard_core::Timestamp;
use portguard_read::{
    Judgement, Sighting, Who,
    fail2ban::Filter,
    rule::{Rule, Sense},
};
use serde_json::{Value, json};

use crate::{
    clock,
    config::{self, Loaded},
    daemon,
    exit::{Failed, Turn},
    rule::{self, AnyRule, Folders},
};

use super::{
    Global,
    lines::{self, Lines},
    show,
};

/// Where rules are, if no configuration says.
const RULES: &str = "/etc/portguard/rules.d";
const FILTERS: &str = "/etc/fail2ban/filter.d";

/// Tries a rule on the lines of a file, or of standard input (`-`). Exit 1: nothing matched.
pub(crate) fn test(
    global: &Global,
    rule: &str,
    file: &Path,
    count_only: bool,
) -> Result<ExitCode, Failed> {
    let reader = load(global, rule)?.reader();
    let mut reader =
        reader.map_err(|why| Failed::new(Turn::Configuration, format!("{rule}: {why}")))?;
    let now = lines::now()?;
    let mut lines = Lines::open(file)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut tally = Tally::default();
    while let Some(line) = lines.next()? {
        let judgement = reader.take(line, None, now);
        tally.add(&judgement);
        if !count_only {
            let text = if global.json {
                told_as_json(&judgement, tally.lines)
            } else {
                Some(told(&judgement, &String::from_utf8_lossy(line)))
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
        (reader.too_slow(), "lines took too many steps to tell whether they match"),
    ] {
        if count > 0 {
            eprintln!("warning: {count} {what}");
        }
    }
    Ok(if tally.matched > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists the rules that are there.
pub(crate) fn list(global: &Global) -> Result<(), Failed> {
    let names = folders(global)?.names();
    if global.json {
        return show::json(&names);
    }
    show::print(&names.into_iter().map(|name| name + "\n").collect::<String>())
}

/// Shows what a rule consists of.
pub(crate) fn show_rule(global: &Global, name: &str) -> Result<(), Failed> {
    match load(global, name)? {
        AnyRule::Own(rule) => show_own(global, name, &rule),
        AnyRule::Filter(filter) => show_filter(global, name, &filter),
    }
}

fn show_own(global: &Global, name: &str, rule: &Rule) -> Result<(), Failed> {
    let of = |sense: Sense| -> Vec<String> {
        rule.lines().filter(|(known, _)| *known == sense).map(|(_, text)| text).collect()
    };
    let programs: Vec<String> = rule.programs().collect();
    if global.json {
        return show::json(&json!({
            "rule": name,
            "about": rule.about,
            "programs": programs,
            "fail": of(Sense::Fail),
            "ok": of(Sense::Ok),
            "ignore": of(Sense::Ignore),
        }));
    }
    let lines = |word: &str, texts: &[String]| {
        texts.iter().fold(String::new(), |all, text| all + word + " = " + text + "\n")
    };
    let all = [
        ("programs", programs),
        ("fail", of(Sense::Fail)),
        ("ok", of(Sense::Ok)),
        ("ignore", of(Sense::Ignore)),
    ];
    let text: String = all.iter().map(|(word, texts)| lines(word, texts)).collect();
    show::print(&format!("about = {}\n{text}", rule.about))
}

fn show_filter(global: &Global, name: &str, filter: &Filter) -> Result<(), Failed> {
    if global.json {
        return show::json(&json!({
            "rule": name,
            "prefregex": filter.prefregex,
            "failregex": filter.failregex,
            "ignoreregex": filter.ignoreregex,
            "datepattern": filter.datepattern,
            "maxlines": filter.maxlines,
            "journalmatch": filter.journalmatch,
            "usedns": filter.usedns,
        }));
    }
    let line = |word: &str, text: &str| format!("{word} = {text}\n");
    let lines = |word: &str, texts: &[String]| {
        texts.iter().map(|text| line(word, text)).collect::<String>()
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

fn load(global: &Global, name: &str) -> Result<AnyRule, Failed> {
    AnyRule::load(name, &folders(global)?)
        .map_err(|why| Failed::new(Turn::Usage, why).hint(rule::hint(name)))
}

/// Returns the folders of rules.
pub(crate) fn folders(global: &Global) -> Result<Folders, Failed> {
    if !global.config.exists() {
        return Ok(Folders {
            own: vec![PathBuf::from(RULES)],
            filters: vec![PathBuf::from(FILTERS)],
        });
    }
    let loaded = config::load(&global.config, &daemon::surroundings());
    let Loaded { config, .. } = loaded.map_err(|mistakes| config::failed(&mistakes))?;
    Ok(config.rules.folders())
}

fn told(judgement: &Judgement, line: &str) -> String {
    match judgement {
        Judgement::Failure(sighting) => format!("matched {}  {line}", sighting.who),
        Judgement::Success(sighting) => format!("success {}  {line}", sighting.who),
        Judgement::Ignored => format!("ignored {line}"),
        Judgement::Nothing => format!("missed  {line}"),
    }
}

/// Returns the object of a matched line.
fn told_as_json(judgement: &Judgement, number: u64) -> Option<String> {
    let Judgement::Failure(Sighting { who, at, user, fields, .. }) = judgement else { return None };
    let is_address = matches!(who, Who::Address(_)) || who.to_string().contains('/');
    let at = at.and_then(|at| u64::try_from(at).ok()).map(Timestamp::from_secs);
    let object = json!({
        "line": number,
        "at": at.map(clock::rfc3339),
        "subject": who.to_string(),
        "host": fields.get("dns").filter(|_| !is_address),
        "user": user.as_deref(),
        "fields": fields,
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
            Judgement::Success(_) | Judgement::Ignored => self.ignored += 1,
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
