//! The dashboard with a part that breaks, to see that the terminal survives it.
//!
//! `portguard-broken-top asks|orders`: which part.

use portguard_tui::{Colours, Daemon, Look, Unanswered};

/// A way to no daemon, which breaks.
struct Broken {
    breaks: bool,
}

impl Daemon for Broken {
    fn ask(&mut self, _: &str) -> Result<Vec<u8>, Unanswered> {
        assert!(!self.breaks, "the asking part broke");
        Err(Unanswered::Away("nobody is there".to_owned(), None))
    }

    fn order(&mut self, _: &str, _: Vec<u8>) -> Result<Vec<u8>, Unanswered> {
        assert!(!self.breaks, "the ordering part broke");
        Err(Unanswered::Away("nobody is there".to_owned(), None))
    }
}

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    let (asks, orders) = (Broken { breaks: part == "asks" }, Broken { breaks: part == "orders" });
    let look = Look::of_environment(Colours::Terminal, |name| std::env::var(name).ok());
    if let Err(why) = portguard_tui::run(asks, orders, look) {
        eprintln!("error: {why}");
    }
}
