//! The program under test on a host of the lab, with its own configuration, state and socket.

use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Output, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    deadline::{PATIENCE, eventually},
    host::Host,
    program,
    running::Running,
};

/// A daemon of Portguard; dropping it kills it and removes what it wrote.
#[derive(Debug)]
pub struct Daemon {
    host: Host,
    home: TempDir,
    child: Option<Child>,
}

impl Daemon {
    /// Starts a daemon with this configuration and waits until it is ready.
    ///
    /// Its `state_dir` and `run_dir` are the lab's, whatever the configuration says.
    ///
    /// # Panics
    /// When the daemon ends or is not ready in time; its log is in the message.
    pub fn start(host: &Host, configuration: &str) -> Self {
        let mut daemon = Self::prepare(host, configuration);
        daemon.launch();
        daemon.wait_until_ready(PATIENCE);
        daemon
    }

    /// Returns a daemon that has its configuration but does not run.
    pub fn prepare(host: &Host, configuration: &str) -> Self {
        let home = TempDir::with_prefix("portguard-").expect("a temporary folder");
        // Other users of the host may come as far as the control socket, which decides by itself.
        open_to_all(home.path());
        let daemon = Self { host: host.clone(), home, child: None };
        fs::create_dir(daemon.path("conf.d")).expect("a new folder in a new folder");
        let folders = format!(
            "[guard]\nstate_dir = '{0}/state'\nrun_dir = '{0}/run'\n[web]\nstate_dir = '{0}/web'\n",
            daemon.home().display()
        );
        fs::write(daemon.path("conf.d/90-lab.toml"), folders).expect("a new file in a new folder");
        daemon.configure(configuration);
        daemon
    }

    /// Writes another configuration, for the next start or `reload`.
    pub fn configure(&self, configuration: &str) {
        fs::write(self.config(), configuration).expect("the lab's own file");
    }

    /// Starts the daemon and does not wait for anything.
    ///
    /// # Panics
    /// When it already runs.
    pub fn launch(&mut self) {
        self.launch_finding(None);
    }

    /// Starts the daemon with this folder in front of those where it finds other programs.
    ///
    /// # Panics
    /// When it already runs.
    pub fn launch_with_path(&mut self, folder: &Path) {
        self.launch_finding(Some(folder));
    }

    fn launch_finding(&mut self, folder: Option<&Path>) {
        assert!(self.child.is_none(), "the daemon already runs");
        let log = File::options().create(true).append(true).open(self.path("log"));
        let log = log.expect("the lab's own file");
        let mut line = self.line(&["daemon"]);
        if let Some(folder) = folder {
            let path =
                format!("PATH={}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
            line.splice(0..0, ["env".into(), path.into()]);
        }
        let child = self
            .host
            .command(line)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("nsenter is part of util-linux");
        self.child = Some(child);
    }

    /// Waits until everything that is due is in the kernel.
    ///
    /// # Panics
    /// When the daemon ends or is not ready in time; its log is in the message.
    pub fn wait_until_ready(&mut self, limit: Duration) {
        self.wait_for("the daemon is ready", limit, |daemon| {
            let ended = daemon.child.as_mut().map(|child| child.try_wait().expect("our child"));
            assert!(ended == Some(None), "the daemon does not run:\n{}", daemon.log());
            daemon.answer(&["status"]).is_some_and(|status| status["ready"] == true)
        });
    }

    /// Waits until something holds of this daemon.
    ///
    /// # Panics
    /// When it does not hold in time; the daemon's log is printed first.
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) {
        eventually(what, limit, || holds(self).then_some(()));
    }

    /// Runs a command of the command line on the daemon's host, whatever its end.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.host.attempt(self.line(arguments))
    }

    /// Runs a command of the command line and returns what it printed.
    ///
    /// # Panics
    /// When the command does not end with 0.
    pub fn say(&self, arguments: &[&str]) -> String {
        self.host.run(self.line(arguments))
    }

    /// Runs a command of the command line with `--json` and returns its answer; a negative answer
    /// (exit code 1) is one too.
    ///
    /// # Panics
    /// When no JSON comes back.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[&["--json"], arguments].concat());
        let complaint = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|why| panic!("portguard {arguments:?}: {why}\n{complaint}"))
    }

    /// Starts a command of the command line that goes on beside the test.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        self.host.spawn(self.line(arguments))
    }

    /// Returns `portguard status --json`.
    ///
    /// # Panics
    /// When the daemon does not answer.
    pub fn status(&self) -> Value {
        self.ask(&["status"])
    }

    /// Makes the daemon read its configuration again; does not wait for it.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Stops the daemon the way systemd does and returns how it ended.
    ///
    /// # Panics
    /// When it does not stop in time.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it was just told to stop");
        eventually("the daemon stops", PATIENCE, || child.try_wait().expect("our child"))
    }

    /// Kills the daemon on the spot.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill9(&mut self) {
        let mut child = self.child.take().expect("the daemon runs");
        child.kill().expect("our child");
        child.wait().expect("our child");
    }

    /// Stops the daemon, starts it again and waits until it is ready.
    ///
    /// # Panics
    /// When it does not stop or is not ready in time.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
        self.wait_until_ready(PATIENCE);
    }

    /// Returns everything that the daemon said so far, over all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Returns the id of the daemon's process; none while it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns the folder of everything that is this daemon's: `state`, `run`, `conf.d`, `log`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the path of the configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("portguard.toml")
    }

    /// Returns the path of the control socket.
    pub fn socket(&self) -> PathBuf {
        self.path("run/portguard.sock")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn line(&self, arguments: &[&str]) -> Vec<OsString> {
        let program = program::guard().into_os_string();
        let files: [OsString; 4] =
            ["--config".into(), self.config().into(), "--socket".into(), self.socket().into()];
        let arguments = arguments.iter().map(OsString::from);
        std::iter::once(program).chain(files).chain(arguments).collect()
    }

    fn answer(&self, arguments: &[&str]) -> Option<Value> {
        serde_json::from_slice(&self.cli(&[&["--json"], arguments].concat()).stdout).ok()
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the daemon runs");
        kill_process(Pid::from_child(child), signal).expect("our child");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when the daemon is already gone.
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("what the daemon said:\n{}", self.log());
        }
    }
}

fn open_to_all(folder: &Path) {
    let permissions = Permissions::from_mode(0o755);
    fs::set_permissions(folder, permissions).expect("the lab's own folder");
}
