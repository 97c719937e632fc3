//! Reads any bytes as lines of a log by each of our rules: as a whole and line by line it finds the
//! same, and an address that it finds stands in the line.

#![no_main]

use std::sync::{LazyLock, Mutex};

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use portguard_read::{
    Judgement, Reader,
    rule::{NAMES, built_in},
};

const NOW: i64 = 1_795_176_000;

type Pair = (Reader, Reader);

static READERS: LazyLock<Mutex<Vec<Pair>>> = LazyLock::new(|| {
    let reader = |name: &str| Reader::of_rule(built_in(name).unwrap().unwrap(), TimeZone::UTC);
    let pair = |name: &&str| (reader(name), reader(name));
    Mutex::new(NAMES.iter().map(pair).collect())
});

fuzz_target!(|text: &[u8]| {
    let mut readers = READERS.lock().unwrap();
    for (whole, single) in readers.iter_mut() {
        let mut found = Vec::new();
        whole.take_all(text, NOW, &mut |line, judgement| found.push((line.to_vec(), judgement)));
        let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n');
        let each = lines.map(|line| (line.to_vec(), single.take(line, None, NOW)));
        let each: Vec<_> = each.filter(|(_, one)| *one != Judgement::Nothing).collect();
        assert_eq!(found, each);
    }
});
