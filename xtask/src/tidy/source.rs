//! Rules for Rust files: their head, their size, their name, and marks left behind.

use std::path::Path;

use super::Fault;

/// The limit of STYLE for a file; what is longer has more than one subject.
const MOST_LINES: usize = 500;

/// Names that say nothing of what is inside, and the old form of a folder's module.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "helpers", "common", "misc", "types", "enums", "manager", "mod"];

/// Words that put something off; in two parts each, so that this file is not among the untidy.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!(")];

/// Returns the faults of a Rust file.
pub(super) fn faults(path: &Path, text: &str) -> Vec<Fault> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(Fault::new(1, "the file does not begin with `//!`"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        found.push(Fault::new(0, format!("{lines} lines, {MOST_LINES} are the limit")));
    }
    if path.iter().any(|part| is_empty_name(Path::new(part))) {
        found.push(Fault::new(0, "a name that says nothing of what is inside"));
    }
    let marked = text.lines().zip(1..).filter(|(line, _)| has_open_mark(line));
    found.extend(marked.map(|(_, number)| Fault::new(number, "a mark without an issue's number")));
    found
}

fn is_empty_name(part: &Path) -> bool {
    EMPTY_NAMES.iter().any(|name| part.file_stem().is_some_and(|stem| stem == *name))
}

/// Returns whether the line puts something off without the number of an issue after it, `(#7)`.
fn has_open_mark(line: &str) -> bool {
    MARKS.iter().any(|mark| line.split(mark).skip(1).any(|after| !begins_with_issue(after)))
}

fn begins_with_issue(text: &str) -> bool {
    let number = text.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
    number.is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expect: &[usize]) {
        let found = faults(Path::new(path), text);
        let lines: Vec<usize> = found.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, expect, "{path}: {found:?}");
    }

    #[test]
    fn a_file_begins_with_what_it_is_for() {
        check("a.rs", "//! Good.\n", &[]);
        check("a.rs", "use std::fs;\n", &[1]);
    }

    #[test]
    fn long_files_are_named() {
        check("a.rs", &format!("//! Long.\n{}", "\n".repeat(499)), &[]);
        check("a.rs", &format!("//! Too long.\n{}", "\n".repeat(500)), &[0]);
    }

    #[test]
    fn names_say_what_is_inside() {
        check("src/ladder.rs", "//! .", &[]);
        check("src/utils.rs", "//! .", &[0]);
        check("src/ladder/mod.rs", "//! .", &[0]);
        check("src/common/ladder.rs", "//! .", &[0]);
    }

    #[test]
    fn marks_carry_an_issue() {
        let [mark, other, _] = MARKS;
        check("a.rs", &format!("//! .\nlet a = 1; // {mark}(#12): better\n"), &[]);
        check("a.rs", &format!("//! .\nlet a = 1; // {mark}: better\n"), &[2]);
        check("a.rs", &format!("//! .\n// {other}(soon)\n"), &[2]);
    }
}
