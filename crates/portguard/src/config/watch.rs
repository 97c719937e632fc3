//! `[[watch]]` and `[rules]`: logs that are read, and what finds failures in them.

use std::path::PathBuf;

use portguard_core::{MOST_PORTS_OF_A_BAN, Port, Span, service::PortRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule::Folders;

use super::{guarding::section, later::entry, value::Written};

entry! {
    /// A log source and the rule that reads it.
    Watch {
        /// Its name.
        name: String,
        /// Matches of the systemd journal.
        journal: Option<Vec<String>>,
        /// A folder of journal files to read in place of this system's journal.
        journal_dir: Option<String>,
        /// Files, with wildcards.
        files: Option<Vec<String>>,
        /// The rule.
        rule: String,
        /// So many matches are an offence.
        howmany: Option<u32>,
        /// Within this time.
        within: Option<Written<Span>>,
        /// Name of the ladder.
        ladder: Option<String>,
        /// Ban for these ports only.
        ports: Option<Vec<Written<PortRange>>>,
    }
}

section! {
    /// Where rules are found.
    Rules {
        /// Folders of our own rules.
        dirs: Vec<String> = vec!["/etc/portguard/rules.d".to_owned()],
        /// Folders of fail2ban's filters.
        filter_dirs: Vec<String> = vec!["/etc/fail2ban/filter.d".to_owned()],
    }
}

impl Rules {
    /// Returns where rules are looked for.
    pub(crate) fn folders(&self) -> Folders {
        let paths = |dirs: &[String]| dirs.iter().map(PathBuf::from).collect();
        Folders { own: paths(&self.dirs), filters: paths(&self.filter_dirs) }
    }
}

impl Watch {
    /// Returns the ports that a ban is for; none: all.
    pub(super) fn ports(&self) -> Vec<Port> {
        let ranges = self.ports.iter().flatten();
        ranges.flat_map(|range| range.0.ports()).take(MOST_PORTS_OF_A_BAN + 1).collect()
    }

    /// Returns which of its matches of the journal is none, if one is.
    pub(super) fn bad_match(&self) -> Option<&str> {
        let is_field = |name: &str| {
            let is_part =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            !name.is_empty() && name.bytes().all(is_part)
        };
        let is_term = |term: &str| term.split_once('=').is_some_and(|(name, _)| is_field(name));
        let is_match =
            |text: &&str| !text.trim().is_empty() && text.split_whitespace().all(is_term);
        self.journal.iter().flatten().map(String::as_str).find(|text| !is_match(text))
    }
}
