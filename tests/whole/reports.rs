//! Reports of services: who is at the other end of the connection that they hand over is told by
//! the kernel, and by nobody else.

use std::{fs, path::PathBuf, process::Command};

use lab::{deadline::PATIENCE, running::Running};
use tempfile::TempDir;

use crate::story::{Story, wait_for};

const CLIENT: &str = "10.77.0.2";

/// A story whose guarded host runs the service of `docs/report`, compiled as its readers would.
struct Door {
    story: Story,
    _folder: TempDir,
    _service: Running,
}

impl Door {
    fn new() -> Self {
        let story = Story::new("");
        let folder = tempfile::tempdir().unwrap();
        let program = compile(&story, folder.path().join("door"));
        let service = story.lab.guarded().spawn([program.to_str().unwrap(), "2525", "secret"]);
        assert_eq!(service.line(PATIENCE).as_deref(), Some("ready"));
        Self { story, _folder: folder, _service: service }
    }

    /// Says a line to the service, and returns its answer; nothing if there is none.
    fn say(&self, line: &str) -> String {
        let command = format!("printf '{line}\\n' | timeout 2 nc -s {CLIENT} -w 2 10.77.0.1 2525");
        let output = self.story.lab.scanner().attempt(["sh", "-c", &command]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn compile(story: &Story, program: PathBuf) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/report");
    let socket = format!("-DPORTGUARD_REPORT_SOCKET=\"{}\"", report_socket(story).display());
    let source = format!("{folder}/door.c");
    let words = ["-Wall", "-Wextra", "-Werror", "-O2", "-o", program.to_str().unwrap()];
    let ran = Command::new("cc").args(words).args([&socket, &source]).status().unwrap();
    assert!(ran.success());
    program
}

fn report_socket(story: &Story) -> PathBuf {
    let configured = story.json(&["config", "show"]);
    PathBuf::from(configured["guard"]["run_dir"].as_str().unwrap()).join("report.sock")
}

#[test]
fn who_fails_at_a_service_is_banned_and_who_gets_in_is_forgiven() {
    let door = Door::new();
    for _ in 0..4 {
        assert_eq!(door.say("wrong"), "failed: reported");
    }
    assert_eq!(door.say("secret"), "ok: reported");
    for _ in 0..4 {
        assert_eq!(door.say("wrong"), "failed: reported");
    }
    assert_eq!(door.story.verdict(CLIENT), "none");
    door.say("wrong");
    door.story.wait_for_verdict(CLIENT, "throttled");
    let why = door.story.cli(&["why", CLIENT]).stdout;
    for text in ["report door", "guest", "reporter"] {
        assert!(why.contains(text), "{why}");
    }
}

#[test]
fn one_abuse_is_enough() {
    let door = Door::new();
    door.say("");
    door.story.wait_for_verdict(CLIENT, "banned");
    assert_eq!(door.say("secret"), "");
}

#[test]
fn a_script_hands_over_its_standard_input_and_operators_may_name_an_address() {
    let story = Story::new("");
    let report = |more: &str| {
        let program = lab::program::guard();
        let home = story.daemon.config();
        let line = format!("{} --config {} report {more}", program.display(), home.display());
        let ran = story.lab.guarded().attempt(["sh", "-c", &line]);
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, told) = report("failed < /dev/null");
    assert_eq!(code, Some(4));
    assert!(told.contains("the socket is no connection of TCP"), "{told}");
    assert_eq!(report("abusive --service web --address 192.0.2.7").0, Some(0));
    story.wait_for_verdict("192.0.2.7", "banned");
    assert_eq!(report("abusive --address 10.77.0.1").0, Some(0));
    assert_ne!(story.verdict("10.77.0.1"), "banned");
    let (code, told) = report("failed --service 'a b'");
    assert_eq!(code, Some(4), "{told}");
}

#[test]
fn what_the_example_for_pam_runs_reports() {
    let story = Story::new("");
    let example = include_str!("../../docs/report/pam-example");
    let program = lab::program::guard();
    let ours = format!("{} --config {}", program.display(), story.daemon.config().display());
    let script: String = example
        .lines()
        .filter_map(|line| line.strip_prefix("#     "))
        .fold(String::new(), |script, line| {
            script + &line.replace("/usr/local/bin/portguard", &ours) + "\n"
        });
    assert!(script.starts_with("#!/bin/sh\n") && script.contains(&ours), "{script}");
    let report = |host: &str| {
        let host = format!("PAM_RHOST={host}");
        let words = ["env", &host, "PAM_SERVICE=door", "PAM_USER=guest", "sh", "-c", &script];
        story.lab.guarded().attempt(words.into_iter().chain(["pam-report", "failed"])).status.code()
    };
    assert_eq!(report(""), Some(0));
    for _ in 0..5 {
        assert_eq!(report("192.0.2.7"), Some(0));
    }
    story.wait_for_verdict("192.0.2.7", "banned");
    let why = story.cli(&["why", "192.0.2.7"]).stdout;
    assert!(why.contains("report door") && why.contains("guest"), "{why}");
}

#[test]
fn a_connection_that_goes_out_frames_nobody() {
    let story = Story::new("");
    let _server = story.lab.scanner().spawn(["nc", "-k", "-l", "-p", "8025"]);
    let program = lab::program::guard();
    let home = story.daemon.config();
    let report = format!("{} --config {} report abusive", program.display(), home.display());
    let script = format!("exec 5<>/dev/tcp/10.77.0.2/8025 && {report} <&5");
    wait_for("a refusal", || {
        let ran = story.lab.guarded().attempt(["bash", "-c", &script]);
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success());
        told.contains("was not accepted: nothing listens on its port")
    });
    assert_eq!(story.verdict(CLIENT), "none");
}

#[test]
fn the_socket_follows_the_configuration_and_only_members_may_report() {
    let story = Story::new("[api]\nreporters = \"nogroup\"\n");
    let path = report_socket(&story);
    let report = |user: &str, group: &str| {
        let program = lab::program::guard();
        let copy = story.daemon.home().join("portguard-copy");
        fs::copy(program, &copy).unwrap();
        let ids = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"];
        let words = ["report", "failed", "--report-socket"];
        let line = ids.into_iter().chain([copy.to_str().unwrap()]).chain(words);
        let ran = story.lab.guarded().attempt(line.chain([path.to_str().unwrap()]));
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    // Both hand over a standard input that is no connection: the one who may report is told so.
    let (stranger, member) = (report("1", "1"), report("1", "65534"));
    // Without root the lab has but one user, and setpriv says so.
    let has_users = !stranger.contains("setpriv: ");
    assert_eq!(stranger.contains("user 1 may not report"), has_users, "{stranger}");
    assert_eq!(member.contains("no connection of TCP"), has_users, "{member}");
    story.daemon.configure("[api]\nreport_socket = false\n");
    story.daemon.reload();
    wait_for("the socket to close", || {
        let told = story.cli(&["report", "failed"]).stderr;
        told.contains("is the daemon running, with api.report_socket = true?")
    });
}
