//! fail2ban's filters as its own reader resolves them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use portguard_read::{
    Judgement,
    fail2ban::{
        self, Files, Filter, FilterError, Reference, date::Clock, matcher::Matcher, pattern,
    },
};
use serde_json::Value;

/// Files as they lie on disk.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

fn load(reference: &str, files: &[(&str, &str)]) -> Result<Filter, FilterError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let folders = [folder.path().join("nowhere"), folder.path().to_owned()];
    fail2ban::load(&reference.parse().unwrap(), &folders, &Disk)
}

#[test]
fn included_files_stand_around_and_local_ones_behind() {
    let filter = load(
        "web",
        &[
            (
                "web.conf",
                "[INCLUDES]\nbefore = base.conf\nafter = late.conf\n[Definition]\n\
                          failregex = ^<_name> %(rest)s$\n",
            ),
            ("base.conf", "[DEFAULT]\n_name = base\nrest = x\n"),
            ("base.local", "[DEFAULT]\nrest = y\n"),
            ("late.conf", "[Definition]\n_name = late\n"),
            ("web.local", "[Definition]\nfailregex = %(known/failregex)s\n  ^more <HOST>\n"),
        ],
    );
    assert_eq!(filter.unwrap().failregex, ["^late y$", "^more <HOST>"]);
}

#[test]
fn options_of_the_reference_go_before_the_filters_own() {
    let text = "[Definition]\nfailregex = <re-<mode>>\nre-normal = ^n <what>\nre-hard = ^h <what>\n\
                [Init]\nmode = normal\nwhat = <HOST>\n";
    let of = |reference| load(reference, &[("a.conf", text)]).unwrap().failregex;
    assert_eq!(of("a"), ["^n <HOST>"]);
    assert_eq!(of("a[mode=hard]"), ["^h <HOST>"]);
    assert_eq!(of("a[what=<known/what>!]"), ["^n <HOST>!"]);
}

#[test]
fn an_option_says_which_section_counts() {
    let text = "[DEFAULT]\nlogtype = file\nprefix = <lt_<logtype>/prefix>\n[lt_file]\nprefix = host \n\
                [lt_short]\nprefix = %(lt_file/prefix)sshort \n[Definition]\nfailregex = ^<prefix>x <HOST>\n";
    let of = |reference| load(reference, &[("a.conf", text)]).unwrap().failregex;
    assert_eq!(of("a"), ["^hostx <HOST>"]);
    assert_eq!(of("a[logtype=short]"), ["^hostshortx <HOST>"]);
}

#[test]
fn what_does_not_resolve_is_named() {
    let definition = |text: &str| load("a", &[("a.conf", &format!("[Definition]\n{text}\n"))]);
    assert_eq!(load("b", &[]), Err(FilterError::Missing("b".to_owned())));
    assert_eq!(definition("usedns = no"), Err(FilterError::Empty));
    assert_eq!(
        definition("failregex = %(nothing)s"),
        Err(FilterError::Unknown { option: "failregex".into(), name: "nothing".into() })
    );
    assert_eq!(definition("failregex = 5%"), Err(FilterError::Percent("failregex".into())));
    assert!(matches!(definition("failregex = %(failregex)s"), Err(FilterError::Circle(_))));
    assert!(matches!(
        definition("failregex = <a>\na = <b>\nb = <a>x"),
        Err(FilterError::Circle(_))
    ));
    assert!(matches!(definition("failregex = x\nmaxlines = many"), Err(FilterError::MaxLines(_))));
}

#[test]
fn files_that_include_each_other_come_to_an_end() {
    let circle = "[INCLUDES]\nbefore = a.conf\n  b.conf\n[Definition]\nfailregex = ^x\n";
    let filter = load("a", &[("a.conf", circle), ("b.conf", circle)]);
    assert_eq!(filter.unwrap().failregex, ["^x"]);
}

