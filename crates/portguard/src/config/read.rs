//! Files to one tree: the main file, then its drop-ins in the order of their names. Tables merge,
//! lists of tables append, later keys win; each key remembers where it was written.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value as Schema;
use toml::{Table, Value};
use toml_edit::{Document, Item, TableLike};

use super::{Config, DEFAULT_PATH, Mistake};

/// The merged tree and where each key of it was written.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) tree: Table,
    origins: BTreeMap<String, (String, usize)>,
}

/// Reads the file at `path` and its drop-ins. A missing default file means the defaults.
pub(super) fn read(path: &Path) -> Result<Source, Vec<Mistake>> {
    let mut source = Source::default();
    let mut mistakes = Vec::new();
    let is_default = path == Path::new(DEFAULT_PATH);
    match fs::read_to_string(path) {
        Ok(text) => source.add(path, &text).unwrap_or_else(|mistake| mistakes.push(mistake)),
        Err(error) if is_default && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => mistakes.push(unreadable(path, &error)),
    }
    for file in drop_ins(path) {
        match fs::read_to_string(&file) {
            Ok(text) => source.add(&file, &text).unwrap_or_else(|mistake| mistakes.push(mistake)),
            Err(error) => mistakes.push(unreadable(&file, &error)),
        }
    }
    if mistakes.is_empty() { Ok(source) } else { Err(mistakes) }
}

fn drop_ins(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(".")).join("conf.d");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn unreadable(path: &Path, error: &io::Error) -> Mistake {
    let what = format!("cannot read {}: {error}", path.display());
    Mistake { place: None, key: String::new(), what }
}

impl Source {
    /// Adds one file's text.
    pub(super) fn add(&mut self, path: &Path, text: &str) -> Result<(), Mistake> {
        let file = path.display().to_string();
        let broken = |span: Option<std::ops::Range<usize>>, what: &str| Mistake {
            place: Some((file.clone(), span.map_or(1, |span| line_of(text, span.start)))),
            key: String::new(),
            what: what.trim().replace('\n', ", "),
        };
        let document = Document::parse(text).map_err(|error| broken(error.span(), error.message()))?;
        let tree: Table =
            toml::from_str(text).map_err(|error| broken(error.span(), error.message()))?;
        let mut found = Vec::new();
        origins(document.as_table(), "", &mut found);
        for (key, offset) in found {
            let key = self.shifted(&key);
            self.origins.insert(key, (file.clone(), line_of(text, offset)));
        }
        merge(&mut self.tree, tree);
        Ok(())
    }

    /// Reads the tree as a configuration.
    pub(super) fn parse(&self) -> Result<Config, Vec<Mistake>> {
        let schema = super::schema();
        let mut mistakes = Vec::new();
        self.unknown_keys(&self.tree, &schema, &schema, "", &mut mistakes);
        // Section by section, so that one mistake does not hide the next section's.
        for (name, section) in &self.tree {
            let alone = Table::from_iter([(name.clone(), section.clone())]);
            if let Err(error) = serde_path_to_error::deserialize::<_, Config>(Value::Table(alone)) {
                let what = error.inner().message().trim().to_owned();
                let key = error.path().to_string();
                if !what.starts_with("unknown field") {
                    mistakes.push(self.mistake(&key, what));
                }
            }
        }
        if !mistakes.is_empty() {
            mistakes.sort_by(|one, other| one.place.cmp(&other.place));
            return Err(mistakes);
        }
        Value::Table(self.tree.clone())
            .try_into()
            .map_err(|error: toml::de::Error| vec![self.mistake("", error.message().to_owned())])
    }

    /// Returns a mistake about a key, placed where it or the nearest key around it was written.
    pub(super) fn mistake(&self, key: &str, what: String) -> Mistake {
        let mut part = key;
        let place = loop {
            if let Some(place) = self.origins.get(part) {
                break Some(place.clone());
            }
            match part.rfind(['.', '[']) {
                Some(end) => part = &part[..end],
                None => break None,
            }
        };
        Mistake { place, key: key.to_owned(), what }
    }

