//! Several files as one configuration: what each includes, who wins, and `%(name)s` in values.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Files, FilterError,
    ini::{self, Ini, Section},
};

/// The section that names other files.
const INCLUDES: &str = "INCLUDES";

/// Begins the names of sections that keep what a later file replaced.
const KNOWN: &str = "KNOWN/";

/// How deep `%(name)s` may lead from value to value, as in Python's `configparser`.
const MOST_DEPTH: usize = 10;

/// How many files one filter may include, and how deep.
const MOST_FILES: usize = 256;

/// The files of a filter, merged.
#[derive(Debug, Default)]
pub(super) struct Config {
    defaults: Section,
    sections: BTreeMap<String, Section>,
}

impl Config {
    /// Reads `BASE.conf`, `BASE.d/*.conf`, `BASE.local` and `BASE.d/*.local` with what they
    /// include; `None` if there is none of them.
    pub(super) fn read(base: &Path, files: &dyn Files) -> Option<Self> {
        let named = |end: &str| PathBuf::from(format!("{}.{end}", base.display()));
        let inside = |end: &str| {
            let mut inside = files.list(&named("d"));
            inside.retain(|path| path.extension().is_some_and(|extension| extension == end));
            inside.sort();
            inside
        };
        let first = [vec![named("conf")], inside("conf"), vec![named("local")], inside("local")];
        let mut reader = Reader { files, read: 0 };
        let mut config = Self::default();
        let mut found = false;
        for path in first.concat() {
            for (_, ini) in reader.with_includes(&path, &[]) {
                config.merge(ini);
                found = true;
            }
        }
        found.then_some(config)
    }

    /// Takes a later file over. What it replaces stays as `known/NAME`.
    fn merge(&mut self, ini: Ini) {
        self.defaults.extend(ini.defaults);
        for (name, options) in ini.sections {
            let (name, options) = without_condition(name, options);
            let known = format!("{KNOWN}{name}");
            let section = self.sections.entry(name).or_default();
            let replaced: Section = options
                .keys()
                .filter_map(|option| Some((option.clone(), section.get(option)?.clone())))
                .collect();
            section.extend(options);
            if !replaced.is_empty() {
                self.sections.entry(known).or_default().extend(replaced);
            }
        }
    }

    /// Returns the names of the sections that are no includes.
    pub(super) fn section_names(&self) -> impl Iterator<Item = String> {
        let names = self.sections.keys();
        names.filter(|name| *name != INCLUDES && !name.starts_with(KNOWN)).cloned()
    }

    /// Returns the names of a section's own options.
    pub(super) fn own_options(&self, section: &str) -> Vec<String> {
        self.sections.get(section).map_or(Vec::new(), |options| options.keys().cloned().collect())
    }

    /// Returns an option of a section with every `%(name)s` resolved; `given` options go before
    /// those of the files.
    pub(super) fn get(
        &self,
        section: &str,
        option: &str,
        given: &BTreeMap<String, String>,
    ) -> Option<Result<String, FilterError>> {
        let option = option.to_lowercase();
        let scope = Scope { config: self, section, given };
        let raw = scope.raw(&option)?;
        Some(scope.interpolated(&option, raw, MOST_DEPTH))
    }

    /// Returns an option that may be named with its section (`section/option`, `known/option`).
    pub(super) fn get_named(
        &self,
        section: &str,
        option: &str,
        given: &BTreeMap<String, String>,
    ) -> Option<Result<String, FilterError>> {
        let nothing = BTreeMap::new();
        if let Some((named, option)) = option.split_once('/') {
            let known = format!("{KNOWN}{section}");
            let places: &[&str] = match named.to_lowercase().as_str() {
                "known" => &[&known, section],
                "default" => &["DEFAULT"],
                _ => &[named],
            };
            let is_there =
                |place: &&&str| **place == "DEFAULT" || self.sections.contains_key(**place);
            let mut places = places.iter().filter(is_there);
            if let Some(found) = places.find_map(|place| self.get(place, option, &nothing)) {
                return Some(found);
            }
        }
        self.get(section, option, given)
    }
}

