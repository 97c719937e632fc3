//! Measures the whole program in a lab of its own: each figure stands beside its limit, or beside
//! a peer that is measured in the same run, with the ratio. Run by `cargo xtask bench`.
//!
//! Judges nothing: it prints, and a figure over its limit is marked.

mod api;
mod figure;
mod load;
mod scan;
mod single;

use figure::Report;

/// Measures one group of figures.
type Measure = fn(&mut Report);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    let mut report = Report::default();
    let groups: [(&str, Measure); 7] = [
        ("single", single::bans),
        ("burst", single::burst),
        ("networks", single::networks),
        ("repair", load::repair),
        ("scan", scan::scans),
        ("restore", load::restores),
        ("idle", load::idle),
    ];
    for (name, measure) in groups {
        if is_wanted(name) {
            eprintln!("measuring: {name}");
            measure(&mut report);
        }
    }
    print!("{report}");
}