    /// Returns whether a key was written.
    pub(super) fn names(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// Returns the key with the index of a list of tables moved behind those that are there.
    fn shifted(&self, key: &str) -> String {
        let Some((name, rest)) = key.split_once('[') else { return key.to_owned() };
        let before = match self.tree.get(name) {
            Some(Value::Array(rows)) if rows.iter().all(Value::is_table) => rows.len(),
            _ => 0,
        };
        match rest.split_once(']').map(|(index, tail)| (index.parse::<usize>(), tail)) {
            Some((Ok(index), tail)) => format!("{name}[{}]{tail}", index + before),
            _ => key.to_owned(),
        }
    }

    fn unknown_keys(
        &self,
        table: &Table,
        schema: &Schema,
        root: &Schema,
        path: &str,
        mistakes: &mut Vec<Mistake>,
    ) {
        let schema = resolved(schema, root);
        let known = schema.get("properties").and_then(Schema::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        for (key, value) in table {
            let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match known.and_then(|known| known.get(key)).or(others) {
                Some(inner) => self.unknown_inside(value, inner, root, &full, mistakes),
                None if known.is_some() || schema.get("type").is_some() => {
                    let names = known.into_iter().flatten().map(|(name, _)| name.as_str());
                    mistakes.push(self.mistake(&full, unknown(key, names)));
                }
                None => {}
            }
        }
    }

    fn unknown_inside(
        &self,
        value: &Value,
        schema: &Schema,
        root: &Schema,
        path: &str,
        mistakes: &mut Vec<Mistake>,
    ) {
        match value {
            Value::Table(table) => self.unknown_keys(table, schema, root, path, mistakes),
            Value::Array(rows) => {
                let items = resolved(schema, root).get("items");
                for (index, row) in rows.iter().enumerate() {
                    if let (Value::Table(table), Some(items)) = (row, items) {
                        let path = format!("{path}[{index}]");
                        self.unknown_keys(table, items, root, &path, mistakes);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns the message for an unknown key, with the nearest known one.
pub(super) fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known
        .map(|name| (strsim::normalized_damerau_levenshtein(key, name), name))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((_, name)) => format!("`{key}` is unknown; the nearest known one is `{name}`"),
        None => format!("`{key}` is unknown"),
    }
}

/// Follows references and options to the schema that has the keys.
fn resolved<'a>(schema: &'a Schema, root: &'a Schema) -> &'a Schema {
    if let Some(reference) = schema.get("$ref").and_then(Schema::as_str) {
        let pointer = reference.trim_start_matches('#');
        return root.pointer(pointer).map_or(schema, |found| resolved(found, root));
    }
    let options = schema.get("anyOf").and_then(Schema::as_array);
    let of_table = options.into_iter().flatten().find(|option| option.get("$ref").is_some());
    of_table.map_or(schema, |option| resolved(option, root))
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(known)), Value::Table(more)) => merge(known, more),
            (Some(Value::Array(known)), Value::Array(more))
                if known.iter().chain(&more).all(Value::is_table) && !known.is_empty() =>
            {
                known.extend(more);
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Gathers each key with the offset at which it was written.
fn origins(table: &dyn TableLike, path: &str, found: &mut Vec<(String, usize)>) {
    for (name, item) in table.iter() {
        let key = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
        found.extend(span.map(|span| (key.clone(), span.start)));
        match item {
            Item::ArrayOfTables(rows) => {
                for (index, row) in rows.iter().enumerate() {
                    let key = format!("{key}[{index}]");
                    found.extend(row.span().map(|span| (key.clone(), span.start)));
                    origins(row, &key, found);
                }
            }
            Item::Value(toml_edit::Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    let key = format!("{key}[{index}]");
                    found.extend(value.span().map(|span| (key.clone(), span.start)));
                    if let Some(row) = value.as_inline_table() {
                        origins(row, &key, found);
                    }
                }
            }
            other => {
                if let Some(inner) = other.as_table_like() {
                    origins(inner, &key, found);
                }
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
