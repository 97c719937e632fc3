//! fail2ban's jails: which logs are read by which filter, how many failures are too many, and for
//! how long.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Files, FilterError, config::Config, duration};

/// A jail that is enabled.
#[derive(Clone, Debug, PartialEq)]
pub struct Jail {
    /// Its name.
    pub name: String,
    /// Its filter with options: `sshd[mode=normal]`.
    pub filter: String,
    /// Files that it reads, with wildcards.
    pub logs: Vec<PathBuf>,
    /// It reads the systemd journal, and not files.
    pub is_of_journal: bool,
    /// Which entries of the journal; none: those that its filter names.
    pub journal: Vec<String>,
    /// So many failures ...
    pub maxretry: u32,
    /// ... within so many seconds are too many.
    pub findtime: f64,
    /// How long a ban lasts, in seconds; below zero: forever.
    pub bantime: f64,
    /// Bans of one address grow longer.
    pub increments: bool,
    /// The longest of them, in seconds, if there is a limit.
    pub maxtime: Option<f64>,
    /// Who is never banned: addresses, networks, names.
    pub ignored: Vec<String>,
    /// The ports that a ban is for, as they are written; none: all.
    pub ports: Vec<String>,
    /// The protocol of the ports.
    pub protocol: String,
    /// Whether names are looked up.
    pub usedns: String,
}

/// A jail that does not read, and why.
#[derive(Debug, thiserror::Error)]
#[error("jail {name}")]
pub struct JailError {
    /// Its name.
    pub name: String,
    /// What is wrong.
    #[source]
    pub why: JailFault,
}

/// What is wrong with a jail.
#[derive(Debug, thiserror::Error)]
pub enum JailFault {
    /// An option does not resolve.
    #[error(transparent)]
    Option(#[from] FilterError),
    /// An option is no number.
    #[error("{0} is `{1}`, which is no number")]
    Number(&'static str, String),
    /// An option is no duration.
    #[error("{0} is `{1}`, which is no duration")]
    Duration(&'static str, String),
}

/// Reads the enabled jails of a folder (`jail.conf`, `jail.d`, `jail.local`), by name; `None` if
/// there is no such file.
pub fn load_jails(folder: &Path, files: &dyn Files) -> Option<Vec<Result<Jail, JailError>>> {
    let config = Config::read(&folder.join("jail"), files)?;
    let jails = config.section_names().filter_map(|name| {
        let section = Section::of(&config, &name);
        let jail = match section.is_enabled() {
            Ok(false) => return None,
            Ok(true) => section.jail(),
            Err(why) => Err(why),
        };
        Some(jail.map_err(|why| JailError { name, why }))
    });
    Some(jails.collect())
}

/// Returns where fail2ban keeps its bans, as the folder's `fail2ban.conf` says.
pub fn database(folder: &Path, files: &dyn Files) -> Option<PathBuf> {
    let config = Config::read(&folder.join("fail2ban"), files)?;
    let path = config.get("Definition", "dbfile", &BTreeMap::new())?.ok()?;
    (path.starts_with('/')).then(|| PathBuf::from(path))
}

struct Section<'c> {
    config: &'c Config,
    name: String,
    given: BTreeMap<String, String>,
}

impl<'c> Section<'c> {
    fn of(config: &'c Config, name: &str) -> Self {
        let given = [("__name__", name), ("fail2ban_version", "1"), ("fail2ban_confpath", "")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { config, name: name.to_owned(), given }
    }

    fn text(&self, option: &str) -> Result<Option<String>, FilterError> {
        let text = self.config.get(&self.name, option, &self.given).transpose()?;
        Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    fn is_enabled(&self) -> Result<bool, JailFault> {
        let text = self.text("enabled")?.unwrap_or_default().to_lowercase();
        Ok(matches!(text.as_str(), "true" | "yes" | "on" | "1"))
    }

    fn seconds(&self, option: &'static str, default: f64) -> Result<f64, JailFault> {
        match self.text(option)? {
            None => Ok(default),
            Some(text) => duration::seconds(&text).ok_or(JailFault::Duration(option, text)),
        }
    }

    fn words(&self, option: &str) -> Result<Vec<String>, FilterError> {
        let text = self.text(option)?.unwrap_or_default();
        let is_between = |letter: char| letter.is_whitespace() || letter == ',';
        Ok(text.split(is_between).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    fn jail(&self) -> Result<Jail, JailFault> {
        let maxretry = self.text("maxretry")?.unwrap_or_else(|| "5".to_owned());
        let number = maxretry.parse().map_err(|_| JailFault::Number("maxretry", maxretry))?;
        let logs = self.text("logpath")?.unwrap_or_default();
        let backend = self.text("backend")?.unwrap_or_default();
        let is_of_journal = backend.starts_with("systemd");
        let lines = |text: String| text.lines().map(|line| line.trim().to_owned()).collect();
        let maxtime = self.text("bantime.maxtime")?;
        let all_ports = self.text("port")?.is_none_or(|ports| ports == "0:65535")
            || self.text("banaction")?.is_some_and(|action| action.contains("allports"));
        let mut jail = Jail {
            name: self.name.clone(),
            filter: self.text("filter")?.unwrap_or_else(|| self.name.clone()),
            logs: if is_of_journal { Vec::new() } else { paths(&logs) },
            is_of_journal,
            journal: self.text("journalmatch")?.map(lines).unwrap_or_default(),
            maxretry: number,
            findtime: self.seconds("findtime", 600.0)?,
            bantime: self.seconds("bantime", 600.0)?,
            increments: self.text("bantime.increment")?.is_some_and(|text| text == "true"),
            maxtime: None,
            ignored: self.words("ignoreip")?,
            ports: if all_ports { Vec::new() } else { self.words("port")? },
            protocol: self.text("protocol")?.unwrap_or_else(|| "tcp".to_owned()),
            usedns: self.text("usedns")?.unwrap_or_else(|| "warn".to_owned()),
        };
        jail.maxtime = match maxtime {
            Some(_) => Some(self.seconds("bantime.maxtime", 0.0)?),
            None => None,
        };
        Ok(jail)
    }
}

/// Returns the paths of a `logpath`: one a line, or several with spaces between them; `tail` behind
/// one says where to begin.
fn paths(text: &str) -> Vec<PathBuf> {
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}
