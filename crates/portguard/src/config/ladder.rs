//! Ladders as they are written: each may leave out what another one says.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use portguard_core::{Growth, Ladder, Span, Strength};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::value::Written;

/// Name of the ladder that the others lean on.
pub(super) const DEFAULT: &str = "default";

/// Name of the ladder that traps have if they name none.
pub(super) const TRAP: &str = "trap";

/// Ladders by name.
pub(super) type Ladders = BTreeMap<String, LadderKeys>;

/// How a measure grows with repeated offences; what is left out is as in the ladder `default`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LadderKeys {
    /// Length of the first ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<Written<Span>>,
    /// `fixed`, `double`, `quadratic` (base * n * n) or a list of durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) growth: Option<GrowthValue>,
    /// Measures taken before the first ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<Vec<Step>>,
    /// The ban with this number is forever; 0: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permanent_after: Option<u32>,
    /// Longest ban that is not forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<Written<Span>>,
    /// A subject that behaves this long starts anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forget_after: Option<Written<Span>>,
    /// Width of an IPv6 ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_v6: Option<u8>,
    /// Width of an IPv4 ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix_v4: Option<u8>,
}

/// Fills what the ladders leave out from the ladder `default`.
pub(super) fn complete(ladders: &mut Ladders) {
    let default = ladders.get(DEFAULT).cloned().unwrap_or_default();
    for keys in ladders.values_mut() {
        *keys = LadderKeys {
            base: keys.base.or(default.base),
            growth: keys.growth.take().or_else(|| default.growth.clone()),
            steps: keys.steps.take().or_else(|| default.steps.clone()),
            permanent_after: keys.permanent_after.or(default.permanent_after),
            max: keys.max.or(default.max),
            forget_after: keys.forget_after.or(default.forget_after),
            prefix_v6: keys.prefix_v6.or(default.prefix_v6),
            prefix_v4: keys.prefix_v4.or(default.prefix_v4),
        };
    }
}

impl LadderKeys {
    /// Returns the ladder that is written here, once it is [complete].
    pub(super) fn ladder(&self) -> Ladder {
        const COMPLETE: &str = "a ladder is completed when it is read";
        let base = self.base.expect(COMPLETE).0.duration();
        Ladder {
            base,
            growth: self.growth.as_ref().expect(COMPLETE).0.clone(),
            steps: self.steps.iter().flatten().copied().map(Strength::from).collect(),
            permanent_after: self.permanent_after.expect(COMPLETE),
            max: self.max.expect(COMPLETE).0,
            forget_after: self.forget_after.expect(COMPLETE).0,
            prefix_v6: self.prefix_v6.expect(COMPLETE),
            prefix_v4: self.prefix_v4.expect(COMPLETE),
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
