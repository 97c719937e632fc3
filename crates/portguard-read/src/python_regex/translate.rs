//! What Python's `re` and our engine read differently. Pure.
//!
//! Differences after <https://docs.python.org/3/library/re.html> and the syntax of `regex` 1 and
//! `fancy-regex` 0.20.

use std::{iter::Peekable, str::CharIndices};

/// An IPv6 address may end with two colons; what stands before always ends with one, so that the
/// look behind is always true and only keeps the expression from being linear.
const COLON_BEHIND: (&str, &str) = ("(?<=:):", ":");

/// What Python counts as white space beside Unicode's: the information separators.
const SPACE: &str = r"\s\x1c-\x1f";

/// Returns an expression with the same meaning for our engine. With `lines`, `^` matches at every
/// line.
pub fn translate(python: &str, lines: bool) -> String {
    let python = python.replace(COLON_BEHIND.0, COLON_BEHIND.1);
    let mut translator = Translator {
        python: &python,
        letters: python.char_indices().peekable(),
        out: String::with_capacity(python.len() + 16),
        lines,
    };
    translator.run();
    translator.out
}

struct Translator<'a> {
    python: &'a str,
    letters: Peekable<CharIndices<'a>>,
    out: String,
    lines: bool,
}

impl Translator<'_> {
    fn run(&mut self) {
        while let Some((at, letter)) = self.letters.next() {
            match letter {
                '\\' => self.escape(),
                '[' => self.class(),
                '(' => self.group(at),
                '{' => self.braces(at),
                '}' => self.out.push_str(r"\}"),
                '^' if self.lines => self.out.push_str("(?m:^)"),
                '$' => self.out.push_str("(?m:$)"),
                _ => self.out.push(letter),
            }
        }
    }

    fn escape(&mut self) {
        let Some((_, letter)) = self.letters.next() else { return self.out.push('\\') };
        match letter {
            'Z' => self.out.push_str(r"\z"),
            's' => self.push(&["[", SPACE, "]"]),
            'S' => self.push(&["[^", SPACE, "]"]),
            // These would be the ends of words.
            '<' | '>' => self.out.push(letter),
            _ => self.push_escaped(letter),
        }
    }

    fn class(&mut self) {
        self.out.push('[');
        if self.letters.next_if(|(_, letter)| *letter == '^').is_some() {
            self.out.push('^');
        }
        if self.letters.next_if(|(_, letter)| *letter == ']').is_some() {
            self.out.push_str(r"\]");
        }
        while let Some((_, letter)) = self.letters.next() {
            match letter {
                ']' => return self.out.push(']'),
                '\\' => self.escape_in_class(),
                // Begins a class inside the class, or combines two.
                '[' | '&' | '~' => self.push_escaped(letter),
                '-' if self.letters.peek().is_some_and(|(_, next)| *next == '-') => {
                    self.push_escaped(letter);
                }
                _ => self.out.push(letter),
            }
        }
    }

    fn escape_in_class(&mut self) {
        let Some((_, letter)) = self.letters.next() else { return self.out.push('\\') };
        match letter {
            's' => self.out.push_str(SPACE),
            'b' => self.out.push_str(r"\x08"),
            '<' | '>' => self.out.push(letter),
            _ => self.push_escaped(letter),
        }
    }

    /// Conditions name their group in brackets, and flags that are always on are unknown.
    fn group(&mut self, at: usize) {
        self.out.push('(');
        let Some(rest) = self.python[at..].strip_prefix("(?") else { return };
        if let Some((name, _)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            let condition = if is_number { format!("?({name})") } else { format!("?(<{name}>)") };
            self.out.push_str(&condition);
            self.skip(name.chars().count() + 3);
        } else if let Some(flags) = flags(rest) {
            let kept: String = flags.chars().filter(|flag| !"uaL".contains(*flag)).collect();
            let is_alone = rest[flags.len()..].starts_with(')');
            self.skip(flags.len() + 1);
            match (kept.is_empty(), is_alone) {
                // A group without content does nothing.
                (true, true) => self.out.push_str("?:"),
                (true, false) => self.out.push('?'),
                (false, _) => self.push(&["?", &kept]),
            }
        }
    }

    /// Braces that count nothing stand for themselves, and a missing lower bound is zero.
    fn braces(&mut self, at: usize) {
        let inside = self.python[at + 1..].split_once('}').map(|(inside, _)| inside);
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let count = inside.filter(|inside| match inside.split_once(',') {
            Some((least, most)) => is_number(least) && is_number(most),
            None => !inside.is_empty() && is_number(inside),
        });
        match count {
            Some(count) if at > 0 => {
                let least = if count.starts_with(',') { "0" } else { "" };
                self.push(&["{", least, count, "}"]);
                self.skip(count.len() + 1);
            }
            _ => self.out.push_str(r"\{"),
        }
    }

    fn skip(&mut self, letters: usize) {
        for _ in 0..letters {
            self.letters.next();
        }
    }

    fn push(&mut self, parts: &[&str]) {
        self.out.extend(parts.iter().copied());
    }

    fn push_escaped(&mut self, letter: char) {
        self.out.push('\\');
        self.out.push(letter);
    }
}

