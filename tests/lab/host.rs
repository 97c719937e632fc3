//! A host of the lab: a network and a mount namespace, kept open by one process that does nothing.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use crate::{
    deadline::{PATIENCE, eventually},
    running::Running,
};

/// A host; clones are handles of the same host, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Host {
    holder: Arc<Holder>,
}

impl Host {
    /// Returns a host of its own, with nothing but a loopback device.
    ///
    /// # Panics
    /// When the machine gives no namespaces.
    pub(crate) fn alone() -> Self {
        Self::held_by(Command::new("unshare").args(own_user_namespace()))
    }

    /// Returns another host under the same root user, so that both can hold the ends of one cable.
    pub(crate) fn neighbour(&self) -> Self {
        if is_root() {
            return Self::alone();
        }
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.pid().to_string()).args(shared_user_namespace());
        Self::held_by(command.args(["--", "unshare"]))
    }

    fn held_by(command: &mut Command) -> Self {
        let child = command
            // The holder reads until the test closes the other end, by will or by dying.
            .args(["--net", "--mount", "--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare and nsenter are part of util-linux");
        let host = Self { holder: Arc::new(Holder { child }) };
        eventually("the host's namespaces", PATIENCE, || host.is_apart().then_some(()));
        host.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"]);
        for scope in ["all", "default"] {
            // The machine's own setting is inherited and might refuse forged sources.
            host.set(&format!("net.ipv4.conf.{scope}.rp_filter"), "0");
            // Duplicate address detection keeps a new IPv6 address unusable for a second.
            host.set(&format!("net.ipv6.conf.{scope}.accept_dad"), "0");
        }
        host.configure_network("link set lo up\n");
        host
    }

    /// Whether the holder has left this test's namespaces and runs what only waits.
    fn is_apart(&self) -> bool {
        let theirs = format!("/proc/{}", self.pid());
        let elsewhere = ["net", "mnt"].iter().all(|kind| {
            let ours = fs::read_link(format!("/proc/self/ns/{kind}"));
            let theirs = fs::read_link(format!("{theirs}/ns/{kind}"));
            matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours != theirs)
        });
        elsewhere && fs::read_to_string(format!("{theirs}/comm")).is_ok_and(|comm| comm == "cat\n")
    }

    /// Returns the id of the process that keeps the host's namespaces open.
    pub fn pid(&self) -> u32 {
        self.holder.child.id()
    }

    /// Returns a command that runs on this host, from `/`, and dies with the thread that started it.
    pub fn command(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("nsenter");
        command
            // Whoever is root here may outside be somebody who does not look into these.
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .arg("--target")
            .arg(self.pid().to_string())
            .args(shared_user_namespace())
            .args(["--net", "--mount", "--", "setpriv", "--pdeathsig", "KILL", "--"])
            .args(line);
        command
    }

    /// Runs a command to its end, whatever that is.
    pub fn attempt(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        self.command(line).stdin(Stdio::null()).output().expect("nsenter is part of util-linux")
    }

    /// Runs a command to its end and returns what it printed.
    ///
    /// # Panics
    /// When the command fails.
    #[track_caller]
    pub fn run(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let mut command = self.command(line);
        let output = command.stdin(Stdio::null()).output().expect("nsenter is part of util-linux");
        printed(&command, output)
    }

    /// Runs a command to its end with this text as its input and returns what it printed.
    ///
    /// # Panics
    /// When the command fails.
    #[track_caller]
    pub fn feed(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>, text: &str) -> String {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter is part of util-linux");
        let mut input = child.stdin.take().expect("it was asked for");
        input.write_all(text.as_bytes()).expect("the command reads its input");
        drop(input);
        printed(&command, child.wait_with_output().expect("the command is our child"))
    }

    /// Starts a command that goes on beside the test; it is ended when the returned value drops.
    pub fn spawn(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        Running::start(&mut self.command(line))
    }

    /// Gives `nft` commands and returns what it printed.
    ///
    /// # Panics
    /// When `nft` refuses them.
    #[track_caller]
    pub fn nft(&self, commands: &str) -> String {
        self.feed(["nft", "-f", "-"], &format!("{commands}\n"))
    }

    /// Gives `ip` commands, one a line and each without the word `ip`.
    ///
    /// # Panics
    /// When one of them fails.
    #[track_caller]
    pub fn configure_network(&self, commands: &str) {
        self.feed(["ip", "-batch", "-"], commands);
    }

    /// Sets a kernel parameter of this host's network.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[track_caller]
    pub fn set(&self, parameter: &str, value: &str) {
        self.run(["sysctl", "-q", "-w", &format!("{parameter}={value}")]);
    }

    /// Lays a file over another one, for this host alone; both have to exist.
    ///
    /// # Panics
    /// When one of them does not.
    #[track_caller]
    pub fn cover(&self, path: &Path, with: &Path) {
        self.run([OsStr::new("mount"), OsStr::new("--bind"), with.as_os_str(), path.as_os_str()]);
    }
}

#[track_caller]
fn printed(command: &Command, output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{complaint}", output.status);
    String::from_utf8(output.stdout).expect("the command prints text")
}

/// Root may make namespaces as it is; everybody else has to become root of a user namespace.
fn own_user_namespace() -> &'static [&'static str] {
    if is_root() { &[] } else { &["--user", "--map-root-user"] }
}

fn shared_user_namespace() -> &'static [&'static str] {
    if is_root() { &[] } else { &["--user", "--preserve-credentials"] }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The process that keeps the namespaces open.
#[derive(Debug)]
struct Holder {
    child: Child,
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // A holder that is already gone is all that is wanted.
        let _ = self.child.wait();
    }
}
