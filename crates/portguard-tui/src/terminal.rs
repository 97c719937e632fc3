//! The terminal: taken over, drawn on, and given back as it was, however the program ends.

use std::{
    io::{self, IsTerminal as _, Stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
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

/// Whether the terminal is ours at the moment.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours; dropping it gives it back.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
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
        let mut screen = Self { terminal };
        screen.resume()?;
        Ok(screen)
    }

    /// Draws.
    pub(crate) fn draw(&mut self, state: &State, look: Look) -> io::Result<()> {
        self.terminal.draw(|frame| draw(state, look, frame)).map(|_| ())
    }

    /// Gives the terminal back for a while.
    pub(crate) fn pause(&mut self) {
        leave();
    }

    /// Takes the terminal over, again if it was given back or taken away.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        if IS_TAKEN.swap(true, Ordering::SeqCst) {
            // Whoever ran meanwhile has set the terminal as it likes.
            disable_raw_mode()?;
        }
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)?;
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

fn leave() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs no restoring.
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// A panic of any thread gives the terminal back first, so that its words can be read.
fn restore_after_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            tell(panic);
        }));
    });
}
