//! What the groups of an expression matched, by their names.

use std::{fmt, ops::Range, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Room for what a line mostly says, in bytes and texts.
const ROOM: (usize, usize) = (96, 8);

/// Texts by names, in one piece of memory.
#[derive(Default)]
pub struct Fields {
    names: Option<Arc<[String]>>,
    text: String,
    /// Which name, and where its text is.
    spans: Vec<(u16, Range<u32>)>,
}

impl Fields {
    /// Makes room for texts of these names.
    pub(crate) fn named(names: &Arc<[String]>) -> Self {
        let (text, spans) = (String::with_capacity(ROOM.0), Vec::with_capacity(ROOM.1));
        Self { names: Some(names.clone()), text, spans }
    }

    /// Returns the text of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, text)| (known == name).then_some(text))
    }

    /// Returns the names that have a text, each with it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.names.as_deref().unwrap_or_default();
        self.spans.iter().filter_map(|(name, span)| {
            Some((names.get(usize::from(*name))?.as_str(), self.slice(span)))
        })
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Returns the text of the name with this number.
    pub(crate) fn of(&self, name: u16) -> Option<&str> {
        let (_, span) = self.spans.iter().find(|(known, _)| *known == name)?;
        Some(self.slice(span))
    }

    /// Sets a text.
    pub(crate) fn set(&mut self, name: u16, text: &str) {
        if self.of(name).is_some() {
            self.remove(name);
        }
        let start = self.text.len();
        self.text.push_str(text);
        // A line is cut long before; what is beyond that would be left empty.
        let range = u32::try_from(start).ok().zip(u32::try_from(self.text.len()).ok());
        let (start, end) = range.unwrap_or_default();
        self.spans.push((name, start..end));
    }

    /// Takes a text out.
    pub(crate) fn remove(&mut self, name: u16) {
        self.spans.retain(|(known, _)| *known != name);
    }

    /// Takes the texts of some names out.
    pub(crate) fn remove_all(&mut self, names: &[u16]) {
        self.spans.retain(|(known, _)| !names.contains(known));
    }

    /// Sets all texts that another one has, and drops those of before that they stand for.
    pub(crate) fn extend(&mut self, other: &Self) {
        if self.spans.is_empty() {
            self.clone_from(other);
            return;
        }
        let mut all = self.names.as_ref().map_or_else(Self::default, Self::named);
        for (name, span) in &self.spans {
            if other.of(*name).is_none() {
                all.set(*name, self.slice(span));
            }
        }
        for (name, span) in &other.spans {
            all.set(*name, other.slice(span));
        }
        *self = all;
    }

    fn slice(&self, span: &Range<u32>) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn sorted(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable();
        all
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        Self { names: self.names.clone(), text: self.text.clone(), spans: self.spans.clone() }
    }

    /// Uses the memory that is there.
    fn clone_from(&mut self, source: &Self) {
        let same = self.names.as_ref().zip(source.names.as_ref());
        if !same.is_some_and(|(own, other)| Arc::ptr_eq(own, other)) {
            self.names.clone_from(&source.names);
        }
        self.text.clone_from(&source.text);
        self.spans.clone_from(&source.spans);
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sorted()).finish()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.sorted();
        let mut map = serializer.serialize_map(Some(all.len()))?;
        for (name, text) in all {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_of_a_name_counts() {
        let names: Arc<[String]> = ["a", "b"].map(str::to_owned).into();
        let mut fields = Fields::named(&names);
        fields.set(0, "one");
        fields.set(1, "two");
        let mut other = Fields::named(&names);
        other.set(0, "three");
        fields.extend(&other);
        assert_eq!((fields.get("a"), fields.of(1)), (Some("three"), Some("two")));
        assert_eq!(format!("{fields:?}"), r#"{"a": "three", "b": "two"}"#);
        fields.remove(1);
        assert_eq!(fields, other);
        assert_eq!(Fields::default(), Fields::named(&names));
    }
}
