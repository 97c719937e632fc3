//! What becomes of a shared port, as the journal tells it. The sharing itself is done elsewhere.

use std::{fmt, sync::Arc};

use crate::{Author, Level, Span};

/// One step in the life of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShareStep {
    /// Somebody ordered it.
    Begun {
        /// For how long.
        span: Span,
        /// Who ordered it.
        author: Author,
    },
    /// Somebody ordered it, and the rules forbid it.
    Forbidden {
        /// Why.
        why: String,
        /// Who ordered it.
        author: Author,
    },
    /// The provider was met for the first time; its host key is on record from here on.
    KeyLearned {
        /// The fingerprint.
        key: String,
    },
    /// The port can be reached from elsewhere, or under another address than before.
    Reachable {
        /// Where.
        url: Arc<str>,
    },
    /// The tunnel stands, but the provider does not say where the port can be reached.
    NoAddress {
        /// The port on the provider's side, if it chose one.
        remote_port: Option<u16>,
    },
    /// The tunnel is down, and is tried again.
    Lost {
        /// Why.
        why: String,
    },
    /// The provider does not want it, or is not to be trusted: it is not tried again.
    Refused {
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// Whether the provider's host key is another one than before.
        is_key_alarm: bool,
    },
    /// It is over.
    Ended {
        /// Why.
        cause: ShareEnd,
    },
}

/// Why a share is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareEnd {
    /// Its time was over.
    Expired,
    /// Somebody stopped it.
    Stopped(Author),
    /// The configuration that was read again forbids it.
    Forbidden,
    /// The daemon goes down.
    Daemon,
}

impl fmt::Display for ShareEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("its time is over"),
            Self::Stopped(author) => write!(f, "stopped by {author}"),
            Self::Forbidden => f.write_str("the new configuration forbids it"),
            Self::Daemon => f.write_str("the daemon goes down"),
        }
    }
}

impl ShareStep {
    /// Returns who is behind the step, if it is somebody's.
    pub const fn author(&self) -> Option<Author> {
        match self {
            Self::Begun { author, .. }
            | Self::Forbidden { author, .. }
            | Self::Ended { cause: ShareEnd::Stopped(author) } => Some(*author),
            _ => None,
        }
    }

    /// Returns how much the step matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::Refused { is_key_alarm: true, .. } => Level::Error,
            Self::Lost { .. } | Self::Refused { .. } => Level::Warning,
            _ => Level::Info,
        }
    }

    /// Returns the step in words.
    pub(crate) fn words(&self, port: crate::Port, provider: &str) -> String {
        match self {
            Self::Begun { span: Span::Forever, author } => {
                format!("{port} is shared through {provider} without an end by {author}")
            }
            Self::Begun { span, author } => {
                format!("{port} is shared through {provider} for {span} by {author}")
            }
            Self::Forbidden { why, author } => format!("{port} is not shared for {author}: {why}"),
            Self::KeyLearned { key } => {
                format!("{provider} was met for the first time; its host key is {key}")
            }
            Self::Reachable { url } => format!("{port} can be reached at {url} through {provider}"),
            Self::NoAddress { remote_port } => {
                let place = remote_port.map(|port| format!(", on its port {port}"));
                let place = place.unwrap_or_default();
                format!("{port} is shared through {provider}{place}, which printed no address")
            }
            Self::Lost { why } => {
                format!("{port} is not reached through {provider} for now: {why}")
            }
            Self::Refused { why, hint, is_key_alarm } => {
                let alarm = if *is_key_alarm { "HOST KEY ALARM: " } else { "" };
                let hint = hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
                format!("{alarm}{port} is not shared through {provider}: {why}{hint}")
            }
            Self::Ended { cause } => {
                format!("{port} is no longer shared through {provider}: {cause}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_with_its_port_and_provider() {
        let operator = Author::Operator(0);
        for (step, level, expected) in [
            (
                ShareStep::Begun { span: "2h".parse().unwrap(), author: operator },
                Level::Info,
                "tcp/8080 is shared through p for 2h by operator (uid 0)",
            ),
            (
                ShareStep::Reachable { url: "https://a.example".into() },
                Level::Info,
                "tcp/8080 can be reached at https://a.example through p",
            ),
            (
                ShareStep::NoAddress { remote_port: Some(4000) },
                Level::Info,
                "tcp/8080 is shared through p, on its port 4000, which printed no address",
            ),
            (
                ShareStep::Refused { why: "w".into(), hint: Some("h".into()), is_key_alarm: true },
                Level::Error,
                "HOST KEY ALARM: tcp/8080 is not shared through p: w (hint: h)",
            ),
            (
                ShareStep::Ended { cause: ShareEnd::Stopped(operator) },
                Level::Info,
                "tcp/8080 is no longer shared through p: stopped by operator (uid 0)",
            ),
        ] {
            assert_eq!(step.words("tcp/8080".parse().unwrap(), "p"), expected);
            assert_eq!(step.level(), level, "{expected}");
        }
    }
}
