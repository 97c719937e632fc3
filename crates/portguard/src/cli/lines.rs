//! Lines of files for the commands that need no daemon, and the clock that they go by.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use crate::{
    clock,
    exit::{Failed, Turn},
};

/// The most of a line that is read, in bytes; what is behind is left out.
const LONGEST_LINE: usize = 64 << 10;

/// Sets the clock of offline commands: seconds since 1970.
const NOW: &str = "PORTGUARD_NOW";

/// Returns the present in seconds since 1970, or what the environment says it is.
pub(super) fn now() -> Result<i64, Failed> {
    let Some(text) = std::env::var_os(NOW) else {
        return Ok(i64::try_from(clock::now().as_millis() / 1_000).unwrap_or(i64::MAX));
    };
    let text = text.to_string_lossy();
    text.parse().map_err(|_| {
        Failed::new(Turn::Usage, format!("{NOW} is `{text}`, which is no number of seconds"))
    })
}

/// The lines of a file.
pub(super) struct Lines {
    path: PathBuf,
    from: Box<dyn BufRead>,
    bytes: Vec<u8>,
    cut: u64,
}

impl Lines {
    /// Opens a file, or standard input (`-`).
    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        if path == Path::new("-") {
            return Ok(Self::of(path, Box::new(io::stdin().lock())));
        }
        // Whoever opens a pipe or a device waits for others.
        let metadata = fs::metadata(path).map_err(|why| unreadable(path, &why))?;
        if !metadata.is_file() {
            return Err(unreadable(path, &"it is no file of lines"));
        }
        let file = File::open(path).map_err(|why| unreadable(path, &why))?;
        Ok(Self::of(path, Box::new(BufReader::with_capacity(256 << 10, file))))
    }

    fn of(path: &Path, from: Box<dyn BufRead>) -> Self {
        Self { path: path.to_owned(), from, bytes: Vec::new(), cut: 0 }
    }

    /// Returns the next line without its end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Failed> {
        let read = next_line(&mut self.from, &mut self.bytes);
        let Some(whole) = read.map_err(|why| unreadable(&self.path, &why))? else {
            return Ok(None);
        };
        self.cut += u64::from(whole == Whole::No);
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Returns how many lines were too long.
    pub(super) fn cut(&self) -> u64 {
        self.cut
    }
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Failed {
    Failed::new(Turn::Usage, format!("cannot read {}: {why}", path.display()))
}

/// Whether a line was read as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// Reads a line, or the beginning of one that is too long; `None` at the end.
fn next_line(from: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<Whole>> {
    line.clear();
    let mut whole = Whole::Yes;
    let mut any = false;
    loop {
        let chunk = from.fill_buf()?;
        if chunk.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            whole = Whole::No;
        }
        let length = part.len();
        from.consume(length);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_and_bytes_are_read() {
        let long = vec![b'x'; LONGEST_LINE + 5];
        let bytes = [b"a\r\n\0\xff\n\n".as_slice(), &long, b"\nlast"].concat();
        let mut from = bytes.as_slice();
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while let Some(whole) = next_line(&mut from, &mut line).unwrap() {
            lines.push((line.len(), whole));
        }
        let (yes, no) = (Whole::Yes, Whole::No);
        assert_eq!(lines, [(3, yes), (3, yes), (1, yes), (LONGEST_LINE, no), (4, yes)]);
    }
}
