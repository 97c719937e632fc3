//! Values of the configuration that are written as text: durations, rates, sizes, ports, subjects.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr};

use portguard_core::{Growth, Span, Strength};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// A value that is written as text, or as a whole number where that is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Written<T>(pub(crate) T);

impl<T: fmt::Display> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Reading<T> {
            type Value = Written<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Written).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Reading(PhantomData))
    }
}

impl<T> JsonSchema for Written<T> {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// So many in a time: `10/minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) count: u32,
    pub(crate) per: Per,
}

/// The times that a rate can be written against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    Second,
    Minute,
    Hour,
    Day,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate; write it like `10/minute`");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let per = match per.trim() {
            "s" | "second" => Per::Second,
            "m" | "minute" => Per::Minute,
            "h" | "hour" => Per::Hour,
            "d" | "day" => Per::Day,
            _ => return Err(wrong()),
        };
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Per::Second => "second",
            Per::Minute => "minute",
            Per::Hour => "hour",
            Per::Day => "day",
        };
        write!(f, "{}/{per}", self.count)
    }
}

/// A number of bytes: `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// Units of sizes, largest first.
const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no size; write it like `64MiB`");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let factor = match unit {
            "" => 1,
            unit => SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, u64)| self.0 >= unit.1 && self.0.is_multiple_of(unit.1);
        match SIZES.iter().filter(|(name, _)| name.ends_with("iB")).find(fits) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// How bans grow: a word, or a list of durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GrowthValue(pub(crate) Growth);

impl Serialize for GrowthValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Growth::Fixed => serializer.serialize_str("fixed"),
            Growth::Double => serializer.serialize_str("double"),
            Growth::Quadratic => serializer.serialize_str("quadratic"),
            Growth::List(spans) => serializer.collect_seq(spans.iter().copied().map(Written)),
        }
    }
}

impl<'de> Deserialize<'de> for GrowthValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = GrowthValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`fixed`, `double`, `quadratic` or a list of durations")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GrowthValue, E> {
                match text {
                    "fixed" => Ok(GrowthValue(Growth::Fixed)),
                    "double" => Ok(GrowthValue(Growth::Double)),
                    "quadratic" => Ok(GrowthValue(Growth::Quadratic)),
                    _ => Err(E::custom(format!(
                        "`{text}` is no growth; write `fixed`, `double`, `quadratic` or a list of durations"
                    ))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<GrowthValue, A::Error> {
                let spans = Vec::<Written<Span>>::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(GrowthValue(Growth::List(spans.into_iter().map(|span| span.0).collect())))
            }
        }
        deserializer.deserialize_any(Reading)
    }
}

impl JsonSchema for GrowthValue {
    fn schema_name() -> Cow<'static, str> {
        "Growth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "enum": ["fixed", "double", "quadratic"] },
            { "type": "array", "items": { "type": ["string", "integer"] } },
        ] })
    }
}

/// A measure before the first ban: `throttle-soft` or `throttle-hard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// The rates of [throttle.soft].
    ThrottleSoft,
    /// The rates of [throttle.hard].
    ThrottleHard,
}

impl From<Step> for Strength {
    fn from(step: Step) -> Self {
        match step {
            Step::ThrottleSoft => Self::Soft,
            Step::ThrottleHard => Self::Hard,
        }
    }
}
