//! What every test tells: a guarded host with a configuration, somebody who connects, what the
//! kernel then says, and what the system log reads.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use lab::{
    Answer, Daemon, Lab, deadline::PATIENCE, eventually, running::Running, wiring::GUARDED_V4,
};
use serde_json::Value;

/// How long silence has to last; on a virtual cable an answer takes microseconds.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

/// A lab with a daemon in it.
pub(crate) struct Story {
    // The daemon goes before the host that it runs on.
    pub(crate) daemon: Daemon,
    pub(crate) lab: Lab,
}

/// A finished command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Story {
    /// Starts a daemon with this configuration in a fresh lab.
    pub(crate) fn new(configuration: &str) -> Self {
        Self::in_lab(Lab::new(), configuration)
    }

    /// Starts a daemon with this configuration in a lab that is prepared.
    pub(crate) fn in_lab(lab: Lab, configuration: &str) -> Self {
        let daemon = Daemon::start(lab.guarded(), configuration);
        Self { daemon, lab }
    }

    /// Returns whether somebody at `from` completes a handshake with the guarded host.
    pub(crate) fn connects(&self, from: &str, to: IpAddr, port: u16) -> bool {
        let from: IpAddr = from.parse().expect("an address");
        let answer = self.lab.scanner().connect(Some(from), SocketAddr::new(to, port), SILENCE);
        answer == Answer::Open
    }

    /// Touches a trap: completes a handshake that the trap then ends by a reset.
    #[track_caller]
    pub(crate) fn touch(&self, from: &str, to: IpAddr, port: u16) {
        let address: IpAddr = from.parse().expect("an address");
        let answer = self.lab.scanner().connect(Some(address), SocketAddr::new(to, port), SILENCE);
        let answered = matches!(answer, Answer::Open | Answer::Refused);
        assert!(answered, "{from} got {answer:?} from port {port}");
    }

    /// Starts a server on the guarded host.
    pub(crate) fn serve(&self, port: u16) -> Running {
        self.lab.guarded().serve(SocketAddr::new(GUARDED_V4, port))
    }

    /// Starts a server by another name of the program, as this user, on an address of the guarded
    /// host. Returns the program's path as well.
    pub(crate) fn serve_as(&self, name: &str, user: &str, at: &str) -> (Running, PathBuf) {
        let program = self.daemon.home().join(name);
        if !program.exists() {
            std::fs::copy(lab::program::probe(), &program).expect("room for a small program");
        }
        let path = program.to_str().expect("a plain path");
        let line = ["setpriv", "--reuid", user, "--clear-groups", path, "serve", at];
        let server = self.lab.guarded().spawn(line);
        assert_eq!(server.line(PATIENCE).as_deref(), Some("ready"), "nothing serves at {at}");
        (server, program)
    }

    /// Returns how a port is reached, by which rule: `open follow`; nothing if it is not listed.
    pub(crate) fn reach(&self, port: &str) -> String {
        let rows = self.json(&["ports", "--all"]);
        let rows = rows.as_array().expect("a list").iter().filter(|row| row["port"] == port);
        let words = rows.map(|row| {
            let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("reach"), word("rule"))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Waits until a port is reached in this way.
    pub(crate) fn wait_for_reach(&self, port: &str, reach: &str) {
        let what = format!("{port} is {reach}");
        eventually(&what, PATIENCE, || (self.reach(port) == reach).then_some(()));
    }

    /// Runs shell lines on the guarded host, each of which must succeed.
    pub(crate) fn guarded(&self, lines: &str) -> String {
        self.lab.guarded().run(["sh", "-ec", lines])
    }

    /// Runs one of the program's commands.
    pub(crate) fn cli(&self, words: &[&str]) -> Ran {
        let output = self.daemon.cli(words);
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed.
    pub(crate) fn order(&self, words: &[&str]) {
        let ran = self.cli(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
    }

    /// Runs a command and returns its JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        self.daemon.ask(words)
    }

    /// Returns what the kernel says of an address: `banned`, `throttled`, `allowed`, `none`, ...
    pub(crate) fn verdict(&self, address: &str) -> String {
        self.json(&["check", address])["verdict"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the kernel says this of an address.
    pub(crate) fn wait_for_verdict(&self, address: &str, verdict: &str) {
        let what = format!("{address} is {verdict}");
        eventually(&what, PATIENCE, || (self.verdict(address) == verdict).then_some(()));
    }

    /// Waits until the system log has a line with this text.
    pub(crate) fn wait_for_line(&self, text: &str) {
        let what = format!("the line `{text}`");
        eventually(&what, PATIENCE, || self.daemon.log().contains(text).then_some(()));
    }

    /// Sends the daemon a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.daemon.pid().expect("the daemon runs").to_string();
        self.lab.guarded().run(["kill", &format!("-{name}"), &pid]);
    }

    /// Starts the daemon again after it ended.
    pub(crate) fn start_again(&mut self) {
        self.daemon.launch();
        self.daemon.wait_until_ready(PATIENCE);
    }
}

/// Waits until a condition holds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, PATIENCE, || condition().then_some(()));
}
