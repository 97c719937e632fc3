//! What a rule says of a line.

use std::{fmt, net::IpAddr};

use compact_str::CompactString;

use crate::{address, fields::Fields};

/// What a line is to a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Somebody failed.
    Failure(Sighting),
    /// Somebody succeeded: what they failed at before was a slip.
    Success(Sighting),
    /// It would be one of these, but for an exception.
    Ignored,
    /// Nothing, or not yet.
    Nothing,
}

/// Somebody was seen in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Who.
    pub who: Who,
    /// In which way the service told it. What is told in two ways is one thing.
    pub telling: u8,
    /// When, in seconds since 1970; `None` if neither the line nor the one before it says.
    pub at: Option<i64>,
    /// The name by which it was tried.
    pub user: Option<CompactString>,
    /// What else the line says.
    pub fields: Fields,
}

/// Who was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// An address.
    Address(IpAddr),
    /// A network, a host name, or anything else that the rule tells apart, as the line has it.
    Other(String),
}

impl Who {
    /// Reads who a text names.
    pub fn of(text: &str) -> Self {
        let address = address::v4(text.as_bytes()).map(IpAddr::from).or_else(|| text.parse().ok());
        address.map_or_else(|| Self::Other(text.to_owned()), Self::Address)
    }

    /// Returns the address, if it is one; that of IPv4 where IPv6 carries it.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.to_canonical()),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_what_the_standard_library_reads(text in "[0-9]{1,3}([.:][0-9a-f]{0,3}){3,4}") {
            let expected = text.parse().map_or_else(|_| Who::Other(text.clone()), Who::Address);
            prop_assert_eq!(Who::of(&text), expected);
        }
    }
}
