//! fail2ban's filters: read, included and substituted the way fail2ban does it, so that filters
//! people have go on meaning the same.
//!
//! What is read here are the regular expressions as Python would get them; [`pattern`] resolves
//! fail2ban's own tags in them.

mod config;
pub mod date;
pub mod duration;
mod ini;
mod jail;
pub mod matcher;
pub mod pattern;
mod reference;
mod tag;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use self::config::Config;
pub use self::{
    jail::{Jail, JailError, JailFault, database, load_jails},
    reference::Reference,
};

/// What a filter consists of after includes and substitutions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Cuts the part out of each line that the others are matched against (`<F-CONTENT>`).
    pub prefregex: Option<String>,
    /// Lines that are failures.
    pub failregex: Vec<String>,
    /// Lines that are none after all.
    pub ignoreregex: Vec<String>,
    /// How the time of a line is found; `None`: by the built-in templates.
    pub datepattern: Option<String>,
    /// How many lines are looked at together.
    pub maxlines: u32,
    /// Which entries of the systemd journal are meant; each is one alternative.
    pub journalmatch: Vec<String>,
    /// Whether host names are looked up (`yes`, `warn`, `no`, `raw`).
    pub usedns: Option<String>,
}

/// Where the files of filters come from.
pub trait Files {
    /// Returns the text of a file; `None` if there is none.
    fn read(&self, path: &Path) -> Option<String>;

    /// Returns the files of a folder, none if there is no such folder.
    fn list(&self, folder: &Path) -> Vec<PathBuf>;
}

/// Why a filter can not be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    /// No file of that name is in any of the folders.
    #[error("no filter `{0}`: neither {0}.conf nor {0}.local is in the filter folders")]
    Missing(String),
    /// A `NAME[option=value]` is not written like that.
    #[error("`{0}` is no name of a filter with options in brackets")]
    Reference(String),
    /// `%(name)s` names nothing.
    #[error("`%({name})s` in `{option}` names nothing")]
    Unknown {
        /// The option that it stands in.
        option: String,
        /// What it names.
        name: String,
    },
    /// A `%` that is neither `%%` nor `%(name)s`.
    #[error("`{0}` has a `%` that is neither `%%` nor `%(name)s`")]
    Percent(String),
    /// A name that stands for itself, by a detour.
    #[error("`{0}` stands for itself")]
    Circle(String),
    /// `maxlines` is no number.
    #[error("maxlines is `{0}`, which is no number")]
    MaxLines(String),
    /// There is nothing that could match.
    #[error("the filter has no failregex")]
    Empty,
}

/// Reads a filter from the first of the folders that has it.
///
/// # Errors
/// When it is not there, or does not resolve.
pub fn load(
    reference: &Reference,
    folders: &[PathBuf],
    files: &dyn Files,
) -> Result<Filter, FilterError> {
    let missing = || FilterError::Missing(reference.name.clone());
    let config = folders
        .iter()
        .find_map(|folder| Config::read(&folder.join(&reference.name), files))
        .ok_or_else(missing)?;
    let options = tag::resolve(&config, &reference.options)?;
    filter_of(&options)
}

fn filter_of(options: &BTreeMap<String, String>) -> Result<Filter, FilterError> {
    let text = |name: &str| options.get(name).filter(|text| !text.is_empty()).cloned();
    let lines = |name: &str| {
        let text = options.get(name).map_or("", String::as_str);
        text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let maxlines = match text("maxlines") {
        Some(number) => number.trim().parse().map_err(|_| FilterError::MaxLines(number))?,
        None => 1,
    };
    let filter = Filter {
        prefregex: text("prefregex"),
        failregex: lines("failregex"),
        ignoreregex: lines("ignoreregex"),
        datepattern: text("datepattern"),
        maxlines,
        journalmatch: lines("journalmatch"),
        usedns: text("usedns"),
    };
    if filter.failregex.is_empty() { Err(FilterError::Empty) } else { Ok(filter) }
}
