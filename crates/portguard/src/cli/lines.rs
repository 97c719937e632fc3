//! Lines of files for the commands that need no daemon, and the clock that they go by.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufRead, BufReader, IsTerminal as _, Read},
    path::{Path, PathBuf},
};

use portguard_core::Timestamp;
use portguard_tui::size;

use crate::{
    clock,
    exit::{Failed, Turn},
};

use super::Global;

/// The most of a line that is read, in bytes; what is behind is left out.
const LONGEST_LINE: usize = 64 << 10;

/// How often progress is shown, in lines or packets.
const PROGRESS_EVERY: u64 = 1 << 16;

/// The same in bytes, where there are few and large ones.
const PROGRESS_EVERY_BYTES: u64 = 64 << 20;

/// Clears a terminal's line from the cursor on (ECMA-48, EL): what was told before may be longer.
const TO_THE_END: &str = "\x1b[K";

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

/// The same as a moment.
pub(super) fn moment() -> Result<Timestamp, Failed> {
    Ok(Timestamp::from_secs(u64::try_from(now()?).unwrap_or(0)))
}

/// How many lines or packets were read so far, on a terminal that wants to be told.
#[derive(Default)]
pub(super) struct Progress {
    is_shown: bool,
    told: u64,
    told_bytes: u64,
}

/// How far a file was read, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) read: u64,
    /// Of how many; `None` where nobody knows before the end.
    pub(super) of: Option<u64>,
}

impl Progress {
    pub(super) fn new(global: &Global) -> Self {
        Self { is_shown: !global.quiet && io::stderr().is_terminal(), ..Self::default() }
    }

    /// Shows a number of them, unless that is hardly more than what is shown.
    pub(super) fn show(&mut self, lines: u64) {
        if self.is_shown && lines >= self.told + PROGRESS_EVERY {
            self.told = lines;
            eprint!("\r{lines} read{TO_THE_END}");
        }
    }

    /// Shows a number of packets, and how much of the file that is.
    pub(super) fn show_part(&mut self, packets: u64, part: Part) {
        // Another file begins anew.
        let behind = part.read.checked_sub(self.told_bytes).unwrap_or(PROGRESS_EVERY_BYTES);
        let is_due = packets >= self.told + PROGRESS_EVERY || behind >= PROGRESS_EVERY_BYTES;
        if self.is_shown && is_due {
            (self.told, self.told_bytes) = (packets, part.read);
            eprint!("\r{packets} packets read, {part}{TO_THE_END}");
        }
    }

    /// Makes room for what is told then.
    pub(super) fn end(self) {
        if self.told > 0 {
            eprint!("\r{TO_THE_END}");
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(of) => {
                let percent = u128::from(self.read) * 100 / u128::from(of.max(1));
                write!(out, "{percent} % of {}", size(of))
            }
            None => write!(out, "{}", size(self.read)),
        }
    }
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
        Ok(Self::of(path, Box::new(BufReader::with_capacity(256 << 10, file(path)?))))
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

/// Whole lines of a file, many at a time.
pub(super) struct Blocks {
    path: PathBuf,
    from: Box<dyn Read + Send>,
    /// What was read and not handed over: the beginning of a line.
    rest: Vec<u8>,
    /// The rest of this line is left out.
    skips: bool,
    cut: u64,
}

impl Blocks {
    /// Opens a file, or standard input (`-`).
    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        let from: Box<dyn Read + Send> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(file(path)?) };
        Ok(Self { path: path.to_owned(), from, rest: Vec::new(), skips: false, cut: 0 })
    }

    /// Puts whole lines into `block`, about so many bytes; leaves it empty at the end. A line that
    /// is too long is cut.
    pub(super) fn fill(&mut self, block: &mut Vec<u8>, size: usize) -> Result<(), Failed> {
        block.clear();
        loop {
            block.append(&mut self.rest);
            let before = block.len();
            let mut part = self.from.by_ref().take(size as u64);
            let read = part.read_to_end(block).map_err(|why| unreadable(&self.path, &why))?;
            if self.skips {
                self.skip(block, before);
            }
            let is_over = read < size;
            let end = memchr::memrchr(b'\n', block).map_or(0, |end| end + 1);
            if !is_over {
                self.rest.extend_from_slice(&block[end..]);
                block.truncate(end);
            }
            self.cut_beginning();
            self.cut_lines(block);
            if is_over || !block.is_empty() {
                return Ok(());
            }
        }
    }

    /// Returns how many lines were too long.
    pub(super) fn cut(&self) -> u64 {
        self.cut
    }

    /// Leaves out the rest of a line that was too long.
    fn skip(&mut self, block: &mut Vec<u8>, from: usize) {
        let end = memchr::memchr(b'\n', &block[from..]);
        self.skips = end.is_none();
        let end = end.map_or(block.len(), |end| from + end);
        block.drain(from..end);
    }

    /// Cuts a line that is too long already, before it ends.
    fn cut_beginning(&mut self) {
        if self.rest.len() > LONGEST_LINE {
            self.rest.truncate(LONGEST_LINE);
            self.cut += 1;
            self.skips = true;
        }
    }

    fn cut_lines(&mut self, block: &mut Vec<u8>) {
        let mut start = 0;
        while block.len() - start > LONGEST_LINE {
            let reach = start + LONGEST_LINE + 1;
            if let Some(end) = memchr::memrchr(b'\n', &block[start..reach]) {
                start += end + 1;
                continue;
            }
            let end = memchr::memchr(b'\n', &block[reach..]).map_or(block.len(), |end| reach + end);
            block.drain(start + LONGEST_LINE..end);
            self.cut += 1;
            start += LONGEST_LINE + 1;
            start = start.min(block.len());
        }
    }
}

fn file(path: &Path) -> Result<File, Failed> {
    // Whoever opens a pipe or a device waits for others.
    let metadata = fs::metadata(path).map_err(|why| unreadable(path, &why))?;
    if !metadata.is_file() {
        return Err(unreadable(path, &"it is no file of lines"));
    }
    File::open(path).map_err(|why| unreadable(path, &why))
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
        let end = memchr::memchr(b'\n', chunk).map(|at| at + 1);
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
    fn blocks_are_whole_lines_and_long_ones_are_cut() {
        let long = vec![b'x'; LONGEST_LINE + 5];
        let very_long = vec![b'y'; 3 * LONGEST_LINE];
        let text = [b"a\nbc\n".as_slice(), &long, b"\n", &very_long, b"\nlast"].concat();
        let cut = [b"a\nbc\n".as_slice(), &long[..LONGEST_LINE], b"\n", &very_long[..LONGEST_LINE]];
        let cut = [cut.concat().as_slice(), b"\nlast"].concat();
        for size in [7_000, LONGEST_LINE, 1 << 20] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), &text).unwrap();
            let mut blocks = Blocks::open(file.path()).unwrap();
            let (mut block, mut all) = (Vec::new(), Vec::new());
            loop {
                blocks.fill(&mut block, size).unwrap();
                if block.is_empty() {
                    break;
                }
                assert!(block.ends_with(b"\n") || block.ends_with(b"last"));
                all.extend_from_slice(&block);
            }
            assert_eq!((all == cut, blocks.cut()), (true, 2), "{size}");
        }
    }

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
