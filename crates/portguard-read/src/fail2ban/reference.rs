//! `NAME[option=value, other="value"]`: a filter with its options.

use std::{collections::BTreeMap, str::FromStr};

use super::FilterError;

/// A filter by its name, with options that replace those of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// The name of its file, without the end.
    pub name: String,
    /// Options by their names.
    pub options: BTreeMap<String, String>,
}

impl FromStr for Reference {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let wrong = || FilterError::Reference(text.to_owned());
        let (name, rest) = match text.split_once('[') {
            None => (text.trim(), ""),
            Some((name, rest)) => (name, rest.trim_end().strip_suffix(']').ok_or_else(wrong)?),
        };
        if name.is_empty() {
            return Err(wrong());
        }
        let options = options(rest).ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), options })
    }
}

/// Returns the options between the brackets; groups of brackets may follow each other.
fn options(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    while !rest.trim().is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim_start();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        let (value, behind) = value(behind);
        options.insert(name.to_owned(), value.trim().to_owned());
        rest = separated(behind)?;
    }
    Some(options)
}

/// Returns a value and what comes behind it. Quotes that do not end stand for themselves.
fn value(text: &str) -> (&str, &str) {
    let quoted = text.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    if let Some((value, behind)) = quoted.and_then(|quote| text[1..].split_once(quote)) {
        return (value, behind);
    }
    text.split_at(text.find([',', ']']).unwrap_or(text.len()))
}

/// Returns what comes behind a separator: a comma, the brackets between two groups, or nothing.
fn separated(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(',') {
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix(']') {
        return rest.trim_start().strip_prefix('[');
    }
    text.trim().is_empty().then_some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options_of(text: &str) -> Vec<(String, String)> {
        text.parse::<Reference>().unwrap().options.into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn options_stand_in_brackets() {
        assert_eq!("sshd".parse::<Reference>().unwrap().name, "sshd");
        assert_eq!(options_of("sshd"), []);
        assert_eq!(options_of("sshd[]"), []);
        assert_eq!(options_of("sshd[mode=aggressive]"), pairs(&[("mode", "aggressive")]));
        assert_eq!(
            options_of("a[x=1, y = 2]".replace(" = ", "=").as_str()),
            pairs(&[("x", "1"), ("y", "2")])
        );
        assert_eq!(options_of("a[x=\"1,2\"][y='3]']"), pairs(&[("x", "1,2"), ("y", "3]")]));
        assert_eq!(options_of("a[x=, y=2]"), pairs(&[("x", ""), ("y", "2")]));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "[x=1]", "a[x=1", "a[x]", "a[=1]", "a[x=\"1\"y=2]"] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
