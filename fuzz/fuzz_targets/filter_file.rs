//! Reads any text as a filter of fail2ban and, if it is one, any line by it. A reader may refuse a
//! filter; neither it nor its expressions may make the program stop or run for ever.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use portguard_read::{
    Reader,
    fail2ban::{self, Files},
};

/// The only file there is.
struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, path: &Path) -> Option<String> {
        (path == Path::new("/f/x.conf")).then(|| self.0.to_owned())
    }

    fn list(&self, _: &Path) -> Vec<PathBuf> {
        vec!["/f/x.conf".into()]
    }
}

fuzz_target!(|input: (String, String, Vec<u8>)| {
    let (text, options, line) = input;
    let Ok(reference) = format!("x[{options}]").parse() else { return };
    let Ok(filter) = fail2ban::load(&reference, &["/f".into()], &One(&text)) else { return };
    if filter.failregex.iter().chain(&filter.prefregex).any(|regex| regex.len() > 200) {
        return;
    }
    if let Ok(mut reader) = Reader::of_filter(&filter, jiff::tz::TimeZone::UTC) {
        reader.take(&line, None, 1_795_176_000);
    }
});
