//! Lines of the kernel's packet filter as others read them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use portguard_read::{log_line::flag_words, netfilter::read_line};
use serde_json::{Value, json};

/// Every line whose fields are known, where that data is at hand.
#[test]
fn lines_have_the_fields_that_others_find_in_them() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/netfilter");
    let Ok(lines) = fs::read_to_string(corpus.join("lines.jsonl")) else {
        println!("conformance: NOT RUN: no lines of netfilter are at hand");
        return;
    };
    let cases: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wrong: Vec<String> = cases.iter().filter_map(wrong).collect();
    println!("conformance: {} of {} lines are read alike", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn wrong(case: &Value) -> Option<String> {
    let line = case["line"].as_str().unwrap();
    let found = read_line(line.as_bytes()).map_or(Value::Null, |packet| {
        let words = flag_words(packet.flags());
        let mut flags: Vec<&str> = words.split_whitespace().collect();
        flags.sort_unstable();
        json!({
            "iface_in": packet.in_interface(),
            "iface_out": packet.out_interface(),
            "src": packet.source.to_string(),
            "dst": packet.destination(),
            "proto": packet.protocol(),
            "length": packet.length(),
            "ttl": packet.ttl(),
            "sport": packet.source_port(),
            "dport": packet.destination_port(),
            "flags": flags,
        })
    });
    let known = &case["parsed"];
    let different = |field: &str| {
        let mut theirs = known[field].clone();
        if let Some(flags) = theirs.as_array_mut() {
            flags.sort_by_key(ToString::to_string);
        }
        let is_known = known.get(field).is_some();
        (is_known && found[field] != theirs)
            .then(|| format!("{field}: {} for {theirs}", found[field]))
    };
    if known.is_null() != found.is_null() {
        return Some(format!("{line}\n  found {found}, known {known}"));
    }
    let fields = [
        "iface_in",
        "iface_out",
        "src",
        "dst",
        "proto",
        "length",
        "ttl",
        "sport",
        "dport",
        "flags",
    ];
    let differences: Vec<String> = fields.iter().filter_map(|field| different(field)).collect();
    (!differences.is_empty()).then(|| format!("{line}\n  {}", differences.join(", ")))
}
