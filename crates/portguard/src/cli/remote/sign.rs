//! `remote sign`: a file with serial and time, and its signature.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use portguard_reach::control::{self, Kind, LARGEST_FILE, Serial, Stamp};
use serde_json::json;

use crate::{
    clock,
    config::file,
    exit::{Failed, Turn, with_causes},
    replace::{Durability, replace},
};

use super::super::{Global, key, show};

/// Where the signature goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Into a file beside the text.
    Beside,
    /// To the end of the text.
    Inside,
}

/// Signs a file.
pub(super) fn sign(
    global: &Global,
    path: &Path,
    key: Option<PathBuf>,
    place: Place,
) -> Result<(), Failed> {
    let key_file = key.map_or_else(key::default_file, Ok)?;
    let fail = |error: io::Error| {
        Failed::new(Turn::Usage, format!("cannot read {}: {error}", path.display()))
    };
    let mut bytes = Vec::new();
    let source = fs::File::open(path).map_err(fail)?;
    source.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(fail)?;
    let (text, _) = control::split(&bytes);
    let stamp = next(text);
    let text = control::stamped(text, stamp);
    let reading = control::read(&text);
    for fault in &reading.faults {
        let line = fault.line;
        eprintln!("warning: line {line} will be left out: it {}", with_causes(&fault.why));
    }
    let key = key::secret(&key_file)?;
    let public = key.public();
    let signature = control::sign(&key, &text).map_err(|error| {
        Failed::new(Turn::Usage, format!("{}: {}", key_file.display(), with_causes(&error)))
    })?;
    let beside = with_suffix(path, Kind::of(&public).suffix());
    let whole = match place {
        Place::Beside => text,
        Place::Inside => [&text, signature.as_bytes()].concat(),
    };
    if u64::try_from(whole.len()).is_ok_and(|length| length > LARGEST_FILE) {
        let what = format!("{} is larger than {LARGEST_FILE} bytes", path.display());
        return Err(Failed::new(Turn::Usage, what));
    }
    write(path, &whole)?;
    let written = match place {
        Place::Beside => {
            write(&beside, signature.as_bytes())?;
            vec![path.display().to_string(), beside.display().to_string()]
        }
        Place::Inside => vec![path.display().to_string()],
    };
    if global.json {
        return show::json(&json!({
            "written": written,
            "serial": stamp.serial,
            "time": clock::rfc3339(stamp.time),
            "key": public.line(),
            "orders": reading.orders.len(),
        }));
    }
    let line = format!("serial {}, signed by {public}: {}\n", stamp.serial, written.join(", "));
    show::print(&line)
}

/// Returns a stamp of this moment that is newer than the one of the text.
fn next(text: &[u8]) -> Stamp {
    let time = clock::now();
    let seconds = u32::try_from(time.as_millis() / 1_000).unwrap_or(u32::MAX);
    let before = control::stamp_of(text).ok().flatten().map_or(0, |stamp| stamp.serial.get());
    let serial = seconds.max(before.saturating_add(1));
    Stamp { serial: Serial::new(serial).unwrap_or(Serial::MIN), time }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// Writes a file whole or not at all; a link leads to the file that is written.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    replace(&file::real(path), bytes, Durability::OnDisk).map_err(|error| {
        Failed::new(Turn::Usage, format!("cannot write {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stamp_is_newer_than_the_one_before() {
        let first = next(b"open ssh\n");
        assert!(u64::from(first.serial.get()) >= clock::now().as_millis() / 1_000 - 60);
        let text = control::stamped(b"open ssh\n", first);
        assert!(next(&text).serial > first.serial);
        let far = Stamp { serial: Serial::new(4_000_000_000).unwrap(), ..first };
        let second = next(&control::stamped(b"", far));
        assert_eq!(second.serial.get(), 4_000_000_001);
    }
}
