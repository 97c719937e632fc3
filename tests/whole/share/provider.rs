//! A provider: a real OpenSSH server on the scanner's side of the cable, which lets anybody in and
//! whose shell prints what the test wants, as localhost.run's does.
//!
//! It runs as an ordinary user of a user namespace, so that it works without root too.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use lab::{Host, Lab, Running, deadline::PATIENCE, eventually};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Where the server listens.
pub(crate) const PORT: u16 = 2222;

/// What providers print before anything else, with links that are not the address.
pub(crate) const BANNER: &str = "\n=================================================================\n\
    Welcome to localhost.run!\n\nFollow your favourite tunnel at [https://twitter.com/localhost_run].\n\
    To set up a custom domain go to https://admin.localhost.example/ or read\n\
    https://lhr.example/docs/https://decoy.lhr.example.evil.example/?x=https://inner.lhr.example&y\n\n\
    ** your connection id is 9a8b, please mention it if you send me a message about an issue. **\n\n\
    authenticated as anonymous user\n";

/// A provider's server.
pub(crate) struct Provider {
    home: TempDir,
    server: Option<Running>,
    host: Host,
}

impl Provider {
    /// Starts a provider that has printed its banner.
    pub(crate) fn start(lab: &Lab) -> Self {
        let mut provider = Self::prepare(lab);
        provider.up();
        provider
    }

    /// Returns a provider that does not run yet.
    pub(crate) fn prepare(lab: &Lab) -> Self {
        let home = TempDir::with_prefix("provider-").unwrap();
        let provider = Self { home, server: None, host: lab.scanner().clone() };
        provider.write("passwd", "root:x:0:0::/:/bin/sh\nprovider::1000:1000::/:/bin/sh\n");
        // Without the group `tty` the server may give terminals to its own user.
        provider.write("group", "root:x:0:\nprovider:x:1000:\n");
        for file in ["passwd", "group"] {
            let own = provider.home.path().join(file);
            provider.host.cover(Path::new(&format!("/etc/{file}")), &own);
        }
        provider.write("said", BANNER);
        let said = provider.said();
        // It reads on for as long as the session lives that started it.
        provider.write(
            "shell",
            &format!("exec tail -n +1 --pid=$PPID -s 0.05 -f {}\n", said.display()),
        );
        provider.settings("");
        provider.new_key("ed25519");
        provider
    }

    /// Gives the server these settings beside the usual ones, which they beat; for its next start.
    pub(crate) fn settings(&self, lines: &str) {
        let home = self.home.path().display();
        let settings = format!(
            "{lines}\nPort {PORT}\nListenAddress 10.77.0.2\nHostKey {home}/host_key\n\
             PermitEmptyPasswords yes\nKbdInteractiveAuthentication no\nUsePAM no\n\
             AuthorizedKeysFile {home}/authorized_keys\nStrictModes no\nPidFile none\n\
             AllowTcpForwarding remote\nForceCommand sh {home}/shell\nLogLevel VERBOSE\n"
        );
        self.write("settings", &settings);
    }

    /// Gives the server another host key, for its next start.
    pub(crate) fn new_key(&self, algorithm: &str) {
        let key = self.path("host_key");
        // There is none the first time.
        let _ = fs::remove_file(&key);
        let key = key.to_str().unwrap();
        self.host.run(["ssh-keygen", "-q", "-t", algorithm, "-N", "", "-f", key]);
    }

    /// Starts the server.
    pub(crate) fn up(&mut self) {
        assert!(self.server.is_none(), "it already runs");
        let log = self.path("log");
        let (log, settings) = (log.to_str().unwrap(), self.path("settings"));
        let user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"];
        let server = ["/usr/sbin/sshd", "-D", "-E", log, "-f", settings.to_str().unwrap()];
        let before = self.log().matches("Server listening").count();
        self.server = Some(self.host.spawn([&user[..], &server].concat()));
        eventually("the provider listens", PATIENCE, || {
            (self.log().matches("Server listening").count() > before).then_some(())
        });
    }

    /// Kills the server and every session of it on the spot.
    pub(crate) fn down(&mut self) {
        if let Some(server) = self.server.take() {
            for pid in family(server.pid()) {
                // A session that ended by itself needs no more.
                let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
            }
        }
    }

    /// Prints more, in this and every later session.
    pub(crate) fn say(&self, text: &str) {
        let file = fs::File::options().append(true).open(self.said());
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Returns the file whose text it prints, and goes on to print as it grows.
    pub(crate) fn said(&self) -> PathBuf {
        self.path("said")
    }

    /// Prints this alone in every later session.
    pub(crate) fn say_only(&self, text: &str) {
        self.write("said", text);
    }

    /// Lets a public key in.
    pub(crate) fn let_in(&self, key: &str) {
        self.write("authorized_keys", &format!("{key}\n"));
    }

    /// Returns what the server logged over all its starts.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Returns how many connections came in so far.
    pub(crate) fn met(&self) -> usize {
        self.log().matches("\nConnection from").count()
    }

    /// Asks for so many bytes over HTTP at a port that the provider forwards; returns the answer's
    /// code and how many bytes came.
    pub(crate) fn visit(&self, port: u16, length: usize) -> (String, usize) {
        let url = format!("http://127.0.0.1:{port}/{length}");
        let file = self.path("answer");
        let line =
            ["curl", "-s", "-m", "10", "-w", "%{http_code}", "-o", file.to_str().unwrap(), &url];
        // Nothing may have come at all.
        let _ = fs::remove_file(&file);
        let output = self.host.attempt(line);
        let body = fs::read(&file).unwrap_or_default();
        let is_right = body.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251);
        assert!(is_right, "bytes were lost or changed places");
        (String::from_utf8_lossy(&output.stdout).into_owned(), body.len())
    }

    /// Returns how many of so many visitors at the same moment are answered.
    pub(crate) fn visits_at_once(&self, port: u16, count: usize) -> usize {
        let most = count.to_string();
        let parallel = ["curl", "-s", "-m", "10", "--parallel", "--parallel-immediate"];
        let shown = ["--parallel-max", &most, "-w", "%{http_code} "];
        let url = format!("http://127.0.0.1:{port}/1000");
        let each = (0..count).flat_map(|_| ["-o", "/dev/null", &url]);
        let line: Vec<&str> = parallel.into_iter().chain(shown).chain(each).collect();
        let output = self.host.attempt(line);
        String::from_utf8_lossy(&output.stdout).matches("200 ").count()
    }

    /// Returns whether a visitor reaches the shared port.
    pub(crate) fn is_reached(&self, port: u16) -> bool {
        self.visit(port, 100) == ("200".to_owned(), 100)
    }

    /// Returns whether the provider listens on a port for visitors.
    pub(crate) fn forwards(&self, port: u16) -> bool {
        let listening = self.host.run(["ss", "-Hltn", &format!("sport = :{port}")]);
        !listening.is_empty()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.down();
        if std::thread::panicking() {
            eprintln!("what the provider logged:\n{}", self.log());
        }
    }
}

/// Returns a process and all that descend from it.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let children = threads.filter_map(|thread| {
        // A thread may end meanwhile.
        fs::read_to_string(thread.ok()?.path().join("children")).ok()
    });
    let children = children.collect::<Vec<_>>().join(" ");
    let below = children.split_whitespace().flat_map(|child| family(child.parse().unwrap()));
    std::iter::once(pid).chain(below).collect()
}

/// How long a provider that says nothing is waited for, and then some.
pub(crate) const LONG: Duration = Duration::from_secs(40);
