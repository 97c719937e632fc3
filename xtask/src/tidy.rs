//! `cargo xtask tidy`: house rules that no other checker knows.

mod link;
mod source;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Chore,
    step::{self, StepError},
};

pub(crate) const CHORE: Chore = Chore {
    name: "tidy",
    summary: "house rules: file heads, sizes and names, marks left in the code, links",
    run: |_| tidy(),
};

/// Folders that hold nothing written by hand.
const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "dist", "corpus"];

/// Endings of files that are looked into.
const TEXTS: [&str; 11] =
    ["rs", "toml", "md", "sh", "service", "conf", "ts", "tsx", "mjs", "css", "html"];

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}: ", self.line)?;
        }
        f.write_str(&self.what)
    }
}

/// Looks through the whole workspace and tells every fault.
///
/// # Errors
/// When there are faults, or a file cannot be read.
pub(crate) fn tidy() -> Result<(), StepError> {
    eprintln!("xtask: tidy");
    let mut count = 0;
    let mut files = Vec::new();
    collect(step::root(), &mut files)?;
    files.sort();
    for path in &files {
        let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
        let name = path.strip_prefix(step::root()).unwrap_or(path);
        for fault in faults(name, &text, &|target| path.with_file_name("").join(target).exists()) {
            eprintln!("{}:{fault}", name.display());
            count += 1;
        }
    }
    if count == 0 { Ok(()) } else { Err(StepError::Untidy(count)) }
}

/// Returns the faults of one file; `exists` answers for paths relative to the file's folder.
fn faults(path: &Path, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut found = trailing_spaces(text);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("rs") => found.extend(source::faults(path, text)),
        Some("md") => found.extend(link::faults(text, exists)),
        _ => {}
    }
    found
}

fn trailing_spaces(text: &str) -> Vec<Fault> {
    let ends_in_space = |line: &str| line.ends_with([' ', '\t', '\r']);
    let untidy = text.split('\n').zip(1..).filter(|(line, _)| ends_in_space(line));
    untidy.map(|(_, number)| Fault::new(number, "trailing space")).collect()
}

/// Adds every file of the folder, and of those below it, that is looked into.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), StepError> {
    let entries = fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|source| unreadable(&path, source))?;
        let is_skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
        if kind.is_dir() && !is_skipped {
            collect(&path, files)?;
        } else if kind.is_file() && is_text(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    TEXTS.iter().any(|ending| path.extension().is_some_and(|found| found == *ending))
}

fn unreadable(path: &Path, source: io::Error) -> StepError {
    StepError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_spaces_are_named_by_their_lines() {
        let found = trailing_spaces("good\nbad \n\n\tgood\nbad\t");
        assert_eq!(found.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 5]);
    }
}
