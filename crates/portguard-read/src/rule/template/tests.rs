//! Templates on texts as services write them, and as strangers would like them to be read.

use super::*;

fn check(template: &str, text: &str, expected: Option<(&str, &str)>) {
    let found = Template::new(template).unwrap().find(text.as_bytes()).unwrap();
    let found = found.map(|Found { address, user }| {
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        (address, user.map(|user| text[user].to_owned()).unwrap_or_default())
    });
    let expected = expected.map(|(address, user)| (address.to_owned(), user.to_owned()));
    assert_eq!(found, expected, "{template}: {text}");
}

#[test]
fn a_template_holds_both_ends() {
    check("from {addr}", "from 192.0.2.7", Some(("192.0.2.7", "")));
    check("from {addr}", "from 192.0.2.7 x", None);
    check("from {addr}", "x from 192.0.2.7", None);
    check("{any}from {addr}{any}", "x from 192.0.2.7 x", Some(("192.0.2.7", "")));
    check(
        "from {addr} port {number}{| ssh2}",
        "from 192.0.2.7 port 7 ssh2",
        Some(("192.0.2.7", "")),
    );
    check("a {word} b{nonspace} {quoted}{{", "a x b \"{", None);
    check("a {word} b{nonspace} \"{quoted}\" {{", "a x b \"q\\\"\" {", Some(("", "")));
}

#[test]
fn a_user_is_named_as_long_as_possible_and_cannot_be_an_address() {
    let template = "Failed {word} for {user} from {addr} port {number}{any}";
    check(
        template,
        "Failed password for root from 192.0.2.1 port 1 from 203.0.113.9 port 22 ssh2",
        Some(("203.0.113.9", "root from 192.0.2.1 port 1")),
    );
    check(template, "Failed password for  from 203.0.113.9 port 22", Some(("203.0.113.9", "")));
    check("{user}@{addr}", "a@b@192.0.2.7", Some(("192.0.2.7", "a@b")));
    check("user={user}", "user=a b", Some(("", "a b")));
}

#[test]
fn any_text_is_taken_as_little_as_possible() {
    check(
        "{any}IP: {addr}. Username: {user}.",
        "[ERROR] IP: 192.0.2.7. Username: IP: 203.0.113.9. Username: x.",
        Some(("192.0.2.7", "IP: 203.0.113.9. Username: x")),
    );
}

#[test]
fn access_logs_begin_in_three_ways() {
    let template = "{access}\"{quoted}\" {401|403} {any}";
    let rest = "[20/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 401 12 \"-\" \"x\"";
    check(template, &format!("192.0.2.7 - - {rest}"), Some(("192.0.2.7", "")));
    check(template, &format!("example.com:443 192.0.2.7 - eve {rest}"), Some(("192.0.2.7", "eve")));
    check(template, &format!("2001:db8::7 - a b {rest}"), Some(("2001:db8::7", "a b")));
    check(template, &format!("host - - {rest}"), None);
}

#[test]
fn a_search_ends_though_it_would_take_for_ever() {
    let template = Template::new("{any}a{word}a{word}a{word}a{word}x").unwrap();
    assert_eq!(template.find(&[b'a'; 4_000]), Err(TooManySteps));
}

#[test]
fn what_is_no_template_is_told() {
    assert_eq!(Template::new("a {b"), Err(TemplateError::Open("a {b".into())));
    assert_eq!(Template::new("a {b}"), Err(TemplateError::Unknown("b".into())));
    assert!(matches!(Template::new("{user}{any}"), Err(TemplateError::SideBySide(_))));
    assert!(matches!(Template::new("{addr} {addr}"), Err(TemplateError::TwoAddresses(_))));
}

#[test]
fn the_last_place_of_a_text_is_found() {
    for (line, text, last) in [
        ("a from b from c", " from ", Some(8)),
        ("from", "from", Some(0)),
        (" from", " from ", None),
        ("x   ", "  ", Some(2)),
        ("", "a", None),
    ] {
        assert_eq!(last_of(line.as_bytes(), text.as_bytes()), last, "{line}");
    }
}
