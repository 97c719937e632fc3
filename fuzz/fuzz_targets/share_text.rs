//! Reads any bytes as what a provider of shared ports prints, cut into pieces: the buffer stays bounded,
//! the pieces make no difference, and what comes out is an address of the pattern.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_reach::share::{LONGEST_URL, UrlPattern, UrlReader};

fuzz_target!(|input: (Vec<u8>, u8)| {
    let (bytes, size) = input;
    let pattern = UrlPattern::new(r"https://[a-z0-9-]+\.lhr\.life").expect("a pattern");
    let (mut whole, mut pieces) = (UrlReader::new(pattern.clone()), UrlReader::new(pattern));
    whole.feed(&bytes);
    for piece in bytes.chunks(usize::from(size).max(1)) {
        pieces.feed(piece);
    }
    whole.settle();
    pieces.settle();
    let url = whole.take();
    assert_eq!(url, pieces.take());
    if let Some(url) = url {
        let name = url.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".lhr.life"));
        let is_of_name = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
        assert!(name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name)));
        assert!(url.len() <= LONGEST_URL);
    }
});
