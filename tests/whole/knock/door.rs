//! What the tests of knocks begin with: a closed host that takes knocks, a client with a key, and a real
//! OpenSSH server behind a closed port.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use lab::{
    Answer, Daemon, Host, Lab, deadline::PATIENCE, eventually, program, running::Running,
    wiring::GUARDED_V4,
};
use serde_json::Value;

use crate::story::{Ran, SILENCE, Story};

/// Where the SSH server listens: a port that an ordinary user may have.
pub(crate) const SSH: u16 = 2222;

/// Where knocks are taken.
pub(crate) const KNOCK: u16 = 62_201;

/// The client's own address, before any other that it has.
pub(crate) const CLIENT: &str = "10.77.0.2";

/// Everything is closed, and a knock opens.
pub(crate) const CLOSED: &str =
    "[guard]\nposture = \"closed\"\n[ports]\nalways = []\nfollow = \"none\"\n";

/// A guarded host that takes knocks, and those who know its key.
pub(crate) struct Door {
    pub(crate) story: Story,
    pub(crate) host_key: String,
}

impl Door {
    /// A door that stays open long enough for a test, with one key.
    pub(crate) fn new() -> Self {
        Self::with(CLOSED, "open_for = \"1h\"\n")
    }

    /// A door with this configuration before `[knock]` and these settings in it.
    pub(crate) fn with(before: &str, knock: &str) -> Self {
        Self::in_lab(Lab::new(), before, knock)
    }

    /// The same in a lab that is prepared.
    pub(crate) fn in_lab(lab: Lab, before: &str, knock: &str) -> Self {
        let daemon = Daemon::prepare(lab.guarded(), "");
        let mut story = Story { daemon, lab };
        new_key(&story, "key", "anna");
        let keys = public(&story, "key");
        story.daemon.configure(&configuration(before, knock, &[keys]));
        story.daemon.launch();
        story.daemon.wait_until_ready(PATIENCE);
        let door = Self { story, host_key: String::new() };
        let host_key = door.listening()["host_key"].as_str().expect("a host key").to_owned();
        Self { host_key, ..door }
    }

    /// Waits until knocks are taken, and returns how they do.
    pub(crate) fn listening(&self) -> Value {
        eventually("knocks are taken", PATIENCE, || {
            let status = self.story.json(&["status"]);
            let sources = status["sources"].as_array().cloned().unwrap_or_default();
            let is_good =
                sources.iter().any(|one| one["name"] == "knocks" && one["health"] == "good");
            is_good.then(|| status["knock"].clone())
        })
    }

    /// Returns how the knocks do.
    pub(crate) fn state(&self) -> Value {
        self.story.json(&["status"])["knock"].clone()
    }

    /// Returns how many packets were refused of a kind.
    pub(crate) fn refused(&self, kind: &str) -> u64 {
        self.state()["refused"][kind].as_u64().unwrap_or_default()
    }

    /// Waits until so many packets were refused of a kind.
    #[track_caller]
    pub(crate) fn wait_for_refused(&self, kind: &str, count: u64) {
        let what = format!("{count} {kind}: {}", self.state());
        eventually(&what, PATIENCE, || (self.refused(kind) == count).then_some(()));
    }

