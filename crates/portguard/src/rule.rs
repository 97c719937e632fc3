//! Rules by their names: our own, those of the operator's folders, and fail2ban's filters.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use portguard_read::{
    Reader,
    fail2ban::{self, Files, Filter, Reference},
    rule::{self, Rule},
};

use crate::exit::with_causes;

/// What stands in front of the name of one of fail2ban's filters.
const FAIL2BAN: &str = "fail2ban:";

/// How a file of a rule ends.
const ENDING: &str = "toml";

/// Where rules are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// Of our own rules.
    pub(crate) own: Vec<PathBuf>,
    /// Of fail2ban's filters.
    pub(crate) filters: Vec<PathBuf>,
}

/// A rule as it is written.
pub(crate) enum AnyRule {
    Own(Box<Rule>),
    Filter(Box<Filter>),
}

/// The files of the disk.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

impl AnyRule {
    /// Returns the rule of a name (`sshd`, `fail2ban:sshd[mode=aggressive]`), or why there is none.
    pub(crate) fn load(name: &str, folders: &Folders) -> Result<Self, String> {
        if let Some(reference) = name.strip_prefix(FAIL2BAN) {
            let reference: Reference = reference.parse().map_err(|why| format!("{why}"))?;
            let filter = fail2ban::load(&reference, &folders.filters, &Disk);
            return filter
                .map(|filter| Self::Filter(Box::new(filter)))
                .map_err(|why| why.to_string());
        }
        let text = folders.text(name).ok_or_else(|| format!("no rule `{name}`"))?;
        let rule = Rule::parse(&text, &|name| folders.text(name));
        let rule = rule.map_err(|why| format!("rule `{name}`: {}", with_causes(&why)))?;
        rule.check().map_err(|faults| format!("rule `{name}`: {}", faults.join("; ")))?;
        Ok(Self::Own(Box::new(rule)))
    }

    /// Returns whether host names in place of addresses are to be looked up.
    pub(crate) fn looks_names_up(&self) -> bool {
        match self {
            Self::Own(_) => false,
            Self::Filter(filter) => matches!(filter.usedns.as_deref(), Some("yes" | "warn")),
        }
    }

    /// Makes it ready to read lines.
    pub(crate) fn reader(self) -> Result<Reader, String> {
        let zone = TimeZone::system();
        match self {
            Self::Own(rule) => Ok(Reader::of_rule(*rule, zone)),
            Self::Filter(filter) => {
                Reader::of_filter(&filter, zone).map_err(|why| with_causes(&why))
            }
        }
    }
}

impl Folders {
    /// Returns the text of a rule of our own: the operator's goes before the one that comes with the
    /// program.
    fn text(&self, name: &str) -> Option<String> {
        let is_name = !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
        let file = |folder: &PathBuf| Disk.read(&folder.join(format!("{name}.{ENDING}")));
        let written = is_name.then(|| self.own.iter().find_map(file)).flatten();
        written.or_else(|| rule::built_in_text(name))
    }

    /// Returns the names of all rules that can be used.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = |folders: &[PathBuf], endings: &[&str]| {
            let stem = |path: PathBuf| {
                let end = path.extension()?.to_str()?;
                endings.contains(&end).then(|| path.file_stem()?.to_str().map(str::to_owned))?
            };
            folders.iter().flat_map(|folder| Disk.list(folder)).filter_map(stem).collect::<Vec<_>>()
        };
        let built_in = rule::NAMES.iter().map(|name| (*name).to_owned());
        let own: BTreeSet<String> =
            files(&self.own, &[ENDING]).into_iter().chain(built_in).collect();
        let filters: BTreeSet<String> = files(&self.filters, &["conf", "local"])
            .into_iter()
            .map(|name| format!("{FAIL2BAN}{name}"))
            // Files that only others include have nothing to match.
            .filter(|name| Self::load_works(self, name))
            .collect();
        own.into_iter().chain(filters).collect()
    }

    fn load_works(&self, name: &str) -> bool {
        AnyRule::load(name, self).is_ok()
    }
}

/// Returns what to do about a rule that is not there.
pub(crate) fn hint(name: &str) -> &'static str {
    if name.starts_with(FAIL2BAN) {
        "portguard rule list shows the rules; options go in brackets, as in fail2ban:sshd[mode=aggressive]"
    } else {
        "portguard rule list shows the rules; fail2ban's filters are called fail2ban:NAME"
    }
}
