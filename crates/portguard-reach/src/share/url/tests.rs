//! What is read as an address, and what is not.

use proptest::prelude::*;

use super::*;

const LHR: &str = r"https://[a-z0-9-]+\.lhr\.life";

fn read(pieces: &[&[u8]]) -> Option<String> {
    let mut reader = UrlReader::new(UrlPattern::new(LHR).unwrap());
    for piece in pieces {
        reader.feed(piece);
    }
    reader.take()
}

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    assert_eq!(read(&[text.as_bytes()]).as_deref(), expected, "{text:?}");
    let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(read(&single).as_deref(), expected, "{text:?} byte by byte");
}

#[test]
fn the_address_is_read_as_localhost_run_prints_it() {
    let text = "\r\n===============================================================================\r\n\
        Welcome to localhost.run!\r\n\r\nFollow your favourite reverse tunnel at \
        [https://twitter.com/localhost_run].\r\n\r\n**You need a SSH key to access this service.**\r\n\
        see https://admin.localhost.run/ and https://localhost.run/docs/forever-free/ for more.\r\n\r\n\
        ** your connection id is 2f0b-11, please mention it if you send me a message **\r\n\r\n\
        authenticated as anonymous user\r\n\
        \x1b[1m8beaa541ba3dc2.lhr.life\x1b[0m tunneled with tls termination, \
        \x1b[4mhttps://8beaa541ba3dc2.lhr.life\x1b[0m\r\n\
        Open your tunnel address on your mobile with this QR:\r\n\x1b[40m  \x1b[107m  \x1b[0m\r\n";
    check(text, Some("https://8beaa541ba3dc2.lhr.life"));
}

#[test]
fn an_address_counts_only_where_it_begins_and_ends() {
    for (text, expected) in [
        ("https://a.lhr.life\n", Some("https://a.lhr.life")),
        ("https://a.lhr.life/\n", Some("https://a.lhr.life")),
        ("See (https://a.lhr.life).\n", Some("https://a.lhr.life")),
        ("It is https://a.lhr.life. Enjoy\n", Some("https://a.lhr.life")),
        ("https://evil.example/?to=https://a.lhr.life\n", None),
        ("https://a.lhr.life.evil.example\n", None),
        ("https://a.lhr.life@evil.example\n", None),
        ("https://a.lhr.life:8443\n", None),
        ("https://a.lhr.lifeline\n", None),
        ("https://a.lhr.life/login\n", None),
        ("http://a.lhr.life\n", None),
        ("https://\u{e4}.lhr.life\n", None),
        ("https://a.lhr.life", None),
        ("https://a.lhr.\nlife\n", None),
    ] {
        check(text, expected);
    }
}

#[test]
fn escape_sequences_are_neither_read_nor_do_they_hide_what_follows() {
    for (text, expected) in [
        ("\x1b]0;https://title.lhr.life\x07 text\n", None),
        (
            "\x1b]8;;https://link.lhr.life\x1b\\https://a.lhr.life\x1b]8;;\x1b\\\n",
            Some("https://a.lhr.life"),
        ),
        ("\x1b]0;never ends\nhttps://a.lhr.life\n", Some("https://a.lhr.life")),
        ("\x1b[never ends\nhttps://a.lhr.life\n", Some("https://a.lhr.life")),
        ("tag\x1b[5;1Hhttps://a.lhr.life\n", Some("https://a.lhr.life")),
        ("https://a\x1b[31mb\x1b[0m.lhr.life\n", Some("https://ab.lhr.life")),
        ("\x1b(Bhttps://a.lhr.life\n", Some("https://a.lhr.life")),
    ] {
        check(text, expected);
    }
}

#[test]
fn the_newest_address_counts_and_is_told_once() {
    let mut reader = UrlReader::new(UrlPattern::new(LHR).unwrap());
    reader.feed(b"https://one.lhr.life\nhttps://two.lhr.life\nnothing\n");
    assert_eq!(reader.take().as_deref(), Some("https://two.lhr.life"));
    assert_eq!(reader.take(), None);
}

#[test]
fn a_line_without_an_end_is_read_once_nothing_more_comes() {
    let mut reader = UrlReader::new(UrlPattern::new(LHR).unwrap());
    reader.feed(b"> https://a.lhr.life");
    assert_eq!(reader.take(), None);
    reader.settle();
    assert_eq!(reader.take().as_deref(), Some("https://a.lhr.life"));
}

#[test]
fn an_endless_line_takes_no_memory_and_gives_no_cut_address() {
    let mut reader = UrlReader::new(UrlPattern::new(r"https://[a-z]+").unwrap());
    reader.feed(&b"x".repeat(LONGEST_LINE - 10));
    reader.feed(b" https://abcdefgh");
    reader.feed(&b"x".repeat(1 << 20));
    reader.feed(b"\n");
    assert_eq!(reader.take(), None);
    assert!(reader.line.capacity() <= 2 * LONGEST_LINE);
    reader.feed(b"https://a\n");
    assert_eq!(reader.take().as_deref(), Some("https://a"));
}

#[test]
fn addresses_of_a_server_without_a_pattern_are_those_of_its_host() {
    for (host, line, expected) in [
        (
            "serveo.net",
            "Forwarding HTTP traffic from https://abc.serveo.net",
            Some("https://abc.serveo.net"),
        ),
        (
            "serveo.net",
            "https://example.com https://abc.serveo.net:8443",
            Some("https://abc.serveo.net:8443"),
        ),
        ("serveo.net", "https://notserveo.net", None),
        ("192.0.2.1", "http://192.0.2.1:4000", Some("http://192.0.2.1:4000")),
        ("192.0.2.1", "http://192x0.2.1:4000", None),
    ] {
        assert_eq!(
            UrlPattern::of_host(host).find(line.as_bytes(), false).as_deref(),
            expected,
            "{line}"
        );
    }
}

#[test]
fn a_pattern_that_is_none_or_needs_too_much_is_refused() {
    assert!(UrlPattern::new("https://[").is_err());
    assert!(UrlPattern::new("(a{1000}){1000}").is_err());
}

proptest! {
    /// Whatever a provider prints, in whatever pieces: the buffer stays bounded, and an address
    /// that comes out is a plain one of the pattern.
    #[test]
    fn hostile_bytes_give_nothing_but_addresses(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                Just(b"https://a.lhr.life".to_vec()),
                Just(b"\x1b[".to_vec()),
                Just(b"\x1b]".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(vec![b'y'; 3000]),
            ],
            0..40,
        )
    ) {
        let mut reader = UrlReader::new(UrlPattern::new(LHR).unwrap());
        let whole = Regex::new(&format!("^{LHR}$")).unwrap();
        for piece in &pieces {
            reader.feed(piece);
            prop_assert!(reader.line.len() <= LONGEST_LINE);
            if let Some(url) = reader.take() {
                prop_assert!(whole.is_match(url.as_bytes()), "{url}");
            }
        }
    }

    /// How the text is cut into packets makes no difference.
    #[test]
    fn pieces_make_no_difference(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..300) {
        let at = at.min(bytes.len());
        prop_assert_eq!(read(&[&bytes]), read(&[&bytes[..at], &bytes[at..]]));
    }
}
