//! What becomes of the control file, as the journal tells it. It is fetched and judged elsewhere.

use std::{num::NonZeroU32, sync::Arc};

use crate::{Author, Level, Refusal, Subject};

/// One step in the life of a control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteStep {
    /// A file counts that did not before.
    Accepted {
        /// Its serial; `None`: nobody signed it.
        serial: Option<NonZeroU32>,
        /// Who signed it.
        signer: Option<Arc<str>>,
        /// How many orders it has.
        orders: usize,
    },
    /// A file does not count; what was ordered before stays.
    Rejected {
        /// Why.
        why: String,
    },
    /// A line can not be carried out, and is left out.
    Skipped {
        /// Its number.
        line: u32,
        /// Why.
        why: String,
    },
    /// So many more lines are left out.
    SkippedMore {
        /// How many.
        lines: usize,
    },
    /// The rules forbid what a line orders; it is tried again.
    Refused {
        /// The line.
        order: String,
        /// For whom it is; `None`: for everybody.
        from: Option<Subject>,
        /// Why not.
        refusal: Refusal,
        /// The file.
        author: Author,
    },
}

impl RemoteStep {
    /// Returns who is behind the step, if somebody is.
    pub const fn author(&self) -> Option<Author> {
        match self {
            Self::Accepted { serial, .. } => Some(Author::ControlFile(*serial)),
            Self::Refused { author, .. } => Some(*author),
            Self::Rejected { .. } | Self::Skipped { .. } | Self::SkippedMore { .. } => None,
        }
    }

    /// Returns what to do about it, if something can be done.
    pub const fn hint(&self) -> Option<&String> {
        match self {
            Self::Refused { refusal, .. } => refusal.hint.as_ref(),
            _ => None,
        }
    }

    pub(crate) const fn subject(&self) -> Option<Subject> {
        match self {
            Self::Refused { from, .. } => *from,
            _ => None,
        }
    }

    /// Returns how much the step matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::Accepted { .. } => Level::Info,
            _ => Level::Warning,
        }
    }

    /// Returns the step in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Accepted { serial, signer, orders } => {
                let author = Author::ControlFile(*serial);
                let by = signer.as_ref().map(|signer| format!(", signed by {signer}"));
                format!("{author}{}: orders: {orders}", by.unwrap_or_default())
            }
            Self::Rejected { why } => format!("the control file is rejected: {why}"),
            Self::Skipped { line, why } => {
                format!("line {line} of the control file is left out: it {why}")
            }
            Self::SkippedMore { lines } => {
                format!("more lines of the control file are left out: {lines}")
            }
            Self::Refused { order, refusal, author, .. } => {
                format!("`{order}` of {author} is not carried out: {refusal}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_with_its_file() {
        let serial = NonZeroU32::new(12);
        let refusal = Refusal { why: "tcp/1 is in ports.never".to_owned(), hint: None };
        let author = Author::ControlFile(serial);
        let from = Some("192.0.2.7".parse().unwrap());
        for (step, level, expected) in [
            (
                RemoteStep::Accepted { serial, signer: Some("anna".into()), orders: 2 },
                Level::Info,
                "control file, serial 12, signed by anna: orders: 2",
            ),
            (
                RemoteStep::Accepted { serial: None, signer: None, orders: 0 },
                Level::Info,
                "control file, unsigned: orders: 0",
            ),
            (
                RemoteStep::Skipped { line: 3, why: "names no service".to_owned() },
                Level::Warning,
                "line 3 of the control file is left out: it names no service",
            ),
            (
                RemoteStep::Refused { order: "open x".to_owned(), from, refusal, author },
                Level::Warning,
                "`open x` of control file, serial 12 is not carried out: tcp/1 is in ports.never",
            ),
        ] {
            assert_eq!((step.words().as_str(), step.level()), (expected, level));
        }
    }
}
