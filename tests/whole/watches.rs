//! What is written in logs: who failed too often is banned, and a log that is missing or rotated
//! hurts nobody.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use tempfile::TempDir;

use crate::{
    face::Face,
    story::{Story, wait_for},
};

const FILTER: &str = "[Definition]\n\
                      failregex = ^ door: refused <F-USER>.*</F-USER> from <HOST>$\n\
                      ignoreregex = from 203\\.0\\.113\\.66$\n";

/// A story with a folder of logs and a filter that reads them.
pub(crate) struct Logs {
    pub(crate) story: Story,
    folder: TempDir,
}

impl Logs {
    fn watched(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("filter.d")).unwrap();
        fs::write(folder.path().join("filter.d/door.conf"), FILTER).unwrap();
        let configuration = configuration(folder.path()) + more;
        Self { story: Story::new(&configuration), folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn append(&self, lines: &[String]) {
        self.append_bytes(lines.concat().as_bytes());
    }

    pub(crate) fn append_bytes(&self, bytes: &[u8]) {
        let file = OpenOptions::new().append(true).create(true).open(self.path("door.log"));
        file.unwrap().write_all(bytes).unwrap();
    }

    /// Writes that somebody was refused so many times.
    fn refuse(&self, source: &str, times: usize) {
        self.append(&vec![refused("root", source); times]);
    }

    /// Returns how many lines the watch has read.
    pub(crate) fn lines(&self) -> u64 {
        Face::viewer(&self.story).get("/v1/watches").good()[0]["lines"].as_u64().unwrap()
    }

    /// Returns how the watch does.
    pub(crate) fn health(&self) -> String {
        let status = self.story.json(&["status"]);
        let sources = status["sources"].as_array().unwrap();
        let watch = sources.iter().find(|source| source["name"] == "watch door");
        watch.map(ToString::to_string).unwrap_or_default()
    }
}

/// A story whose watch reads log-ins by a rule of our own.
pub(crate) fn log_ins(more: &str) -> Logs {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    fs::create_dir(folder.path().join("rules.d")).unwrap();
    let rule = "about = \"doors\"\n\
                fail = [\"door: refused {user} from {addr}\"]\n\
                ok = [\"door: let in {user} from {addr}\"]\n\
                [tests]\nfail = [\"192.0.2.7 a | door: refused a from 192.0.2.7\"]\n";
    fs::write(folder.path().join("rules.d/door.toml"), rule).unwrap();
    let configuration = format!(
        "[rules]\ndirs = [\"{place}/rules.d\"]\n[[watch]]\nname = \"door\"\n\
         files = [\"{place}/*.log\"]\nrule = \"door\"\nhowmany = 3\nwithin = \"1h\"\n{more}"
    );
    Logs { story: Story::new(&configuration), folder }
}

pub(crate) fn line(what: &str, user: &str, source: &str) -> String {
    format!("door: {what} {user} from {source}\n")
}

fn configuration(folder: &Path) -> String {
    let place = folder.display();
    format!(
        "[rules]\nfilter_dirs = [\"{place}/filter.d\"]\n\
         [[watch]]\nname = \"door\"\nfiles = [\"{place}/*.log\"]\nrule = \"fail2ban:door\"\n\
         howmany = 3\nwithin = \"1h\"\n"
    )
}

fn refused(user: &str, source: &str) -> String {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    format!("{now} door: refused {user} from {source}\n")
}

#[test]
fn who_fails_too_often_is_banned_and_why_tells_the_line() {
    let logs = Logs::watched("");
    wait_for("the watch to say that there is no file", || logs.health().contains("no such file"));
    logs.refuse("203.0.113.9", 2);
    logs.refuse("203.0.113.10", 3);
    logs.refuse("2001:db8:7::9", 3);
    logs.story.wait_for_verdict("203.0.113.10", "banned");
    logs.story.wait_for_verdict("2001:db8:7::9", "banned");
    assert_eq!(logs.story.verdict("203.0.113.9"), "none");
    logs.refuse("203.0.113.9", 1);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
    let why = logs.story.cli(&["why", "203.0.113.9"]).stdout;
    assert!(why.contains("watch door") && why.contains("refused root from 203.0.113.9"), "{why}");
    wait_for("the watch to be well", || logs.health().contains("good"));
}

#[test]
fn a_line_made_up_by_a_stranger_bans_nobody_else() {
    let logs = Logs::watched("");
    let forged = refused("root from 203.0.113.1", "203.0.113.9");
    logs.append(&vec![forged; 3]);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
    assert_eq!(logs.story.verdict("203.0.113.1"), "none");
}

#[test]
fn ignored_lines_protected_sources_and_odd_bytes_are_no_offence() {
    let logs = Logs::watched("[protect]\naddresses = [\"203.0.113.5\"]\n");
    logs.refuse("203.0.113.66", 3);
    logs.refuse("203.0.113.5", 3);
    let odd = [b"\0\xff\xfe".to_vec(), vec![b'x'; 200_000], b"\n".to_vec()].concat();
    fs::write(logs.path("odd.log"), odd).unwrap();
    logs.refuse("203.0.113.9", 3);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
    assert_eq!(logs.story.verdict("203.0.113.66"), "none");
    assert_eq!(logs.story.verdict("203.0.113.5"), "protected");
    wait_for("the long line to be told", || logs.health().contains("longer than 64 KiB"));
}

#[test]
fn rotation_loses_no_failure() {
    let logs = Logs::watched("");
    logs.refuse("203.0.113.9", 2);
    fs::rename(logs.path("door.log"), logs.path("door.log.1")).unwrap();
    logs.refuse("203.0.113.9", 1);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
}

#[test]
fn a_restart_reads_on_where_it_stopped() {
    let mut logs = Logs::watched("");
    logs.refuse("203.0.113.8", 3);
    logs.story.wait_for_verdict("203.0.113.8", "banned");
    assert!(logs.story.daemon.stop().success());
    logs.refuse("203.0.113.9", 3);
    fs::rename(logs.path("door.log"), logs.path("door.log.1")).unwrap();
    logs.refuse("203.0.113.10", 3);
    logs.story.start_again();
    logs.story.wait_for_verdict("203.0.113.9", "banned");
    logs.story.wait_for_verdict("203.0.113.10", "banned");
    let why = logs.story.cli(&["why", "203.0.113.8"]).stdout;
    assert!(why.contains("1 offences, 1 bans"), "a line was read twice: {why}");
}

#[test]
fn a_rule_that_is_not_there_breaks_its_watch_only_and_a_reload_mends_it() {
    let logs = Logs::watched("");
    fs::remove_file(logs.path("filter.d/door.conf")).unwrap();
    let text = configuration(logs.folder.path());
    logs.story.daemon.configure(&text.replace("howmany = 3", "howmany = 2"));
    logs.story.signal("HUP");
    wait_for("the watch to say what is missing", || logs.health().contains("no filter `door`"));
    assert_eq!(logs.story.verdict("203.0.113.9"), "none");
    fs::write(logs.path("filter.d/door.conf"), FILTER).unwrap();
    logs.story.daemon.configure(&text);
    logs.story.signal("HUP");
    wait_for("the watch to run again", || !logs.health().contains("no filter"));
    logs.refuse("203.0.113.9", 3);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
}

#[test]
fn a_success_clears_and_a_shared_address_is_throttled_before_it_is_banned() {
    let logs = log_ins("");
    wait_for("the watch to run", || logs.health().contains("no such file"));
    let refused = |user: &str| line("refused", user, "203.0.113.9");
    let let_in = line("let in", "eve", "203.0.113.9");
    logs.append(&[refused("a"), refused("b"), let_in, refused("c"), refused("d")]);
    logs.append(&vec![line("refused", "x", "198.51.100.9"); 3]);
    logs.story.wait_for_verdict("198.51.100.9", "banned");
    assert_eq!(logs.story.verdict("203.0.113.9"), "none");
    logs.append(&[refused("e")]);
    logs.story.wait_for_verdict("203.0.113.9", "throttled");
    logs.append(&[refused("f"), refused("g"), refused("h")]);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
}

#[test]
fn many_sources_that_try_one_user_are_one_offence_of_many() {
    let logs = log_ins("");
    let sources: Vec<String> = (1..=10).map(|number| format!("198.18.{number}.9")).collect();
    let lines: Vec<String> =
        sources.iter().map(|source| line("refused", "admin", source)).collect();
    logs.append(&lines[..9]);
    logs.append(&vec![line("refused", "x", "203.0.113.9"); 3]);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
    assert_eq!(logs.story.verdict(&sources[0]), "none");
    logs.append(&lines[9..]);
    for source in &sources {
        logs.story.wait_for_verdict(source, "throttled");
    }
    let why = logs.story.cli(&["why", &sources[0]]).stdout;
    assert!(why.contains("sprayed=admin hosts=10"), "{why}");
}

#[test]
fn a_ban_may_be_for_ports_only() {
    let logs = log_ins("ports = [\"tcp/22\", \"tcp/8022-8023\"]\n");
    logs.append(&vec![line("refused", "x", "203.0.113.9"); 3]);
    wait_for("the ban", || logs.story.cli(&["list", "bans"]).stdout.contains("203.0.113.9"));
    let list = logs.story.cli(&["list", "bans"]).stdout;
    assert!(list.contains("tcp/22") && list.contains("8023"), "{list}");
}

#[test]
fn lines_count_at_their_own_time() {
    let logs = log_ins("");
    let long_ago =
        |minute: u32| format!("Jan  2 03:{minute:02}:00 door: refused x from 203.0.113.9\n");
    // More than an hour lies between the first and the last.
    logs.append(&[long_ago(0), long_ago(30), long_ago(59).replace("03:", "04:")]);
    logs.append(&vec![line("refused", "y", "198.51.100.9"); 3]);
    logs.story.wait_for_verdict("198.51.100.9", "banned");
    assert_eq!(logs.story.verdict("203.0.113.9"), "none");
    logs.append(&[long_ago(1).replace("03:", "05:")]);
    logs.append(&[long_ago(2).replace("03:", "05:")]);
    logs.story.wait_for_verdict("203.0.113.9", "banned");
}

#[test]
fn host_names_are_looked_up_if_the_filter_wants_that_and_throttle_at_most() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("filter.d")).unwrap();
    fs::write(folder.path().join("filter.d/door.conf"), FILTER).unwrap();
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n203.0.113.77 bad.example\n203.0.113.78 raw.example\n")
        .unwrap();
    let lab = lab::Lab::new();
    lab.guarded().cover(Path::new("/etc/hosts"), &hosts);
    let configuration = configuration(folder.path());
    let looking = configuration.replace("fail2ban:door", "fail2ban:door[usedns=yes]");
    let logs = Logs { story: Story::in_lab(lab, &looking), folder };
    logs.refuse("bad.example", 3);
    logs.refuse("127.0.0.1.evil name", 3);
    logs.story.wait_for_verdict("203.0.113.77", "throttled");
    // Without it names are counted, and that is told.
    logs.story.daemon.configure(&configuration);
    logs.story.daemon.reload();
    wait_for("names to be counted", || {
        logs.refuse("raw.example", 1);
        logs.health().contains("matches name no address")
    });
    assert_eq!(logs.story.verdict("203.0.113.78"), "none");
}
