//! How a command ends: whose turn it is, in one line with a hint, and the exit code for scripts.

use std::{io::Write as _, process::ExitCode};

/// Returns an error with all its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whose turn it is, each with an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A negative answer, or a refusal by the rules.
    Negative,
    /// The command makes no sense as it is.
    Usage,
    /// The daemon is not running.
    NotRunning,
    /// The user may not do this.
    NotPermitted,
    /// The configuration is invalid.
    Configuration,
    /// The kernel did not take it over.
    NotEnforced,
}

impl Turn {
    /// Returns the exit code, as the reference of the command line has them.
    const fn code(self) -> u8 {
        match self {
            Self::Negative => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::NotPermitted => 4,
            Self::Configuration => 5,
            Self::NotEnforced => 6,
        }
    }
}

/// A command that did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    turn: Turn,
    lines: Vec<String>,
    hint: Option<String>,
}

impl Failed {
    pub(crate) fn new(turn: Turn, line: impl Into<String>) -> Self {
        Self { turn, lines: vec![line.into()], hint: None }
    }

    /// Several lines, each naming one thing.
    pub(crate) fn lines(turn: Turn, lines: Vec<String>) -> Self {
        Self { turn, lines, hint: None }
    }

    pub(crate) fn environment(line: impl Into<String>) -> Self {
        Self::new(Turn::NotRunning, line)
    }

    /// Something that can not happen unless this program is wrong.
    pub(crate) fn bug(line: impl Into<String>) -> Self {
        Self::new(Turn::Usage, line).hint("this is a mistake of this program; please report it")
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }

    /// Returns whether the answer was no, and everything else went well.
    pub(crate) fn is_refusal(&self) -> bool {
        self.turn == Turn::Negative
    }

    /// Returns what went wrong, on one line.
    pub(crate) fn words(&self) -> String {
        self.lines.join("; ")
    }

    /// Returns what helps, if something does.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Tells the user and returns the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let errors = self.lines.iter().map(|line| format!("error: {line}\n"));
        let hints = self.hint.iter().map(|hint| format!("hint: {hint}\n"));
        let words: String = errors.chain(hints).collect();
        // A terminal that is gone has no reader.
        let _ = std::io::stderr().write_all(words.as_bytes());
        ExitCode::from(self.turn.code())
    }
}
