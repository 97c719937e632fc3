//! Rules tried on lines: what goes in, what comes out, and the exit code.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const FILTER: &str = "[INCLUDES]\nbefore = base.conf\n[Definition]\n\
                      failregex = ^ %(_prefix)s refused <F-USER>\\S+</F-USER> from <HOST>$\n\
                      ignoreregex = from 192\\.0\\.2\\.9$\n";

const LINES: &[u8] = b"Nov 20 10:11:12 door: refused root from 192.0.2.7\r\n\
                       Nov 20 10:11:13 door: refused ro\xff\0t from 2001:DB8::1\n\
                       Nov 20 10:11:14 door: refused root from 192.0.2.9\n\
                       Nov 20 10:11:15 door: opened\n";

/// 20 November 2026, noon.
const NOW: &str = "1795176000";

/// A configuration with a folder of filters of its own.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        let path = |name: &str| host.0.path().join(name);
        fs::create_dir(path("filter.d")).unwrap();
        fs::write(path("filter.d/door.conf"), FILTER).unwrap();
        fs::write(path("filter.d/base.conf"), "[DEFAULT]\n_prefix = door:\n").unwrap();
        fs::write(path("lines.log"), LINES).unwrap();
        let config = format!("[rules]\nfilter_dirs = [\"{}\"]\n", path("filter.d").display());
        fs::write(path("portguard.toml"), config).unwrap();
        host
    }

    fn portguard(&self, words: &[&str]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portguard"))
            .arg("--config")
            .arg(self.0.path().join("portguard.toml"))
            .args(words)
            .current_dir(self.0.path())
            .envs([("PORTGUARD_NOW", NOW), ("TZ", "UTC")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever reads a file does not read this.
        let _ = child.stdin.take().unwrap().write_all(LINES);
        child.wait_with_output().unwrap()
    }

    fn told(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.portguard(words);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn each_line_is_told_with_its_address() {
    let host = Host::new();
    for file in ["lines.log", "-"] {
        let (code, told, _) = host.told(&["rule", "test", "fail2ban:door", file]);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(code, Some(0));
        assert_eq!(
            lines[0],
            "matched 192.0.2.7  Nov 20 10:11:12 door: refused root from 192.0.2.7"
        );
        assert!(lines[1].starts_with("matched 2001:db8::1  "), "{}", lines[1]);
        assert!(lines[2].starts_with("ignored Nov") && lines[3].starts_with("missed  Nov"));
        assert_eq!(lines[4..], ["4 lines: 2 matched, 1 missed, 1 ignored"]);
    }
}

#[test]
fn matched_lines_are_objects() {
    let (_, told, _) = Host::new().told(&["--json", "rule", "test", "fail2ban:door", "lines.log"]);
    let objects: Vec<Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[0]["subject"], "192.0.2.7");
    assert_eq!(objects[0]["at"], "2026-11-20T10:11:12.000Z");
    assert_eq!((&objects[0]["line"], &objects[0]["user"]), (&1.into(), &"root".into()));
    assert_eq!(objects[2]["matched"], 2);
}

#[test]
fn a_rule_that_matches_nothing_is_a_negative_answer() {
    let host = Host::new();
    fs::write(host.0.path().join("other.log"), "nothing\n").unwrap();
    let (code, told, _) = host.told(&["rule", "test", "fail2ban:door", "other.log", "--count"]);
    assert_eq!((code, told.as_str()), (Some(1), "1 lines: 0 matched, 1 missed, 0 ignored\n"));
}

#[test]
fn rules_are_listed_and_shown() {
    let host = Host::new();
    let (_, list, _) = host.told(&["rule", "list"]);
    assert!(list.starts_with("access\n") && list.ends_with("wordpress\nfail2ban:door\n"), "{list}");
    let (_, shown, _) = host.told(&["rule", "show", "fail2ban:door"]);
    assert!(shown.starts_with("failregex = ^ door: refused <F-USER>"), "{shown}");
}

#[test]
fn what_is_no_rule_or_no_file_is_named() {
    let host = Host::new();
    for (words, expected) in [
        (["rule", "test", "door", "-"], "error: no rule `door`\nhint: portguard rule list"),
        (["rule", "test", "fail2ban:wall", "-"], "error: no filter `wall`: neither wall.conf"),
        (["rule", "test", "fail2ban:door[x", "-"], "error: `door[x` is no name of a filter"),
        (["rule", "test", "fail2ban:door", "gone"], "error: cannot read gone: No such file"),
        (["rule", "test", "fail2ban:door", "filter.d"], "error: cannot read filter.d: it is no"),
        (["rule", "test", "fail2ban:door", "/dev/zero"], "error: cannot read /dev/zero: it is no"),
    ] {
        let (code, _, told) = host.told(&words);
        assert_eq!(code, Some(2), "{words:?}");
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn the_rules_that_fit_a_log_are_found() {
    let host = Host::new();
    let line = "Nov 20 10:11:12 h sshd[7]: Failed password for root from 192.0.2.7 port 22 ssh2\n";
    let text = [line.repeat(3).into_bytes(), LINES.to_vec()].concat();
    fs::write(host.0.path().join("mixed.log"), text).unwrap();
    let (code, stdout, stderr) = host.told(&["rule", "which", "mixed.log"]);
    assert_eq!(code, Some(0), "{stderr}");
    let rows: Vec<Vec<&str>> =
        stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["sshd", "3", "0", "1"], "{stdout}");
    assert!(rows.contains(&vec!["fail2ban:door", "2", "0", "2"]), "{stdout}");
    let (code, stdout, _) = host.told(&["--json", "rule", "which", "mixed.log"]);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &told["lines"], &told["rules"][0]["rule"]),
        (Some(0), &7.into(), &"sshd".into())
    );
    fs::write(host.0.path().join("nothing.log"), "x\n").unwrap();
    assert_eq!(host.told(&["rule", "which", "nothing.log"]).0, Some(1));
}
