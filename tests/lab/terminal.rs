//! A real terminal for programs that draw on one: tmux without anybody in front of it.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    deadline::{PATIENCE, eventually},
    host::Host,
};

/// How many terminals this process has opened, so that each has a socket of its own.
static OPENED: AtomicU32 = AtomicU32::new(0);

/// A terminal with a shell in it; dropping it ends both.
#[derive(Debug)]
pub struct Terminal {
    host: Host,
    socket: PathBuf,
}

impl Terminal {
    /// Opens a terminal of this many columns and rows on a host, with a shell whose prompt is `$ `.
    ///
    /// # Panics
    /// When tmux does not start.
    pub fn open(host: &Host, columns: u16, rows: u16) -> Self {
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let name = format!("portguard-terminal-{}-{number}", std::process::id());
        let terminal = Self { host: host.clone(), socket: std::env::temp_dir().join(name) };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let shell = "env PS1='$ ' bash --norc --noprofile";
        terminal.tmux(&[
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            shell,
        ]);
        terminal.tmux(&["set-option", "-g", "status", "off"]);
        terminal.wait_for("the prompt", |screen| screen.starts_with('$'));
        terminal
    }

    /// Takes the terminal away from whatever runs in it.
    pub fn close(self) {}

    /// Types a text as it is.
    pub fn type_in(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Presses keys by tmux's names for them (`Enter`, `Escape`, `Down`, `C-z`, `y`).
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a line for the shell.
    pub fn run(&self, line: &str) {
        self.type_in(line);
        self.press(&["Enter"]);
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Returns what is on the screen.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Returns what is on the screen, with the codes of its colours.
    pub fn coloured_screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Returns whether the cursor is seen and whether the screen is a program's own, as tmux says.
    pub fn modes(&self) -> String {
        let format = "cursor #{cursor_flag}, alternate #{alternate_on}";
        self.tmux(&["display-message", "-p", format]).trim().to_owned()
    }

    /// Waits until something is on the screen.
    ///
    /// # Panics
    /// When it is not in time; the screen is in the message.
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, PATIENCE, || {
                last = self.screen();
                holds(&last).then_some(())
            });
        }));
        assert!(found.is_ok(), "{what}: not on this screen:\n{last}");
    }

    /// Waits until a text is on the screen.
    ///
    /// # Panics
    /// When it is not in time; the screen is in the message.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |screen| screen.contains(text));
    }

    fn tmux(&self, words: &[&str]) -> String {
        // A test may run inside of another tmux, and in whatever language.
        let fixed = ["env", "-u", "TMUX", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "tmux", "-S"];
        let line = fixed.iter().map(OsString::from);
        let line = line.chain([self.socket.clone().into_os_string()]);
        self.host.run(line.chain(words.iter().map(OsString::from)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let line = ["tmux".into(), "-S".into(), self.socket.clone().into_os_string()];
        // It fails only when the terminal is already gone.
        let _ = self.host.attempt(line.into_iter().chain([OsString::from("kill-server")]));
        // So does this.
        let _ = std::fs::remove_file(&self.socket);
    }
}
