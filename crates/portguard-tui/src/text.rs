//! Texts of others made harmless, and figures in the words of the command line. Pure.

use std::net::{IpAddr, SocketAddr};

use unicode_width::UnicodeWidthChar as _;

/// Returns a text that a terminal shows as it is: what would act on the terminal, or would not be
/// seen (escape codes, controls, marks without width, changes of direction), is written out.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            ' '..='~' => out.push(one),
            '\t' | '\n' => out.push(' '),
            // Unassigned and private characters have a width too, and harm nobody.
            _ if !one.is_control() && one.width().is_some_and(|width| width > 0) => out.push(one),
            _ => out.extend(escaped(one)),
        }
    }
    out
}

fn escaped(one: char) -> impl Iterator<Item = char> {
    let code = u32::from(one);
    let text = if code < 256 { format!("\\x{code:02x}") } else { format!("\\u{code:x}") };
    text.chars().collect::<Vec<_>>().into_iter()
}

/// Returns the text with a `?` for every character that is not ASCII, as many as its columns.
pub(crate) fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match (one.is_ascii(), one) {
            (true, _) => out.push(one),
            (false, '…') => out.push('~'),
            (false, '·' | '│') => out.push('|'),
            (false, _) => out.extend(std::iter::repeat_n('?', one.width().unwrap_or(1))),
        }
    }
    out
}

/// Returns how many columns of the terminal a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|one| one.width().unwrap_or(0)).sum()
}

/// Returns the beginning of a text that fits into so many columns; what is cut ends in `…`.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |one: &char| {
        let wide = one.width().unwrap_or(0);
        let is_room = wide <= left;
        left = left.saturating_sub(wide);
        is_room
    };
    let mut out: String = text.chars().take_while(fits).collect();
    out.extend((columns > 0).then_some('…'));
    out
}

/// Breaks a text into lines of so many columns, at spaces where it has some.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for one in word.chars() {
            if width(&line) + one.width().unwrap_or(0) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(one);
        }
    }
    lines.push(line);
    lines
}

/// Returns a length of time as the command line writes it (`1d12h`), with its two greatest units.
pub(crate) fn span(seconds: Option<u64>) -> String {
    const UNITS: [(&str, u64); 6] =
        [("y", 31_536_000), ("mo", 2_592_000), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let Some(mut left) = seconds else { return "forever".to_owned() };
    let mut parts = Vec::new();
    for (name, length) in UNITS {
        if left >= length {
            parts.push(format!("{}{name}", left / length));
            left %= length;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.concat() }
}

/// Returns bytes in the unit in which they have up to four digits.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = bytes;
    let mut unit = 0;
    while left >= 10_240 && unit + 1 < UNITS.len() {
        left /= 1_024;
        unit += 1;
    }
    format!("{left} {}", UNITS[unit])
}

/// Returns the time of day of a moment (`2026-11-20T09:14:02.120Z`), in UTC as everywhere; what is
/// no moment stays as it is.
pub(crate) fn time_of_day(moment: &str) -> String {
    moment.get(11..19).map_or_else(|| moment.to_owned(), str::to_owned)
}

/// Returns day and time of a moment, to the second.
pub(crate) fn day_and_time(moment: &str) -> String {
    match (moment.get(5..10), moment.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => moment.to_owned(),
    }
}

/// Returns the second of a moment since 1970; none of what is no moment.
pub(crate) fn second(moment: &str) -> Option<u64> {
    moment.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_second()).ok())
}

/// Returns the time of day of a second since 1970.
pub(crate) fn clock(second: u64) -> String {
    let day = second % 86_400;
    format!("{:02}:{:02}:{:02}", day / 3_600, day / 60 % 60, day % 60)
}

/// Returns a text or a dash.
pub(crate) fn dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// Returns an address with its port.
pub(crate) fn end_point(address: &str, port: Option<u16>) -> String {
    match port {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_owned(),
    }
}

/// Returns the address of an end point (`192.0.2.1:22`, `[2001:db8::1]:22`, `192.0.2.1`).
pub fn address_of(end_point: &str) -> Option<IpAddr> {
    let alone = || end_point.parse::<IpAddr>().ok();
    end_point.parse::<SocketAddr>().map(|end| end.ip()).ok().or_else(alone)
}

/// Returns an end of a connection, and in brackets what is in its place on the other side of a
/// translation.
pub fn translated(end: &str, elsewhere: Option<&str>) -> String {
    match elsewhere {
        Some(elsewhere) => format!("{end} ({elsewhere})"),
        None => end.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        let hostile = "a\x1b[2J\x07b\u{9b}c\u{202e}d\u{200b}e\u{301}f\tg\r\n日本";
        let shown = harmless(hostile);
        assert_eq!(shown, "a\\x1b[2J\\x07b\\x9bc\\u202ed\\u200be\\u301f g\\x0d 日本");
        assert_eq!(ascii(&harmless("é日·x…")), "???|x~");
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 9_999, 10_240, 5 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "9999 B", "10 KiB", "5120 MiB", "16777215 TiB"]);
    }

    #[test]
    fn texts_are_cut_and_broken_by_their_columns() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(["", "a", "ab"].map(|text| cut(text, 1)), ["", "a", "…"]);
        assert_eq!(cut("ab", 0), "");
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn figures_read_as_on_the_command_line() {
        let spans = [None, Some(0), Some(59), Some(14_399), Some(86_400 * 3 + 1)].map(span);
        assert_eq!(spans, ["forever", "0s", "59s", "3h59m", "3d1s"]);
        assert_eq!(
            [0, 9_999, 10_240, u64::MAX].map(size),
            ["0 B", "9999 B", "10 KiB", "16777215 TiB"]
        );
        assert_eq!(time_of_day("2026-11-20T09:14:02.120Z"), "09:14:02");
        assert_eq!(second("1970-01-02T00:00:01.5Z"), Some(86_401));
        assert_eq!(clock(86_400 + 3_661), "01:01:01");
        assert_eq!(address_of("[2001:db8::1]:22"), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(address_of("2001:db8::1"), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(address_of("nonsense"), None);
    }
}
