//! A knock, as the guard hears of it: who asks for which ports, from where and for whom. What it looks
//! like on the wire, and whether it is genuine, is judged elsewhere.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::{Grade, Port, Span, Subject, name::Names};

/// Longest name of a key, in bytes: it fits a line of the journal.
const LONGEST_NAME: usize = 64;

static NAMES: Names = Names::new();

/// The name of a key that knocks are signed with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(u8);

/// A text that is no name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key's name has 1 to {LONGEST_NAME} bytes, and no control characters")]
pub struct KeyNameError;

/// A knock that a known key signed, freshly made, heard for the first time, and for a service that the
/// key may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Whose key it is.
    pub key: KeyName,
    /// Where the packet says it comes from. Whoever has the packet can write that.
    pub sender: IpAddr,
    /// For whom the ports are to be opened: the address that was signed, or else the sender.
    pub address: IpAddr,
    /// The service.
    pub service: Arc<str>,
    /// Its ports, lowest first.
    pub ports: Vec<Port>,
    /// For how long.
    pub span: Span,
}

/// What became of a knock, as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnockNews {
    /// Whose key it is.
    pub key: KeyName,
    /// Where the packet says it comes from.
    pub sender: IpAddr,
    /// For whom the service is to be opened.
    pub address: IpAddr,
    /// The service, as the knock names it; empty: the packet was here before, and was not opened again.
    pub service: Arc<str>,
    /// Why nothing follows from it, if nothing does.
    pub refused: Option<String>,
}

impl KnockNews {
    /// How far a knock can be trusted: its key signed it.
    pub const GRADE: Grade = Grade::Authenticated;

    /// Returns whom it is about.
    pub fn subject(&self) -> Subject {
        Subject::address(self.address)
    }

    /// Returns the knock in words.
    pub(crate) fn words(&self) -> String {
        let Self { key, sender, address, service, refused } = self;
        let whom =
            if address == sender { String::new() } else { format!(" to open for {address}") };
        // A service that does not exist may have any name; of a packet that was here before none is
        // known.
        let what = if service.is_empty() {
            String::new()
        } else {
            format!(" for {}", service.escape_debug())
        };
        let why = refused.as_ref().map(|why| format!(" refused: {why}")).unwrap_or_default();
        format!("knock of {key}{what} from {sender}{whom}{why}")
    }
}

impl KeyName {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        NAMES.name(self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(name: &str) -> Result<Self, KeyNameError> {
        let is_name = (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control);
        if is_name { Ok(Self(NAMES.number(name))) } else { Err(KeyNameError) }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyName({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_an_author_stays_small() {
        let anna: KeyName = "Anna of the office".parse().unwrap();
        assert_eq!((anna.name(), "Anna of the office".parse()), ("Anna of the office", Ok(anna)));
        assert_ne!("anna".parse(), Ok(anna));
        for none in ["", "a\n", &"x".repeat(65)] {
            assert_eq!(none.parse::<KeyName>(), Err(KeyNameError));
        }
        assert_eq!(size_of::<crate::Author>(), 8);
    }

    #[test]
    fn a_knock_is_told_with_who_where_and_why_not() {
        let news = KnockNews {
            key: "anna".parse().unwrap(),
            sender: "192.0.2.7".parse().unwrap(),
            address: "192.0.2.7".parse().unwrap(),
            service: "ssh".into(),
            refused: None,
        };
        assert_eq!(news.words(), "knock of anna for ssh from 192.0.2.7");
        let elsewhere = KnockNews {
            address: "198.51.100.9".parse().unwrap(),
            service: "a\u{1b}".into(),
            refused: Some("it is 61 s old".to_owned()),
            ..news
        };
        assert_eq!(
            elsewhere.words(),
            "knock of anna for a\\u{1b} from 192.0.2.7 to open for 198.51.100.9 refused: it is 61 s old"
        );
    }
}
