//! Templates of values in lines of JSON.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use compact_str::CompactString;
use serde_json::Value;

use super::template::{Template, TemplateError, TooManySteps};

/// Templates of values, by the path of each: names, or numbers in a list, with dots between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    values: Vec<(String, String, Template)>,
}

impl Shape {
    pub(super) fn new(values: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let read = |(path, text): (&String, &String)| {
            Ok((path.clone(), text.clone(), Template::new(text)?))
        };
        let values: Vec<_> = values.iter().map(read).collect::<Result<_, _>>()?;
        if values.iter().filter(|(.., template)| template.names_source()).count() > 1 {
            let texts: Vec<&str> = values.iter().map(|(_, text, _)| text.as_str()).collect();
            return Err(TemplateError::TwoAddresses(texts.join(", ")));
        }
        Ok(Self { values })
    }

    pub(super) fn names_source(&self) -> bool {
        self.values.iter().any(|(.., template)| template.names_source())
    }

    /// Returns the address and the user's name, if all values fit.
    #[expect(clippy::type_complexity, reason = "an answer, whether it fits, and its two parts")]
    pub(super) fn find(
        &self,
        object: &Value,
    ) -> Result<Option<(Option<IpAddr>, Option<CompactString>)>, TooManySteps> {
        let (mut address, mut user) = (None, None);
        for (path, _, template) in &self.values {
            let Some(text) = value(object, path).and_then(text) else { return Ok(None) };
            let Some(found) = template.find(text.as_bytes())? else { return Ok(None) };
            address = address.or(found.address);
            user = user.or_else(|| found.user.map(|user| CompactString::new(&text[user])));
        }
        Ok(Some((address, user)))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (path, text, _)) in self.values.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma} {path:?} = {text:?}")?;
        }
        f.write_str(" }")
    }
}

fn value<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(object, |value, name| match value {
        Value::Object(object) => object.get(name),
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

/// Returns the time at a path, in seconds since 1970: a number of seconds, or RFC 3339.
pub(super) fn time(object: &Value, path: &str) -> Option<i64> {
    match value(object, path)? {
        Value::String(text) => text.parse().ok().map(jiff::Timestamp::as_second),
        number => number.as_i64().or_else(|| {
            let seconds = number.as_f64().filter(|seconds| seconds.abs() < 1e12)?;
            #[expect(clippy::cast_possible_truncation, reason = "it is below 1e12")]
            Some(seconds as i64)
        }),
    }
}