/// Returns the flags that a group begins with: `(?i)`, `(?iu:...)`.
fn flags(rest: &str) -> Option<&str> {
    let length =
        rest.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'-').count();
    let (flags, behind) = rest.split_at(length);
    let are_flags = flags.bytes().all(|flag| b"aiLmsux-".contains(&flag));
    (!flags.is_empty() && are_flags && behind.starts_with([')', ':'])).then_some(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python_regex::{Pattern, Search};

    fn check(python: &str, expected: &str) {
        assert_eq!(translate(python, false), expected, "{python}");
        Pattern::new(python, false).unwrap();
    }

    #[test]
    fn what_is_read_alike_stays() {
        for python in [r"^a(?:b|c)*?d{2,3}\.\d+\w(?P<x>.)", r"(?P<q>['x]).*?(?P=q)", "a(?=b)(?!c)"]
        {
            check(python, python);
        }
    }

    #[test]
    fn classes_have_no_classes_inside() {
        check("[^[]", r"[^\[]");
        check("[]a]", r"[\]a]");
        check("[^]a]", r"[^\]a]");
        check("[a&&b~]", r"[a\&\&b\~]");
        check(r"[^\>\s\]]", r"[^>\s\x1c-\x1f\]]");
        check("[+--]", r"[+\--]");
    }

    #[test]
    fn braces_count_only_with_numbers() {
        check("a{,3}", "a{0,3}");
        check("a{2}", "a{2}");
        check("a{2,}", "a{2,}");
        check("{a} x{b", r"\{a\} x\{b");
    }

    #[test]
    fn conditions_and_flags_are_written_otherwise() {
        check("(?P<a>x)?(?(a)y|z)", "(?P<a>x)?(?(<a>)y|z)");
        check("(x)?(?(1)y|z)", "(x)?(?(1)y|z)");
        check("(?iu)a", "(?i)a");
        check("(?u)a(?u:b)", "(?:)a(?:b)");
    }

    #[test]
    fn ends_and_spaces_are_pythons() {
        check(r"a\Z|b$", r"a\z|b(?m:$)");
        check(r"\s\S\<", r"[\s\x1c-\x1f][^\s\x1c-\x1f]<");
        assert_eq!(translate("^a", true), "(?m:^)a");
        let pattern = Pattern::new(r"^a\s*$", false).unwrap();
        let matches = |text| pattern.search(text, &mut Search::default()).unwrap();
        assert!(matches("a\x1c\n") && !matches("b\na\n"));
    }

    #[test]
    fn a_search_ends_though_it_would_take_for_ever() {
        let pattern = Pattern::new(r"^(?:(\w+)\1?)*(?=x)y", false).unwrap();
        let text = format!("{}\n", "a".repeat(200));
        assert!(pattern.search(&text, &mut Search::default()).is_err());
    }
}
