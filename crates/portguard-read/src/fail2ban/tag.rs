//! `<name>` in the options of a filter: replaced by other options, again and again. What names no
//! option, such as `<HOST>`, stays.

use std::collections::{BTreeMap, HashMap};

use super::{FilterError, config::Config};

/// The options of a filter that are used.
const USED: [&str; 7] =
    ["usedns", "prefregex", "ignoreregex", "failregex", "maxlines", "datepattern", "journalmatch"];

/// The sections of a filter: its options, and what `<name>` stands for unless the reference says.
const DEFINITION: &str = "Definition";
const INIT: &str = "Init";

/// How often one name may be replaced in one value.
const MOST_REPLACEMENTS: usize = 25;

/// Most bytes of a value; a filter that grows beyond it stands for itself by a detour.
const MOST_BYTES: usize = 1 << 20;

/// Returns the used options with every `<name>` replaced.
pub(super) fn resolve(
    config: &Config,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, FilterError> {
    let lower = given.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let mut tags = BTreeMap::new();
    for name in USED {
        if let Some(value) =
            config.get(DEFINITION, name, &lower).filter(|_| !given.contains_key(name))
        {
            tags.insert(name.to_owned(), value?);
        }
    }
    for name in config.own_options(INIT) {
        let Some(value) = config.get(INIT, &name, &BTreeMap::new()) else { continue };
        let value = value?;
        if !given.contains_key(&name) {
            tags.insert(name.clone(), value.clone());
        }
        tags.insert(format!("known/{name}"), value);
    }
    tags.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut resolver = Resolver { config, given: lower, tags, definitions: HashMap::new() };
    let mut options = BTreeMap::new();
    for name in USED {
        if let Some(value) = resolver.tags.get(name).cloned() {
            options.insert(name.to_owned(), resolver.replaced(name, value)?);
        }
    }
    Ok(options)
}

struct Resolver<'a> {
    config: &'a Config,
    given: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// Options of the definition that were asked for, with `None` for those that are none.
    definitions: HashMap<String, Option<String>>,
}

impl Resolver<'_> {
    fn replaced(&mut self, option: &str, mut value: String) -> Result<String, FilterError> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut from = 0;
        while let Some((start, end)) = tag(&value, from) {
            let name = value[start + 1..end - 1].to_owned();
            let Some(replacement) = self.meaning(&name) else {
                from = end;
                continue;
            };
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            if name == option || *count > MOST_REPLACEMENTS || value.len() > MOST_BYTES {
                return Err(FilterError::Circle(name));
            }
            value = value.replace(&format!("<{name}>"), &replacement);
            // A replacement may complete a name that begins further left.
            from = 0;
        }
        Ok(value)
    }

    fn meaning(&mut self, name: &str) -> Option<String> {
        if let Some(value) = self.tags.get(name) {
            return Some(value.clone());
        }
        let (config, given) = (self.config, &self.given);
        let found = || config.get_named(DEFINITION, name, given)?.ok();
        self.definitions.entry(name.to_owned()).or_insert_with(found).clone()
    }
}

/// Returns where the first `<name>` from a position on begins and ends.
fn tag(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut start = None;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match (byte, start) {
            (b'<', _) => start = Some(at),
            (b'>', Some(start)) if at > start + 1 => return Some((start, at + 1)),
            (b' ' | b'>', _) => start = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_neither_spaces_nor_brackets_inside() {
        for (text, found) in [
            ("a <b> c", Some("<b>")),
            ("(?P<x>a<b>)", Some("<x>")),
            ("< b><c>", Some("<c>")),
            ("<<lt_<logtype>/x>", Some("<logtype>")),
            ("<>", None),
            ("a < b", None),
        ] {
            assert_eq!(tag(text, 0).map(|(start, end)| &text[start..end]), found, "{text}");
        }
    }
}
