//! fail2ban's own tags in regular expressions (`<HOST>`, `<F-USER>...</F-USER>`, `<SKIPLINES>`):
//! what they stand for, as Python's `re` would read it.

use std::collections::BTreeSet;

/// An IPv4 address with digits of any value; what it means is read later.
const IP4: &str = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})";

/// An IPv6 address, loosely.
const IP6: &str = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))";

/// A host name.
const DNS: &str = r"(?P<dns>[\w\-.^_]*\w)";

/// The length of a prefix.
const CIDR: &str = r"(?P<cidr>\d+)";

/// Returns an expression with its tags resolved. Without `names`, `<HOST>` is no host name.
pub fn expand(regex: &str, names: bool) -> String {
    let mut out = String::with_capacity(regex.len() + 256);
    let mut state = State { names, open: BTreeSet::new(), skipped: 0 };
    let mut rest = regex;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let tag = tag_at_start(rest);
        match tag.and_then(|tag| state.meaning(tag)) {
            Some(meaning) => out.push_str(&meaning),
            None => out.push_str(&rest[..tag.map_or(1, |tag| tag.len() + 2)]),
        }
        rest = &rest[tag.map_or(1, |tag| tag.len() + 2)..];
    }
    out.push_str(rest);
    scope_flags(&out)
}

/// Returns what stands between the brackets that a text begins with, if it is a tag's name.
fn tag_at_start(text: &str) -> Option<&str> {
    let (tag, _) = text.strip_prefix('<')?.split_once('>')?;
    let name = tag.strip_prefix('/').unwrap_or(tag);
    let name = name.strip_suffix('/').unwrap_or(name);
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    (!name.is_empty() && name.chars().all(is_part)).then_some(tag)
}

struct State {
    names: bool,
    open: BTreeSet<String>,
    skipped: usize,
}

impl State {
    fn meaning(&mut self, tag: &str) -> Option<String> {
        let address = || format!(r"\[?(?:{IP4}|{IP6})\]?");
        Some(match tag {
            "HOST" if self.names => format!("(?:{}|{DNS})", address()),
            "HOST" | "ADDR" | "F-ADDR/" => address(),
            "IP4" | "F-IP4/" => IP4.to_owned(),
            "IP6" | "F-IP6/" => IP6.to_owned(),
            "DNS" | "F-DNS/" => DNS.to_owned(),
            "CIDR" | "F-CIDR/" => CIDR.to_owned(),
            "SUBNET" | "F-SUBNET/" => format!(r"\[?(?:{IP4}|{IP6})(?:/{CIDR})?\]?"),
            "F-ID/" => r"(?P<fid>\S+)".to_owned(),
            "F-PORT/" => r"(?P<fport>\w+)".to_owned(),
            "SKIPLINES" => {
                self.skipped += 1;
                format!(r"\n(?P<skiplines{}>(?:(?:.*\n)*?))", self.skipped - 1)
            }
            _ => return self.group(tag),
        })
    }

    /// `<F-NAME>` begins a group, `</F-NAME>` ends it.
    fn group(&mut self, tag: &str) -> Option<String> {
        let is_end = tag.starts_with('/');
        let name = tag.strip_prefix('/').unwrap_or(tag).strip_prefix("F-")?;
        let is_part =
            |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_part) {
            return None;
        }
        if is_end {
            return self.open.contains(name).then(|| ")".to_owned());
        }
        self.open.insert(name.to_owned());
        Some(format!("(?P<{}>", group_name(name)))
    }
}

/// Returns what a group is called in the expression.
fn group_name(tag: &str) -> String {
    match tag {
        "ID" => "fid".to_owned(),
        "PORT" => "fport".to_owned(),
        tag => tag.to_lowercase(),
    }
}

/// Makes flags that stand alone at the start of a group (`((?i)x)`) flags of that group (`(?i:x)`),
/// which Python no longer takes otherwise.
fn scope_flags(regex: &str) -> String {
    let mut out = String::with_capacity(regex.len());
    let mut rest = regex;
    while let Some(at) = rest.find("(?") {
        let (before, from) = rest.split_at(at);
        let letters = from[2..].bytes().take_while(u8::is_ascii_lowercase).count();
        let is_flags = letters > 0 && from[2 + letters..].starts_with(')');
        out.push_str(before);
        let outer = out.strip_suffix("(?:").or_else(|| out.strip_suffix('('));
        let outer = outer.filter(|outer| is_flags && !outer.ends_with('\\')).map(str::len);
        if let Some(outer) = outer {
            out.truncate(outer);
            out.push_str(&from[..2 + letters]);
            out.push(':');
            rest = &from[3 + letters..];
        } else {
            out.push_str("(?");
            rest = &from[2..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_groups() {
        assert_eq!(
            expand("^<F-USER>.*?</F-USER> <F-PORT/>$", true),
            r"^(?P<user>.*?) (?P<fport>\w+)$"
        );
        assert_eq!(expand("<F-ID>x</F-ID></F-NO>", true), "(?P<fid>x)</F-NO>");
        assert_eq!(expand("<SKIPLINES>a<SKIPLINES>", true).matches("skiplines1").count(), 1);
        assert_eq!(expand("a <b c> <x>", true), "a <b c> <x>");
        assert!(expand("<HOST>", true).contains("?P<dns>"));
        assert!(!expand("<HOST>", false).contains("?P<dns>"));
    }

    #[test]
    fn flags_belong_to_their_group() {
        assert_eq!(expand("^((?i)abc)(?:(?s).)", true), "^(?i:abc)(?s:.)");
        assert_eq!(expand(r"\((?i)x", true), r"\((?i)x");
        assert_eq!(expand("(?i)x (?P<a>b)", true), "(?i)x (?P<a>b)");
    }
}
