//! A line of a log, without what logging adds: the time, the host, the program.

/// A line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'l> {
    /// Who wrote it, if the line says (`sshd`, `postfix/smtpd`), and the text behind that.
    pub(super) program: Option<(&'l [u8], &'l [u8])>,
    /// All that is behind the time.
    text: &'l [u8],
}

impl<'l> Message<'l> {
    /// Returns all that is behind the time, and behind a priority (`auth.info: text`).
    pub(super) fn whole(&self) -> &'l [u8] {
        let end = memchr::memchr(b' ', self.text).unwrap_or(self.text.len());
        match self.text[..end].strip_suffix(b":") {
            Some(word) if is_priority(word) => &self.text[end + spaces(&self.text[end..])..],
            _ => self.text,
        }
    }
}

/// How times look that lines begin with: `d` is a digit, `D` a digit or a space, `a` a letter.
const TIMES: [&[u8]; 10] = [
    b"aaa Dd dd:dd:dd",
    b"dddd-dd-ddTdd:dd:dd",
    b"dddd-dd-dd Dd:dd:dd",
    b"dddd/dd/dd dd:dd:dd",
    b"aaa aaa Dd dd:dd:dd",
    b"aaa aaa d dd:dd:dd",
    b"aaa d dd:dd:dd",
    b"dd-aaa-dddd dd:dd:dd",
    b"[aaa Dd dd:dd:dd]",
    b"dddddd Dd:dd:dd",
];

/// How many words may stand before the one that names the program: the host, and what it was
/// logged as (`auth.info`).
const WORDS_BEFORE: usize = 2;

/// Takes a line apart.
pub(super) fn split(line: &[u8]) -> Message<'_> {
    let (priority, line) = without_priority(line);
    if let Some(message) = priority.then(|| structured(line)).flatten() {
        return message;
    }
    let text = &line[time(line)..];
    Message { program: program(text), text }
}

/// `<13>` in front of what came over the network.
fn without_priority(line: &[u8]) -> (bool, &[u8]) {
    let digits = line.iter().skip(1).take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let is_one = digits > 0 && line[0] == b'<' && line.get(digits + 1) == Some(&b'>');
    if is_one { (true, &line[digits + 2..]) } else { (false, line) }
}

/// RFC 5424: `1 TIME HOST PROGRAM PID ID DATA TEXT`.
fn structured(line: &[u8]) -> Option<Message<'_>> {
    let rest = line.strip_prefix(b"1 ")?;
    let mut rest = rest;
    let mut words = [&b""[..]; 5];
    for word in &mut words {
        let end = memchr::memchr(b' ', rest)?;
        (*word, rest) = (&rest[..end], &rest[end + 1..]);
    }
    let text = match rest.first()? {
        b'[' => &rest[memchr::memmem::find(rest, b"] ")? + 2..],
        _ => &rest[memchr::memchr(b' ', rest)? + 1..],
    };
    // Some put a mark in front that says what the bytes mean.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    Some(Message { program: Some((words[2], text)), text })
}

/// Returns where the text behind the time of a line begins.
fn time(line: &[u8]) -> usize {
    let fits = |shape: &&&[u8]| line.len() > shape.len() && shape.iter().zip(line).all(is_like);
    let Some(shape) = TIMES.iter().find(fits) else { return 0 };
    let mut at = shape.len();
    let digits = |at: usize| line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if matches!(line.get(at), Some(b'.' | b',')) {
        at += 1 + digits(at + 1);
    }
    at += zone(&line[at..]);
    // `Mon Jun  8 12:08:53 2020`
    if shape.starts_with(b"aaa aaa") && line.get(at) == Some(&b' ') && digits(at + 1) == 4 {
        at += 5;
    }
    if line.get(at) == Some(&b':') {
        at += 1;
    }
    at + spaces(&line[at..])
}

fn is_like((shape, byte): (&u8, &u8)) -> bool {
    match shape {
        b'd' => byte.is_ascii_digit(),
        b'D' => byte.is_ascii_digit() || *byte == b' ',
        b'a' => byte.is_ascii_alphabetic(),
        _ => shape == byte,
    }
}

