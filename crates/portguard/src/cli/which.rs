//! Which rules find something in a log: what to write into a watch.

use std::{collections::HashSet, net::IpAddr, path::Path, process::ExitCode};

use portguard_read::{Judgement, Reader, Readers};
use serde_json::json;

use crate::{
    exit::Failed,
    rule::{AnyRule, Folders},
};

use super::{
    Global,
    lines::{self, Blocks, Progress},
    show,
};

/// How much is read at a time, in bytes.
const BLOCK: usize = 256 << 10;

/// Most sources of a rule that are told apart.
const MOST_SOURCES: usize = 100_000;

/// What a rule found.
#[derive(Debug, Default)]
struct Found {
    failures: u64,
    successes: u64,
    sources: HashSet<IpAddr>,
}

/// Tries every rule on a log, or standard input (`-`). Exit 1: none finds anything.
pub(crate) fn which(global: &Global, folders: &Folders, file: &Path) -> Result<ExitCode, Failed> {
    let (names, readers) = all(global, folders);
    let mut readers =
        Readers::new(readers).ok_or_else(|| Failed::bug("the rules need too many texts"))?;
    let mut found: Vec<Found> = names.iter().map(|_| Found::default()).collect();
    let mut blocks = Blocks::open(file)?;
    let now = lines::now()?;
    let mut progress = Progress::new(global);
    let (mut block, mut lines) = (Vec::new(), 0);
    loop {
        blocks.fill(&mut block, BLOCK)?;
        if block.is_empty() {
            break;
        }
        lines += readers.take_all(&block, now, &mut |number, _, judgement| {
            found[number].add(&judgement);
        });
        progress.show(lines);
    }
    progress.end();
    let mut found: Vec<_> = names.into_iter().zip(found).filter(|(_, one)| one.is_any()).collect();
    found.sort_by_key(|(name, one)| {
        (std::cmp::Reverse((one.failures, one.successes)), name.clone())
    });
    tell(global, lines, &found)?;
    Ok(if found.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Returns all rules that can be used, ready to read.
fn all(global: &Global, folders: &Folders) -> (Vec<String>, Vec<Reader>) {
    let (mut names, mut readers) = (Vec::new(), Vec::new());
    for name in folders.names() {
        match AnyRule::load(&name, folders).and_then(AnyRule::reader) {
            Ok(reader) => {
                names.push(name);
                readers.push(reader);
            }
            Err(why) if global.verbose => eprintln!("warning: {name}: {why}"),
            Err(_) => {}
        }
    }
    (names, readers)
}

fn tell(global: &Global, lines: u64, found: &[(String, Found)]) -> Result<(), Failed> {
    if global.json {
        let row = |(name, one): &(String, Found)| {
            json!({ "rule": name, "failures": one.failures, "successes": one.successes,
                    "sources": one.sources.len() })
        };
        let rules: Vec<_> = found.iter().map(row).collect();
        return show::json(&json!({ "lines": lines, "rules": rules }));
    }
    let row = |(name, one): &(String, Found)| {
        let numbers = [one.failures, one.successes, one.sources.len() as u64];
        std::iter::once(name.clone()).chain(numbers.map(|number| number.to_string())).collect()
    };
    if !found.is_empty() {
        let heads = ["RULE", "FAILURES", "SUCCESSES", "SOURCES"];
        show::print(&show::table(&heads, found.iter().map(row).collect()))?;
    }
    if !global.quiet {
        eprintln!("{lines} lines, {} rules find something", found.len());
    }
    Ok(())
}

impl Found {
    fn add(&mut self, judgement: &Judgement) {
        let sighting = match judgement {
            Judgement::Failure(sighting) => {
                self.failures += 1;
                sighting
            }
            Judgement::Success(sighting) => {
                self.successes += 1;
                sighting
            }
            Judgement::Ignored | Judgement::Nothing => return,
        };
        if self.sources.len() < MOST_SOURCES {
            self.sources.extend(sighting.who.address());
        }
    }

    fn is_any(&self) -> bool {
        self.failures + self.successes > 0
    }
}