/// Every filter that fail2ban itself resolved for comparison, where that data is at hand.
#[test]
fn filters_resolve_as_fail2bans_own_reader_resolves_them() {
    let corpus = corpus();
    let Ok(resolved) = fs::read_dir(corpus.join("resolved")) else {
        println!("conformance: NOT RUN: no filters that fail2ban resolved are at hand");
        return;
    };
    let mut compared = 0;
    let mut differences = Vec::new();
    for entry in resolved.flatten() {
        let known: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
        for instance in known["instances"].as_array().unwrap() {
            compared += 1;
            let mut record = instance.clone();
            for field in ["filter", "conf"] {
                record[field] = known[field].clone();
            }
            differences.extend(difference(&corpus, &record));
        }
    }
    assert!(compared > 60, "{compared}");
    println!("conformance: {} of {compared} filters resolve alike", compared - differences.len());
    assert!(
        differences.is_empty(),
        "{} of {compared}:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The corpus, in which filters share one `common.conf`.
struct Shared(PathBuf);

impl Files for Shared {
    fn read(&self, path: &Path) -> Option<String> {
        let shared = path.file_name().filter(|name| *name == "common.conf");
        Disk.read(path).or_else(|| Disk.read(&self.0.join(shared?)))
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        Disk.list(folder)
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/fail2ban")
}

/// Returns the filter that a record of the corpus is about.
fn resolved(corpus: &Path, record: &Value) -> Result<Filter, FilterError> {
    let own = if record["conf"] == "config" { "filter.d" } else { "tests-config/filter.d" };
    let options = record["options"].as_object().unwrap().iter();
    let reference = Reference {
        name: record["filter"].as_str().unwrap().to_owned(),
        options: options
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    };
    fail2ban::load(&reference, &[corpus.join(own)], &Shared(corpus.join("filter.d")))
}

fn difference(corpus: &Path, instance: &Value) -> Option<String> {
    let name = instance["instance"].as_str().unwrap();
    let filter = match resolved(corpus, instance) {
        Ok(filter) => filter,
        Err(why) => return Some(format!("{name}: {why}")),
    };
    let expand = |regexes: &[String]| {
        regexes.iter().map(|regex| Value::from(pattern::expand(regex, true))).collect::<Vec<_>>()
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let compiled = &instance["compiled"];
    let ours = [
        expand(filter.prefregex.as_slice()),
        expand(&filter.failregex),
        expand(&filter.ignoreregex),
        filter.datepattern.iter().map(|pattern| Value::from(pattern.as_str())).collect(),
        vec![Value::from(filter.maxlines)],
    ];
    let prefregex = Some(&compiled["prefregex"]).filter(|regex| regex.is_string());
    let maxlines = list(&instance["stream"]["maxlines"]);
    let theirs = [
        prefregex.into_iter().cloned().collect(),
        list(&compiled["failregex"]),
        list(&compiled["ignoreregex"]),
        list(&instance["stream"]["datepattern"]),
        if maxlines.is_empty() { vec![Value::from(1)] } else { maxlines },
    ];
    (ours != theirs).then(|| {
        let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs).unwrap();
        format!("{name}: part {at}\n  ours   {:?}\n  theirs {:?}", ours[at], theirs[at])
    })
}

/// When the lines of the corpus were written, and where.
fn corpus_clock() -> Clock {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0").unwrap();
    Clock { now: 1_124_013_600, zone }
}

/// Every line whose meaning for fail2ban is known, where that data is at hand.
#[test]
fn lines_mean_what_they_mean_to_fail2ban() {
    let corpus = corpus();
    let Ok(samples) = fs::read_dir(corpus.join("samples")) else {
        println!("conformance: NOT RUN: no lines that mean something to fail2ban are at hand");
        return;
    };
    let clock = corpus_clock();
    let (mut cases, mut failed) = (0, Vec::new());
    for entry in samples.flatten() {
        let mut matchers = BTreeMap::new();
        for line in fs::read_to_string(entry.path()).unwrap().lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let matcher = matchers
                .entry(case["instance"].as_str().unwrap().to_owned())
                .or_insert_with(|| Matcher::new(&resolved(&corpus, &case).unwrap()).unwrap());
            cases += 1;
            failed.extend(wrong(matcher, &case, &clock));
        }
    }
    println!("conformance: {} of {cases} lines mean the same", cases - failed.len());
    assert!(cases > 1_000, "{cases}");
    assert!(failed.is_empty(), "{} of {cases}:\n{}", failed.len(), failed.join("\n"));
}

fn wrong(matcher: &mut Matcher, case: &Value, clock: &Clock) -> Option<String> {
    let given = (case["mode"] == "journal").then_some(clock.now);
    let line = case["line"].as_str().unwrap();
    let found = match matcher.take(b"", line, given, clock) {
        Judgement::Failure(failure) => Some((failure.who.to_string(), failure.at)),
        _ => None,
    };
    let expected = case["prod"].as_array().unwrap().first().map(|failure| {
        (failure["fid"].as_str().unwrap().to_owned(), failure["time"].as_f64().map(whole))
    });
    (found != expected).then(|| {
        let name = &case["instance"];
        format!("{name}: {line}\n  found    {found:?}\n  expected {expected:?}")
    })
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

/// Every duration whose length fail2ban knows, where that data is at hand.
#[test]
fn durations_are_as_long_as_fail2ban_has_them() {
    let vectors = corpus().join("vectors/durations.jsonl");
    let Ok(text) = fs::read_to_string(vectors) else {
        println!("conformance: NOT RUN: no lengths of time of fail2ban are at hand");
        return;
    };
    let (mut cases, mut failed) = (0, Vec::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let input = case["input"].as_str().unwrap();
        let (found, expected) = (fail2ban::duration::seconds(input), case["seconds"].as_f64());
        cases += 1;
        if found != expected {
            failed.push(format!("{input}: found {found:?}, expected {expected:?}"));
        }
    }
    println!("conformance: {} of {cases} lengths of time are the same", cases - failed.len());
    assert!(failed.is_empty(), "{} of {cases}:\n{}", failed.len(), failed.join("\n"));
    assert!(cases > 5, "{cases}");
}

#[test]
fn jails_are_read_with_their_defaults() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("jail.d")).unwrap();
    let conf = "[INCLUDES]\nbefore = paths.conf\n[DEFAULT]\nbantime = 1h\nfindtime = 10m\n\
                maxretry = 5\nmode = normal\nfilter = %(__name__)s[mode=%(mode)s]\n\
                ignoreip = 127.0.0.1/8, ::1 192.0.2.7\nport = 0:65535\nenabled = false\n\
                [sshd]\nport = ssh,2222\nlogpath = %(sshd_log)s\nbackend = %(sshd_backend)s\n\
                [web]\nlogpath = /var/log/web/*.log\n    /var/log/other.log tail\n[off]\n[bad]\n\
                enabled = true\nbantime = long\n";
    fs::write(folder.path().join("jail.conf"), conf).unwrap();
    let paths = "[DEFAULT]\nsshd_log = /var/log/auth.log\nsshd_backend = systemd\n";
    fs::write(folder.path().join("paths.conf"), paths).unwrap();
    fs::write(folder.path().join("jail.d/a.conf"), "[sshd]\nenabled = true\nmode = aggressive\n")
        .unwrap();
    fs::write(folder.path().join("jail.local"), "[web]\nenabled = yes\nbantime = -1\n").unwrap();
    let jails = fail2ban::load_jails(folder.path(), &Disk).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = jails.into_iter().partition(Result::is_ok);
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].as_ref().unwrap_err().to_string(), "jail bad");
    let good: Vec<_> = good.into_iter().map(Result::unwrap).collect();
    assert_eq!(good[0].filter, "sshd[mode=aggressive]");
    assert!(good[0].is_of_journal && good[0].logs.is_empty());
    assert_eq!(good[0].ports, ["ssh", "2222"]);
    assert_eq!((good[0].maxretry, good[0].findtime, good[0].bantime), (5, 600.0, 3_600.0));
    assert_eq!(good[0].ignored, ["127.0.0.1/8", "::1", "192.0.2.7"]);
    let logs = ["/var/log/web/*.log", "/var/log/other.log"].map(PathBuf::from);
    assert_eq!((good[1].logs.as_slice(), good[1].bantime), (&logs[..], -1.0));
    assert_eq!(good[1].ports, [""; 0]);
}