    /// Knocks from a host with the key of this name.
    pub(crate) fn knock_from(&self, host: &Host, key: &str, words: &[&str]) -> Ran {
        let (program, key) = (program::guard(), self.path(key));
        let mut line = vec![program.to_str().unwrap(), "knock", "--host-key", &self.host_key];
        line.extend(["--key", key.to_str().unwrap()]);
        line.extend(words);
        let output = host.attempt(line);
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Knocks from the scanner with anna's key, which must be sent.
    #[track_caller]
    pub(crate) fn knock(&self, words: &[&str]) {
        let ran = self.knock_from(self.story.lab.scanner(), "key", words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    /// Knocks as before, and returns the packet as it was on the wire.
    pub(crate) fn captured(&self, words: &[&str]) -> PathBuf {
        let (dump, file) = (self.path("dump"), self.path("packet"));
        let filter = ["udp", "dst", "port", "62201"];
        let tcpdump = ["tcpdump", "-U", "-i", "cable", "-c", "1", "-w", dump.to_str().unwrap()];
        let line = ["sh", "-c", "exec \"$@\" 2>&1", "sh"];
        let mut running = self.story.lab.guarded().spawn([&line[..], &tcpdump, &filter].concat());
        let listens = std::iter::from_fn(|| running.line(PATIENCE));
        let mut lines = listens.skip_while(|line| !line.contains("listening on"));
        assert!(lines.next().is_some(), "tcpdump does not listen");
        self.knock(words);
        eventually("tcpdump has the packet", PATIENCE, || (!running.is_alive()).then_some(()));
        let bytes = fs::read(&dump).unwrap();
        fs::write(&file, &bytes[bytes.len() - 256..]).unwrap();
        file
    }

    /// Sends what is in a file to the port that is knocked at.
    pub(crate) fn send(&self, from: &str, file: &Path) -> Answer {
        let to = SocketAddr::new(GUARDED_V4, KNOCK);
        self.story.lab.scanner().send_file(Some(address(from)), to, SILENCE, file)
    }

    /// Returns whether somebody at this address reaches the SSH server's port.
    pub(crate) fn is_open(&self, from: &str) -> bool {
        let to = if from.contains(':') { lab::wiring::GUARDED_V6 } else { GUARDED_V4 };
        self.story.connects(from, to, SSH)
    }

    /// Waits until somebody at this address reaches the SSH server's port.
    #[track_caller]
    pub(crate) fn wait_for_open(&self, from: &str) {
        eventually(&format!("the port opens for {from}"), PATIENCE, || {
            self.is_open(from).then_some(())
        });
    }

    /// Writes bytes into a file.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.story.daemon.home().join(name)
    }
}

/// Returns a configuration with these lines of keys.
pub(crate) fn configuration(before: &str, knock: &str, keys: &[String]) -> String {
    let listen = if knock.contains("listen") { "" } else { "listen = \"udp/62201\"\n" };
    let keys: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
    let keys = keys.join(", ");
    format!(
        "{before}[services.ssh]\nports = [\"tcp/{SSH}\"]\n[knock]\n{listen}keys = [{keys}]\n{knock}"
    )
}

/// Makes a pair of keys with the real `ssh-keygen`.
pub(crate) fn new_key(story: &Story, file: &str, name: &str) {
    let path = story.daemon.home().join(file);
    let path = path.to_str().unwrap();
    let line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path];
    story.lab.guarded().run(line);
}

/// Returns the public half of a pair.
pub(crate) fn public(story: &Story, file: &str) -> String {
    let path = story.daemon.home().join(file).with_extension("pub");
    fs::read_to_string(path).unwrap().trim().to_owned()
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A real OpenSSH server on the guarded host that says every line back.
pub(crate) struct Sshd {
    _server: Running,
}

impl Sshd {
    /// Starts a server that lets anna's key in. It runs as an ordinary user of a user namespace, so
    /// that it works without root too.
    pub(crate) fn start(door: &Door) -> Self {
        let host = door.story.lab.guarded();
        let passwd = "root:x:0:0::/:/bin/sh\nanna:*:1000:1000::/:/bin/sh\n";
        host.cover(Path::new("/etc/passwd"), &door.file("passwd", passwd.as_bytes()));
        host.cover(Path::new("/etc/group"), &door.file("group", b"root:x:0:\nanna:x:1000:\n"));
        let host_key = door.path("ssh_host_key");
        let host_key = host_key.to_str().unwrap();
        host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key]);
        let settings = format!(
            "Port {SSH}\nListenAddress 0.0.0.0\nListenAddress ::\nHostKey {host_key}\n\
             AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nForceCommand cat\n",
            door.path("key.pub").display()
        );
        let settings = door.file("sshd_settings", settings.as_bytes());
        let log = door.path("sshd_log");
        let user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"];
        let server = ["/usr/sbin/sshd", "-D", "-E", log.to_str().unwrap()];
        let file = ["-f", settings.to_str().unwrap()];
        let server = host.spawn([&user[..], &server, &file].concat());
        eventually("the SSH server listens", PATIENCE, || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            (said.matches("Server listening").count() == 2).then_some(())
        });
        Self { _server: server }
    }
}

/// Starts a real `ssh` session from a host.
pub(crate) fn ssh(door: &Door, host: &Host, to: IpAddr) -> Running {
    let (key, port, to) = (door.path("key"), SSH.to_string(), format!("anna@{to}"));
    let quiet = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"];
    let hosts = ["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-F", "none"];
    let whom = ["-i", key.to_str().unwrap(), "-p", &port, &to];
    host.spawn([&["ssh", "-T"][..], &quiet, &hosts, &whom].concat())
}

/// Checks that a session says a line back.
#[track_caller]
pub(crate) fn says_back(session: &mut Running, line: &str) {
    session.say(line);
    assert_eq!(session.line(PATIENCE).as_deref(), Some(line));
}