/// `Z`, `+0100`, `+01:00`, `UTC`, also behind a space.
fn zone(text: &[u8]) -> usize {
    let space = usize::from(text.starts_with(b" "));
    let rest = &text[space..];
    let is_offset = |length: usize| {
        rest.len() >= length
            && matches!(rest[0], b'+' | b'-')
            && rest[1..length].iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    };
    match rest {
        [b'Z', ..] if space == 0 => 1,
        _ if is_offset(6) && rest[3] == b':' => space + 6,
        _ if is_offset(5) => space + 5,
        _ if rest.starts_with(b"UTC ") => space + 3,
        _ => 0,
    }
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b' ').count()
}

/// Returns the program that a text behind the time begins with, and what is behind that:
/// `host sshd[7]: text`, `sshd: text`.
fn program(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    for _ in 0..=WORDS_BEFORE {
        let end = at + memchr::memchr(b' ', &text[at..])?;
        let word = &text[at..end];
        if let Some(name) = word.strip_suffix(b":").and_then(name).filter(|name| !is_priority(name))
        {
            return Some((name, &text[end + spaces(&text[end..])..]));
        }
        at = end + spaces(&text[end..]);
    }
    None
}

/// Returns the name in `sshd[7]`, `wordpress(example.com)[7]`.
fn name(word: &[u8]) -> Option<&[u8]> {
    let name = match word.strip_suffix(b"]") {
        Some(open) => &open[..memchr::memrchr(b'[', open)?],
        None => word,
    };
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'(' | b')')
    };
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(is_part);
    is_name.then_some(name)
}

/// Returns whether a word is a facility with a level, as in `auth.info`.
fn is_priority(word: &[u8]) -> bool {
    const LEVELS: [&[u8]; 8] =
        [b".debug", b".info", b".notice", b".warn", b".err", b".crit", b".alert", b".emerg"];
    LEVELS.iter().any(|level| word.ends_with(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, program: &str, text: &str) {
        let message = split(line.as_bytes());
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let found =
            message.program.map_or((String::new(), text_of(message.whole())), |(name, text)| {
                (text_of(name), text_of(text))
            });
        assert_eq!(found, (program.to_owned(), text.to_owned()), "{line}");
    }

    #[test]
    fn lines_of_the_system_log_are_taken_apart() {
        check("Nov 20 10:00:00 host sshd[7]: x y", "sshd", "x y");
        check("Nov  2 10:00:00 host postfix/smtpd[7]: x", "postfix/smtpd", "x");
        check("2026-11-20T10:00:00.123456+00:00 host pure-ftpd: x", "pure-ftpd", "x");
        check("<35>1 2026-11-20T10:00:00Z host sshd 7 - - x y", "sshd", "x y");
        check("<35>1 2026-11-20T10:00:00Z host sshd 7 - [a b=\"c\"] x y", "sshd", "x y");
        check("<13>Nov 20 10:00:00 host sshd[7]: x", "sshd", "x");
        check("Jun 20 02:18:39 vps auth.info sshd[7]: x", "sshd", "x");
        check("2015-05-27T04:31:28.10040 auth.info: sshd[7]:  x", "sshd", "x");
        check("host sshd[7]: x", "sshd", "x");
        check("2015-05-27T04:31:27.46667 auth.info: Invalid", "", "Invalid");
    }

    #[test]
    fn other_lines_lose_their_time_alone() {
        check("2026/11/20 10:00:00 [error] 7#7: *17 x", "", "[error] 7#7: *17 x");
        check("2026-11-20 10:00:00 UTC [7] x", "", "[7] x");
        check("Mon Jun  8 12:08:53 2020 [pid 7] x", "", "[pid 7] x");
        check("20-Nov-2026 10:00:00.425 client @0x7 x", "", "client @0x7 x");
        check("2026-02-25T11:07:18+01:00: failure x", "", "failure x");
        check(
            "192.0.2.7 - - [20/Nov/2026:10:00:00 +0000] x",
            "",
            "192.0.2.7 - - [20/Nov/2026:10:00:00 +0000] x",
        );
        check("", "", "");
        check("Nov 20 10:00:00", "", "Nov 20 10:00:00");
    }
}
