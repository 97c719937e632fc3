//! What faces see of watches, and trying a rule on lines.

use std::{fs, io::Write as _, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    face::Face,
    story::{Story, wait_for},
};

fn watched(folder: &Path) -> String {
    let place = folder.display();
    fs::create_dir(folder.join("rules.d")).unwrap();
    let rule = "about = \"doors\"\n\
                fail = [\"door: refused {user} from {addr}\"]\n\
                ok = [\"door: let in {user} from {addr}\"]\n\
                [tests]\nfail = [\"192.0.2.7 a | door: refused a from 192.0.2.7\"]\n";
    fs::write(folder.join("rules.d/door.toml"), rule).unwrap();
    format!(
        "[rules]\ndirs = [\"{place}/rules.d\"]\n[[watch]]\nname = \"door\"\n\
         files = [\"{place}/*.log\"]\nrule = \"door\"\nhowmany = 3\nwithin = \"1h\"\n"
    )
}

fn append(folder: &Path, lines: &str) {
    let file = fs::OpenOptions::new().append(true).create(true).open(folder.join("door.log"));
    file.unwrap().write_all(lines.as_bytes()).unwrap();
}

fn watch(story: &Story) -> Value {
    Face::viewer(story).get("/v1/watches").good()[0].clone()
}

#[test]
fn a_watch_tells_what_it_read() {
    let folder = TempDir::new().unwrap();
    let story = Story::new(&watched(folder.path()));
    wait_for("the watch to miss its file", || watch(&story)["health"] == "degraded");
    append(folder.path(), "door: opened\n");
    wait_for("the file to be found", || watch(&story)["health"] == "good");
    append(folder.path(), &"door: refused \u{1b}[2J from 192.0.2.7\n".repeat(3));
    story.wait_for_verdict("192.0.2.7", "banned");
    append(folder.path(), "door: let in bob from 192.0.2.8\n");
    wait_for("all lines", || watch(&story)["lines"] == 5);
    let seen = watch(&story);
    let fields = ["name", "rule", "howmany", "within", "failures", "offences"];
    let expect = [json!("door"), json!("door"), json!(3), json!(3600), json!(3), json!(1)];
    assert_eq!(fields.map(|field| seen[field].clone()), expect, "{seen}");
    assert_eq!(seen["failures_last_hour"], 3, "{seen}");
    assert_eq!(seen["last_line"], "door: refused \u{241b}[2J from 192.0.2.7", "{seen}");
    assert_eq!(seen["sources"][0], format!("{}/*.log", folder.path().display()));
    assert!(seen["last_at"].is_string(), "{seen}");

    // Other settings begin another watch of the same name, which goes on counting.
    let path = story.daemon.config();
    let text = fs::read_to_string(&path).unwrap().replace("howmany = 3", "howmany = 4");
    story.daemon.configure(&text);
    Face::root(&story).post("/v1/reload", &json!({})).good();
    let seen = watch(&story);
    assert_eq!((&seen["howmany"], &seen["failures"]), (&json!(4), &json!(3)), "{seen}");
}

#[test]
fn a_rule_is_tried_on_lines() {
    let folder = TempDir::new().unwrap();
    let story = Story::new(&watched(folder.path()));
    let viewer = Face::viewer(&story);
    let tried = |rule: &str, text: &str| {
        viewer.post("/v1/rule-test", &json!({ "rule": rule, "text": text }))
    };
    let text = "door: refused eve from 192.0.2.7\ndoor: let in bob from 2001:db8::1\nhello\n";
    let result = tried("door", text).good();
    let counts = ["lines", "matched", "missed", "ignored"].map(|name| result[name].clone());
    assert_eq!(counts, [json!(3), json!(2), json!(1), json!(0)], "{result}");
    let judged = |index: usize| {
        let judged = &result["judgements"][index];
        ["verdict", "subject", "user"].map(|name| judged[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(judged(0), ["failure", "192.0.2.7", "eve"]);
    assert_eq!(judged(1), ["success", "2001:db8::1", "bob"]);
    assert_eq!(judged(2), ["nothing", "-", "-"]);
    // Nothing follows from a trial.
    assert_eq!(story.verdict("192.0.2.7"), "none");

    let many = tried("door", &"x\n".repeat(20_000)).good();
    assert_eq!(many["lines"], 20_000);
    assert_eq!(many["judgements"].as_array().unwrap().len(), 10_000);
    let secret = folder.path().join("secret.toml");
    fs::write(&secret, "about = \"x\"\n").unwrap();
    let path = secret.with_extension("").display().to_string();
    for rule in [path.as_str(), "../secret", "fail2ban:/etc/fail2ban/filter.d/sshd", "", "no-such"]
    {
        let refused = tried(rule, "x");
        assert_eq!(refused.code, 400, "{rule}: {}", refused.body);
    }
    assert_eq!(tried("door", &"x".repeat((256 << 10) + 1)).code, 400);
}
