//! Real servers of Debian's packages, none of which is installed: `cargo xtask setup` unpacks them, and a
//! host of the lab has them laid over its own `/usr` and `/etc`, with files of the test on top.
//!
//! They run as the ordinary user anna of a user namespace, so that this works without root too.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use tempfile::TempDir;

use crate::{
    host::Host,
    program,
    running::Running,
    wiring::{GUARDED_V4, GUARDED_V6},
};

/// Where `cargo xtask setup` unpacks them.
const UNPACKED: &str = "target/tools/servers";

/// The password of anna.
pub const PASSWORD: &str = "secret";

/// The lines of anna and root, in the form of `passwd(5)`.
const USERS: &str = "root:x:0:0::/:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n";

/// How a server becomes anna; it dies with all that it started.
const AS_ANNA: [&str; 7] =
    ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--pid", "--kill-child", "--fork"];

/// Who knocks at an SSH server, and how.
#[derive(Debug)]
pub struct SshDoor<'a> {
    /// The client's address.
    pub from: &'a str,
    /// Where the server listens.
    pub port: u16,
    /// As whom.
    pub user: &'a str,
    /// With which password.
    pub password: &'a str,
    /// How often it is said.
    pub tries: u8,
}

/// The servers on a host, and the test's own files over them.
#[derive(Debug)]
pub struct Servers {
    host: Host,
    files: TempDir,
}

impl Servers {
    /// Returns the servers of a host that are not laid over it yet; there is one user, anna.
    pub fn of(host: &Host) -> Self {
        let files = TempDir::with_prefix("servers-").expect("a temporary folder");
        let servers = Self { host: host.clone(), files };
        fs::create_dir(servers.path("usr")).expect("the lab's own folder");
        let hash = host.run(["openssl", "passwd", "-6", PASSWORD]);
        let hash = hash.trim();
        servers.write("etc/passwd", USERS);
        // Nobody here answers questions for names, and who asks would wait.
        servers.write("etc/nsswitch.conf", "passwd: files\nshadow: files\nhosts: files\n");
        let name = host.run(["uname", "-n"]);
        servers.write("etc/hosts", &format!("127.0.0.1 localhost {name}"));
        servers.write("etc/group", "root:x:0:\nanna:x:1000:\n");
        servers.write("etc/shadow", &format!("root:*:::::::\nanna:{hash}:::::::\n"));
        servers.write("users", &format!("anna:{hash}:1000:1000::/:/bin/sh\n"));
        for private in ["etc/shadow", "users"] {
            host.run(["chmod", "600", &servers.text(private)]);
        }
        servers
    }

    /// Writes a file; what is in `usr` or `etc` comes to lie over the host's own.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("the lab's own folder");
        fs::write(&path, text).expect("the lab's own file");
        path
    }

    /// Makes a link to something that lies elsewhere.
    pub fn link(&self, name: &str, to: &str) {
        let path = self.write(name, "");
        fs::remove_file(&path).expect("the lab's own file");
        symlink(to, path).expect("the lab's own file");
    }

    /// Returns the path of a file of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Returns the path of a file of the test, as a text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Lays the servers and the test's files over the host's `/usr` and `/etc`, for this host alone.
    ///
    /// # Panics
    /// When nothing is unpacked, or the kernel has no overlays.
    pub fn lay_over(&self) {
        let unpacked = program::workspace().join(UNPACKED);
        assert!(unpacked.join("packages").exists(), "run `cargo xtask setup` first");
        for folder in ["usr", "etc"] {
            let (ours, theirs) = (self.text(folder), unpacked.join(folder).display().to_string());
            let layers = format!("lowerdir={ours}:{theirs}:/{folder}");
            let place = format!("/{folder}");
            self.host.run(["mount", "-t", "overlay", "-o", &layers, "overlay", &place]);
        }
    }

    /// Returns the setting that keeps an OpenSSH from turning sources away by itself, as it does from 9.8
    /// on; nothing for one that does not know it.
    pub fn without_penalties(&self) -> &'static str {
        let asked = self.host.attempt(["/usr/sbin/sshd", "-t", "-o", "PerSourcePenalties=no"]);
        let is_unknown =
            String::from_utf8_lossy(&asked.stderr).contains("Bad configuration option");
        if is_unknown { "" } else { "PerSourcePenalties no\n" }
    }

    /// Tries to log in at an SSH server of the guarded host with the real `ssh`, with so many tries in one
    /// connection; returns whether that was let in.
    ///
    /// # Panics
    /// When the server does not even ask.
    pub fn ssh(&self, client: &Host, door: &SshDoor<'_>) -> bool {
        let question = "#!/bin/sh\necho \"$ANSWER\"\n";
        let question = self.write("answer", question).display().to_string();
        client.run(["chmod", "755", &question]);
        let to = if door.from.contains(':') { GUARDED_V6 } else { GUARDED_V4 };
        let whom = format!("{}@{to}", door.user);
        let (answer, program) =
            (format!("ANSWER={}", door.password), format!("SSH_ASKPASS={question}"));
        let (asked, port) =
            (format!("NumberOfPasswordPrompts={}", door.tries), door.port.to_string());
        let line = ["env", &answer, &program, "SSH_ASKPASS_REQUIRE=force", "ssh", "-F", "none"];
        let options = ["PreferredAuthentications=password", "StrictHostKeyChecking=no"];
        let options = options.into_iter().chain(["UserKnownHostsFile=/dev/null", &asked]);
        let options = options.flat_map(|option| ["-o", option]);
        let end = ["-b", door.from, "-p", &port, &whom, "echo", "inside"];
        let ran = client.attempt(line.into_iter().chain(options).chain(end));
        let told = String::from_utf8_lossy(&ran.stderr);
        let is_in = ran.stdout == b"inside\n";
        assert!(is_in || told.contains("Permission denied"), "{}: {told}", door.from);
        is_in
    }

    /// Starts a server as anna.
    pub fn start(&self, line: &[&str]) -> Running {
        self.host.spawn([&AS_ANNA[..], line].concat())
    }
}
