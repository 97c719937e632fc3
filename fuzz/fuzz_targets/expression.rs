//! What a program finds in a text, and the engine that it stands in for: both find the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::python_regex::{Pattern, Search};

fuzz_target!(|input: (String, String)| {
    let (regex, text) = input;
    if regex.len() > 60 || text.len() > 100 {
        return;
    }
    let Ok(pattern) = Pattern::new(&regex, false) else { return };
    let text = text + "\n";
    let (mut ours, mut theirs) = (Search::default(), Search::default());
    let found = pattern.search(&text, &mut ours);
    let (Ok(found), Ok(expected)) = (found, pattern.search_any(&text, &mut theirs)) else { return };
    assert_eq!(found, expected, "{regex:?} on {text:?}");
    if found {
        assert_eq!(ours.span(0), theirs.span(0), "{regex:?} on {text:?}");
        for (number, name) in pattern.groups() {
            assert_eq!(ours.span(*number), theirs.span(*number), "{name} of {regex:?} on {text:?}");
        }
    }
});
