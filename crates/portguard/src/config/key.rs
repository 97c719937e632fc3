//! The way to a key, as people write it: `traps[2].ports[0]`.

use std::fmt;

/// The way from the top of the configuration to one of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(Vec<Step>);

/// One step of the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into a table, by name.
    Name(String),
    /// Into a list, counted from 0.
    Row(usize),
}

impl Key {
    /// Returns the way to a key whose names need no quotes: `guard.posture`.
    pub(super) fn of(dotted: &str) -> Self {
        Self(dotted.split('.').map(|name| Step::Name(name.to_owned())).collect())
    }

    /// Returns the way on to a key of the table here.
    #[must_use]
    pub(super) fn name(&self, name: &str) -> Self {
        self.then(Step::Name(name.to_owned()))
    }

    /// Returns the way on to a row of the list here.
    #[must_use]
    pub(super) fn row(&self, index: usize) -> Self {
        self.then(Step::Row(index))
    }

    /// Returns the steps from the top.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Returns the way as a key of TOML that a value can be set by: `traps.2.ports.0`.
    pub(crate) fn dotted(&self) -> String {
        let step = |step: &Step| match step {
            Step::Row(row) => row.to_string(),
            Step::Name(name) if is_bare(name) => name.clone(),
            Step::Name(name) => format!("{name:?}"),
        };
        self.0.iter().map(step).collect::<Vec<_>>().join(".")
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Row(row) => write!(f, "[{row}]")?,
                Step::Name(name) => {
                    let dot = if index > 0 { "." } else { "" };
                    if is_bare(name) {
                        write!(f, "{dot}{name}")?;
                    } else {
                        write!(f, "{dot}{name:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns whether TOML takes the name without quotes.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
}
