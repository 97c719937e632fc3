//! The tree's form: are all keys known, and does each value read as what it has to be?

use std::collections::BTreeMap;

use serde_json::Value as Schema;

use super::{
    Config, Mistake,
    key::Key,
    tree::{Node, Shape, Tree},
};

/// Most mistakes that are told at once.
const MOST_MISTAKES: usize = 100;

/// Reads the tree as a configuration.
///
/// # Errors
/// Every unknown key and every value that does not read, in the order of their places.
pub(super) fn parse(tree: &mut Tree) -> Result<Config, Vec<Mistake>> {
    let mut mistakes = unknown_keys(tree);
    for mistake in &mistakes {
        tree.strike(&mistake.key);
    }
    let config = loop {
        match serde_path_to_error::deserialize::<_, Config>(tree.value()) {
            Ok(config) => break Some(config),
            Err(error) => {
                let key = tree.key_at(error.path());
                mistakes.extend(told(tree, &key, error.inner().message()));
                // The next round finds the next mistake.
                if !tree.strike(&key) || mistakes.len() >= MOST_MISTAKES {
                    break None;
                }
            }
        }
    };
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => {
            mistakes.sort_by(|one, other| one.place.cmp(&other.place));
            Err(mistakes)
        }
    }
}

/// Returns the known name that is most like this one.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map_or("", |(_, known)| known)
}

/// Returns the mistake that a reader found, unless it only follows from one that is known.
fn told(tree: &Tree, key: &Key, message: &str) -> Option<Mistake> {
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    if missing.is_some_and(|name| tree.is_struck(&key.name(name))) {
        return None;
    }
    Some(tree.mistake(key, in_our_words(message)))
}

/// What serde says it expected, and what people call that.
const EXPECTED: [(&str, &str); 9] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("i32", "a whole number"),
    ("f64", "a number"),
    ("a boolean", "`true` or `false`"),
    ("a string", "a text"),
    ("path string", "a path"),
    ("a sequence", "a list"),
];

fn in_our_words(message: &str) -> String {
    let message = message.trim();
    if let Some(rest) = message.strip_prefix("missing field ") {
        return format!("{rest} is missing");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!("unknown value {rest}");
    }
    let found = ["invalid type: ", "invalid value: "];
    let found = found.iter().find_map(|start| message.strip_prefix(start));
    match found.and_then(|found| found.rsplit_once(", expected ")) {
        Some((found, expected)) => format!("expected {}, found {found}", in_our_word(expected)),
        None => message.to_owned(),
    }
}

fn in_our_word(expected: &str) -> &str {
    if expected == "a map" || expected.starts_with("struct ") {
        return "a table";
    }
    EXPECTED.iter().find(|(name, _)| *name == expected).map_or(expected, |(_, words)| words)
}

fn unknown_keys(tree: &Tree) -> Vec<Mistake> {
    let root = super::schema();
    let mut walk = Walk { tree, root: &root, mistakes: Vec::new() };
    walk.table(&tree.top, &root, &Key::default());
    walk.mistakes
}

/// A walk through the tree beside the schema.
struct Walk<'a> {
    tree: &'a Tree,
    root: &'a Schema,
    mistakes: Vec<Mistake>,
}

impl<'a> Walk<'a> {
    fn table(&mut self, table: &BTreeMap<String, Node>, schema: &'a Schema, key: &Key) {
        let schema = resolved(self.root, schema);
        let known = schema.get("properties").and_then(Schema::as_object);
        // A table whose names are free: ladders, services.
        let free = schema.get("additionalProperties").filter(|schema| schema.is_object());
        for (name, node) in table {
            let key = key.name(name);
            match (known.and_then(|known| known.get(name)).or(free), known) {
                (Some(schema), _) => self.node(node, schema, &key),
                (None, Some(known)) => {
                    let nearest = nearest(name, known.keys().map(String::as_str));
                    let what = format!("unknown key; nearest is `{nearest}`");
                    self.mistakes.push(self.tree.mistake(&key, what));
                }
                (None, None) => {}
            }
        }
    }

    fn node(&mut self, node: &Node, schema: &'a Schema, key: &Key) {
        match &node.shape {
            Shape::Leaf(_) => {}
            Shape::Table(table) => self.table(table, schema, key),
            Shape::List(rows) => {
                let Some(schema) = resolved(self.root, schema).get("items") else { return };
                for (index, row) in rows.iter().enumerate() {
                    self.node(row, schema, &key.row(index));
                }
            }
        }
    }
}

/// Follows references and options to the schema that has the keys.
pub(super) fn resolved<'a>(root: &'a Schema, schema: &'a Schema) -> &'a Schema {
    if let Some(reference) = schema.get("$ref").and_then(Schema::as_str) {
        let found = root.pointer(reference.trim_start_matches('#'));
        return found.map_or(schema, |found| resolved(root, found));
    }
    let options = schema.get("anyOf").and_then(Schema::as_array);
    let other = options.into_iter().flatten().find(|option| option.get("$ref").is_some());
    other.map_or(schema, |option| resolved(root, option))
}

impl Tree {
    /// Returns a mistake about a key, placed where it or the nearest key around it was written.
    pub(super) fn mistake(&self, key: &Key, what: impl Into<String>) -> Mistake {
        Mistake { place: self.place(key).cloned(), key: key.clone(), what: what.into() }
    }
}
