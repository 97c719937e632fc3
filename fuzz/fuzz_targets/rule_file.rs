//! Reads any text as a rule of ours and, if it is one, runs its own examples.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portguard_read::rule::Rule;

fuzz_target!(|text: &str| {
    if let Ok(rule) = Rule::parse(text, &|_| None) {
        // Its examples may be wrong; trying them must come to an end.
        let _ = rule.check();
    }
});
