//! The syntax of configuration files as Python's `configparser` reads it, with `;` beginning a
//! comment after a space as well.

use std::collections::BTreeMap;

/// The options of a section by their names in lower case, with their values as written.
pub(super) type Section = BTreeMap<String, String>;

/// One file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ini {
    pub(super) defaults: Section,
    pub(super) sections: BTreeMap<String, Section>,
}

/// The section whose options every other section has too.
const DEFAULT: &str = "DEFAULT";

/// Reads a file. What is no line of a configuration is left out.
pub(super) fn parse(text: &str) -> Ini {
    let mut ini = Ini::default();
    let mut reader = Reader { section: None, option: None, indent: 0 };
    for line in text.lines() {
        reader.take(line, &mut ini);
    }
    for section in ini.sections.values_mut().chain([&mut ini.defaults]) {
        for value in section.values_mut() {
            value.truncate(value.trim_end().len());
        }
    }
    ini
}

/// Where the reader is.
struct Reader {
    section: Option<String>,
    option: Option<String>,
    indent: usize,
}

impl Reader {
    fn take(&mut self, line: &str, ini: &mut Ini) {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        let value = if is_comment { "" } else { without_comment(line).trim() };
        if value.is_empty() {
            // An empty line belongs to the value before it, a comment does not.
            let is_blank = !is_comment && line.trim().is_empty();
            if let Some(open) = self.value(ini).filter(|_| is_blank) {
                open.push('\n');
            }
            return;
        }
        let indent = line.chars().take_while(|letter| letter.is_whitespace()).count();
        let goes_on = indent > self.indent;
        if let Some(open) = self.value(ini).filter(|_| goes_on) {
            open.push('\n');
            open.push_str(value);
            return;
        }
        self.indent = indent;
        if let Some(name) = value.strip_prefix('[').and_then(|rest| Some(rest.rsplit_once(']')?.0))
        {
            self.option = None;
            self.section = Some(name.to_owned());
            if name != DEFAULT {
                ini.sections.entry(name.to_owned()).or_default();
            }
        } else if let Some(at) = value.find(['=', ':']) {
            let name = value[..at].trim_end().to_lowercase();
            let text = value[at + 1..].trim().to_owned();
            if let Some(section) = self.current(ini) {
                section.insert(name.clone(), text);
                self.option = Some(name);
            }
        }
    }

    fn current<'a>(&self, ini: &'a mut Ini) -> Option<&'a mut Section> {
        match self.section.as_deref()? {
            DEFAULT => Some(&mut ini.defaults),
            name => ini.sections.get_mut(name),
        }
    }

    /// Returns the value that lines which are indented deeper belong to.
    fn value<'a>(&self, ini: &'a mut Ini) -> Option<&'a mut String> {
        let option = self.option.as_ref()?;
        self.current(ini)?.get_mut(option)
    }
}

/// Returns a line without the comment that begins with `;` at its start or after a space.
fn without_comment(line: &str) -> &str {
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices(';').map(|(at, _)| at).find(|at| begins(*at));
    comment.map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_over_indented_lines() {
        let ini = parse(
            "[DEFAULT]\nA = 1\n[Definition]\n# no\nfailregex = ^one ; no\n  # no\n            ^two;yes\n\n\
             \x20           ^three # yes\nother: x=y\n",
        );
        assert_eq!(ini.defaults["a"], "1");
        let definition = &ini.sections["Definition"];
        assert_eq!(definition["failregex"], "^one\n^two;yes\n\n^three # yes");
        assert_eq!(definition["other"], "x=y");
    }

    #[test]
    fn a_value_may_begin_on_the_next_line() {
        let ini = parse("[Definition]\nfailregex =\n  ^one\n  ^two\nignoreregex =\n");
        let definition = &ini.sections["Definition"];
        assert_eq!(definition["failregex"], "\n^one\n^two");
        assert_eq!(definition["ignoreregex"], "");
    }

    #[test]
    fn what_is_no_line_of_a_configuration_is_left_out() {
        assert_eq!(parse("stray = 1\nwords\n[\n]x[\n"), Ini::default());
    }
}
