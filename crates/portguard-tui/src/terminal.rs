//! The terminal: taken over, drawn on, and given back as it was, however the program ends.

use std::{
    io::{self, IsTerminal as _, Stdout},
    mem::ManuallyDrop,
    panic,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, ThreadId},
};

use ratatui_core::terminal::Terminal;
use ratatui_crossterm::{
    CrosstermBackend,
    crossterm::{
        cursor::{Hide, Show},
        event::{DisableBracketedPaste, EnableBracketedPaste},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use crate::{draw::draw, look::Look, state::State};

/// Whose the terminal is at the moment. Whoever draws holds it, so that nothing is drawn after
/// another thread gave the terminal back.
static HOLDER: Mutex<Holder> = Mutex::new(Holder::Others);

/// The thread that draws.
static DRAWS: OnceLock<ThreadId> = OnceLock::new();

/// Whose the terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// The shell's, or somebody else's.
    Others,
    /// Ours.
    Dashboard,
}

/// The terminal while it is ours; dropping it gives it back.
pub(crate) struct Screen {
    /// It is never dropped: it would complain, in vain, that a terminal that is gone shows no cursor.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

/// Returns whether standard input and output are a terminal.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

impl Screen {
    /// Takes the terminal over.
    pub(crate) fn open() -> io::Result<Self> {
        restore_after_panic();
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let mut screen = Self { terminal: ManuallyDrop::new(terminal) };
        screen.resume()?;
        Ok(screen)
    }

    /// Draws.
    pub(crate) fn draw(&mut self, state: &State, look: Look) -> io::Result<()> {
        let holder = holder();
        match *holder {
            Holder::Dashboard => self.terminal.draw(|frame| draw(state, look, frame)).map(|_| ()),
            // Another thread panicked, and the end is near.
            Holder::Others => Ok(()),
        }
    }

    /// Gives the terminal back for a while.
    pub(crate) fn pause() {
        leave();
    }

    /// Takes the terminal over, again if it was given back or taken away.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        let mut holder = holder();
        if *holder == Holder::Dashboard {
            // Whoever ran meanwhile has set the terminal as it likes.
            disable_raw_mode()?;
        }
        *holder = Holder::Dashboard;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)?;
        drop(holder);
        self.redraw()
    }

    /// Has everything drawn anew.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where its cursor is, and its answer comes as keys.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn holder() -> MutexGuard<'static, Holder> {
    HOLDER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leave() {
    let mut holder = holder();
    if *holder == Holder::Dashboard {
        *holder = Holder::Others;
        give_back();
    }
}

fn give_back() {
    // A terminal that is gone needs no restoring.
    let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// A panic of any thread gives the terminal back first, so that its words can be read.
fn restore_after_panic() {
    if DRAWS.set(thread::current().id()).is_err() {
        return;
    }
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if DRAWS.get() == Some(&thread::current().id()) {
            // It may hold the terminal itself, and draws no more.
            give_back();
        } else {
            leave();
        }
        tell(panic);
    }));
}