/// Returns a section's name and options; those of `[NAME?CONDITION]` belong to `[NAME]` with the
/// condition behind their names.
fn without_condition(name: String, options: Section) -> (String, Section) {
    let is_word = |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    match name.split_once('?') {
        Some((section, condition)) if !section.is_empty() && is_word(section) => {
            let with = |(option, value)| (format!("{option}?{condition}"), value);
            (section.to_owned(), options.into_iter().map(with).collect())
        }
        _ => (name, options),
    }
}

/// Reads files with those that they include.
struct Reader<'a> {
    files: &'a dyn Files,
    read: usize,
}

impl Reader<'_> {
    /// Returns a file behind those that its `before` names and in front of those that its `after`
    /// names, each followed by its `.local` variant.
    fn with_includes(&mut self, path: &Path, above: &[PathBuf]) -> Vec<(PathBuf, Ini)> {
        if self.read >= MOST_FILES || above.contains(&path.to_owned()) {
            return Vec::new();
        }
        let Some(text) = self.files.read(path) else { return Vec::new() };
        self.read += 1;
        let ini = ini::parse(&text);
        let above = [above, &[path.to_owned()]].concat();
        let mut included = |option: &str| {
            let names = ini.sections.get(INCLUDES).and_then(|section| section.get(option));
            let names = names.map_or("", String::as_str).split('\n').map(str::trim);
            let folder = path.parent().unwrap_or(Path::new(""));
            let paths = names.filter(|name| !name.is_empty()).map(|name| folder.join(name));
            let mut paths: Vec<_> =
                paths.flat_map(|path| [path.clone(), path.with_extension("local")]).collect();
            // A variant that is named itself comes once.
            paths.dedup();
            paths.iter().flat_map(|path| self.with_includes(path, &above)).collect::<Vec<_>>()
        };
        let (before, after) = (included("before"), included("after"));
        before.into_iter().chain([(path.to_owned(), ini)]).chain(after).collect()
    }
}

/// What a name can mean inside one section.
struct Scope<'a> {
    config: &'a Config,
    section: &'a str,
    given: &'a BTreeMap<String, String>,
}

impl<'a> Scope<'a> {
    fn raw(&self, option: &str) -> Option<&'a str> {
        let own = || self.config.sections.get(self.section)?.get(option);
        let found = self.given.get(option).or_else(own);
        found.or_else(|| self.config.defaults.get(option)).map(String::as_str)
    }

    /// Returns a value that is named with its section.
    fn of_section(&self, name: &str) -> Option<&'a str> {
        let (section, option) = name.split_once('/')?;
        let option = option.to_lowercase();
        let of = |section: &str| self.config.sections.get(section)?.get(&option);
        let found = match section.to_lowercase().as_str() {
            "default" => None,
            "known" => of(&format!("{KNOWN}{}", self.section)),
            _ if !self.config.sections.contains_key(section) => return None,
            _ => of(section),
        };
        found.or_else(|| self.config.defaults.get(&option)).map(String::as_str)
    }

    fn interpolated(&self, option: &str, raw: &str, depth: usize) -> Result<String, FilterError> {
        if depth == 0 {
            return Err(FilterError::Circle(option.to_owned()));
        }
        let mut out = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((before, behind)) = rest.split_once('%') {
            out.push_str(before);
            rest = if let Some(behind) = behind.strip_prefix('%') {
                out.push('%');
                behind
            } else if let Some((name, behind)) =
                behind.strip_prefix('(').and_then(|named| named.split_once(")s"))
            {
                let unknown =
                    || FilterError::Unknown { option: option.to_owned(), name: name.to_owned() };
                let found = self.raw(&name.to_lowercase()).or_else(|| self.of_section(name));
                out.push_str(&self.interpolated(option, found.ok_or_else(unknown)?, depth - 1)?);
                behind
            } else {
                return Err(FilterError::Percent(option.to_owned()));
            };
        }
        out.push_str(rest);
        Ok(out)
    }
}
