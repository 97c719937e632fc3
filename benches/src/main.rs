//! Measures the whole program in a lab of its own: each figure stands beside its limit, or beside
//! a peer that is measured in the same run, with the ratio. Run by `cargo xtask bench`.
//!
//! Judges nothing: it prints, and a figure over its limit is marked.

mod api;
mod captures;
mod doors;
mod faces;
mod figure;
mod knock;
mod load;
mod logs;
mod open_scan;
mod peers;
mod record;
mod remote;
mod scan;
mod single;
mod strangers;
mod taps;
mod web;
mod worker;

use figure::Report;

/// Measures one group of figures.
type Measure = fn(&mut Report);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.first().is_some_and(|word| word == worker::WORKER) {
        return worker::run();
    }
    if wanted.first().is_some_and(|word| word == logs::READER) {
        return logs::read(&wanted[1..]);
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    let mut report = Report::default();
    let groups: [(&str, Measure); 27] = [
        ("single", single::bans),
        ("burst", single::burst),
        ("networks", single::networks),
        ("repair", load::repair),
        ("scan", scan::scans),
        ("open host", open_scan::scans),
        ("restore", load::restores),
        ("idle", load::idle),
        ("follow", doors::follow),
        ("churn", doors::churn),
        ("cost", doors::cost),
        ("watch", doors::watch),
        ("orders", doors::orders),
        ("remote", remote::control_file),
        ("record", record::packets),
        ("sshd", logs::sshd),
        ("filters", logs::filters),
        ("packets", logs::packets),
        ("latency", logs::latency),
        ("strangers", strangers::sources),
        ("captures", captures::captures),
        ("taps", taps::taps),
        ("knock opening", knock::opening),
        ("knock flood", knock::flood),
        ("web viewers", web::viewers),
        ("web page", web::first_page),
        ("web pages", faces::pages),
    ];
    for (name, measure) in groups {
        if is_wanted(name) {
            eprintln!("measuring: {name}");
            measure(&mut report);
        }
    }
    print!("{report}");
}
