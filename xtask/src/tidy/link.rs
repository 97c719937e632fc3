//! Rules for Markdown files: links to files of the repository lead somewhere.

use super::Fault;

/// Returns a fault for every link whose file does not exist.
pub(super) fn faults(text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let dead = targets(line).filter(|target| !exists(target));
        found.extend(dead.map(|target| Fault::new(number, format!("no such file: {target}"))));
    }
    found
}

/// Returns the files that the links of a line lead to, without their sections.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    links.filter_map(|(target, _)| {
        let file = target.split('#').next().unwrap_or_default();
        let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
        (!file.is_empty() && !is_elsewhere).then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[usize]) {
        let found = faults(text, &|target| target == "there.md");
        let lines: Vec<usize> = found.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, expect, "{text}: {found:?}");
    }

    #[test]
    fn links_to_files_lead_somewhere() {
        check("see [this](there.md) and [that](there.md#part)", &[]);
        check("fine\nsee [this](gone.md)", &[2]);
    }

    #[test]
    fn links_to_elsewhere_and_code_are_left_alone() {
        check("[a](https://example.org/x) [b](#part) [c](mailto:a@example.org)", &[]);
        check("```\n[a](gone.md)\n```\n[a](gone.md)", &[4]);
    }
}
