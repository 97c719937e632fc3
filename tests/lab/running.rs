//! A command that goes on beside the test: what it prints, what it is told, and its end.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// A running command; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter is part of util-linux");
        let input = child.stdin.take().expect("it was asked for");
        let output = child.stdout.take().expect("it was asked for");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).count()
        });
        Self { child, input, lines }
    }

    /// Returns the id of the command's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether the command still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the next line that the command prints; nothing if none comes in time.
    pub fn line(&self, limit: Duration) -> Option<String> {
        self.lines.recv_timeout(limit).ok()
    }

    /// Gives the command one line to read; one that has ended reads it no more.
    pub fn say(&mut self, line: &str) {
        // What became of the command is seen in what it prints.
        let _ = writeln!(self.input, "{line}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the command is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
