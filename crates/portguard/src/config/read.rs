//! Files to one tree: what is built in, then the main file, then its drop-ins in the order of
//! their names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::{DEFAULT_PATH, Mistake, built_in::BUILT_IN, key::Key, tree::Tree};

/// A file that is as given here, whatever the disk says: its text, or that it is not there.
pub(super) type Given<'a> = Option<(&'a Path, Option<&'a str>)>;

/// Reads the file at `path` and its drop-ins. A missing default file means the defaults.
///
/// # Errors
/// Each file that does not read, and the first fault in the syntax of each other one.
pub(super) fn read(path: &Path, given: Given<'_>) -> Result<Tree, Vec<Mistake>> {
    let mut tree = Tree::built_in(BUILT_IN);
    let mut mistakes = Vec::new();
    let may_be_missing = path == Path::new(DEFAULT_PATH);
    let main = match given {
        Some((given, text)) if given == path => Ok(text.unwrap_or_default().to_owned()),
        _ => fs::read_to_string(path),
    };
    match main {
        Ok(text) => tree.add(path, &text).unwrap_or_else(|mistake| mistakes.push(mistake)),
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => mistakes.push(unreadable(path, &error)),
    }
    let mut files = drop_ins(path).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Vec::new()
    });
    if let Some((file, _)) = given
        && file != path
        && !files.iter().any(|known| known == file)
    {
        files.push(file.to_owned());
        files.sort();
    }
    for file in files {
        let text = match given {
            Some((path, text)) if path == file => Ok(text.unwrap_or_default().to_owned()),
            _ => fs::read_to_string(&file),
        };
        match text {
            Ok(text) => tree.add(&file, &text).unwrap_or_else(|mistake| mistakes.push(mistake)),
            Err(error) => mistakes.push(unreadable(&file, &error)),
        }
    }
    if mistakes.is_empty() { Ok(tree) } else { Err(mistakes) }
}

/// Returns the last drop-in that sets a key; lists of tables are no keys.
pub(super) fn setting_drop_in(path: &Path, keys: &[String]) -> Option<PathBuf> {
    let sets = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let table: toml::Table = text.parse().unwrap_or_default();
        let mut value = Some(&toml::Value::Table(table)).cloned();
        for key in keys {
            value = value.and_then(|value| value.get(key).cloned());
        }
        value.is_some()
    };
    drop_ins(path).unwrap_or_default().into_iter().rev().find(sets)
}

/// Returns the keys of a text that a drop-in sets as well, each with the last drop-in that does.
/// Lists of tables are no keys: they append.
pub(super) fn overruled(path: &Path, text: &str) -> Vec<(String, PathBuf)> {
    let keys = |text: &str| {
        let mut keys = BTreeSet::new();
        let table: toml::Table = text.parse().unwrap_or_default();
        add_keys(&table, &Key::default(), &mut keys);
        keys
    };
    let ours = keys(text);
    let mut found = BTreeMap::new();
    for file in drop_ins(path).unwrap_or_default() {
        let theirs = keys(&fs::read_to_string(&file).unwrap_or_default());
        found.extend(ours.intersection(&theirs).map(|key| (key.to_string(), file.clone())));
    }
    found.into_iter().collect()
}

fn add_keys(table: &toml::Table, here: &Key, keys: &mut BTreeSet<Key>) {
    for (name, value) in table {
        let key = here.name(name);
        match value {
            toml::Value::Table(inner) => add_keys(inner, &key, keys),
            toml::Value::Array(rows) if rows.first().is_some_and(toml::Value::is_table) => {}
            _ => {
                keys.insert(key);
            }
        }
    }
}

/// Returns the drop-ins beside the file in the order of their names; what an editor hides there
/// (`.#50-traps.toml`) is none.
pub(super) fn drop_ins(path: &Path) -> Result<Vec<PathBuf>, Mistake> {
    let folder = path.parent().unwrap_or(Path::new("")).join("conf.d");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&folder, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unreadable(&folder, &error))?.path();
        let is_hidden =
            file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> Mistake {
    let what = format!("cannot read {}: {error}", path.display());
    Mistake { place: None, key: Key::default(), what }
}
