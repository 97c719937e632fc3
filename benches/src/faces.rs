//! The pages in a real browser, with many bans: how soon the first one can be used, how soon an
//! event is on the screen.

use std::time::Duration;

use lab::{Daemon, Lab, Pages};

use crate::{figure::Report, load};

const BANS: u32 = 100_000;

/// A port that lets everybody in, so that its packets are shown and nobody is banned for them.
const CONFIGURATION: &str = "[ports]\nalways = [\"tcp/8080\"]\n";

/// What must not be exceeded, by the figure's name in `web-e2e/stories/figures.mjs`.
const LIMITS: [(&str, f64); 3] = [
    ("first page usable", 1_000.0),
    ("table of all bans sorted anew", 500.0),
    ("packet on the screen", 200.0),
];

/// Measures the pages with a hundred thousand bans in force.
pub(crate) fn pages(report: &mut Report) {
    let lab = Lab::new();
    let mut daemon = Daemon::prepare(lab.guarded(), CONFIGURATION);
    load::fill(&daemon, BANS);
    daemon.launch();
    daemon.wait_until_ready(Duration::from_secs(30));
    let mut pages = Pages::start(&lab, &daemon);
    let figures = pages.tell(&lab, &mut daemon, "figures", &[&BANS.to_string()]);
    for (name, limit) in LIMITS {
        let figure = figures.iter().find(|figure| figure.name == name);
        let value = figure.expect("the story tells it").value;
        report.limit(format!("{name}, {BANS} bans"), value, limit, "ms");
    }
}
