//! Values that are written as text: each kind is read, shown and described in one place.

use std::{borrow::Cow, fmt, marker::PhantomData, net::IpAddr, str::FromStr};

use portguard_core::{Pattern, Rate, Span, Subject, service::PortRange};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected, Visitor},
};

use super::{
    quantity::{Cap, Size},
    trap::TrapPorts,
};

/// A kind of value that is written as text.
pub(crate) trait Spelled: fmt::Display + FromStr<Err: fmt::Display> {
    /// What such a value is called, with its article.
    const KIND: &'static str;
    /// How such values are written.
    const EXAMPLES: &'static [&'static str];
    /// Whether a whole number is the same as its digits.
    const IS_NUMBER_TOO: bool = false;
}

impl Spelled for Span {
    const KIND: &'static str = "a duration";
    const EXAMPLES: &'static [&'static str] = &["90s", "10m", "1d12h", "2w", "1mo", "forever"];
    const IS_NUMBER_TOO: bool = true;
}

impl Spelled for Subject {
    const KIND: &'static str = "an address or network";
    const EXAMPLES: &'static [&'static str] = &["192.0.2.7", "2001:db8::/32"];
}

impl Spelled for IpAddr {
    const KIND: &'static str = "an address";
    const EXAMPLES: &'static [&'static str] = &["192.0.2.7", "2001:db8::7"];
}

impl Spelled for Pattern {
    const KIND: &'static str = "a pattern of addresses";
    const EXAMPLES: &'static [&'static str] = &["12.34.56.*", "34.56.78.[2-9]"];
}

impl Spelled for PortRange {
    const KIND: &'static str = "a port or range of ports";
    const EXAMPLES: &'static [&'static str] = &["tcp/22", "udp/60000-61000"];
}

impl Spelled for TrapPorts {
    const KIND: &'static str = "a port or range of ports of a trap";
    const EXAMPLES: &'static [&'static str] = &["23", "6000-6010", "tcp/23"];
    const IS_NUMBER_TOO: bool = true;
}

impl Spelled for Rate {
    const KIND: &'static str = "a rate";
    const EXAMPLES: &'static [&'static str] = &["10/minute", "2000/second"];
}

impl Spelled for Cap {
    const KIND: &'static str = "a rate, or `off`";
    const EXAMPLES: &'static [&'static str] = &["5/minute", "off"];
}

impl Spelled for Size {
    const KIND: &'static str = "a size";
    const EXAMPLES: &'static [&'static str] = &["64MiB", "1GiB"];
    const IS_NUMBER_TOO: bool = true;
}

/// A value that is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Written<T>(pub(crate) T);

impl<T: Spelled> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Spelled> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading<T>(PhantomData<T>);
        impl<T: Spelled> Visitor<'_> for Reading<T> {
            type Value = Written<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} (`{}`)", T::KIND, T::EXAMPLES[0])
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Written).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                if T::IS_NUMBER_TOO {
                    self.visit_str(&number.to_string())
                } else {
                    Err(E::invalid_type(Unexpected::Signed(number), &self))
                }
            }
        }
        deserializer.deserialize_any(Reading(PhantomData))
    }
}

impl<T: Spelled> JsonSchema for Written<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::KIND.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        if T::IS_NUMBER_TOO {
            json_schema!({ "type": ["string", "integer"], "examples": T::EXAMPLES })
        } else {
            json_schema!({ "type": "string", "examples": T::EXAMPLES })
        }
    }
}
