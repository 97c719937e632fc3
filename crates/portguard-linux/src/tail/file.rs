//! One followed file: where it was read to, and its line that has no end yet.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use rustix::{
    fd::AsRawFd as _,
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
};

/// The longest line, in bytes; what is behind is left out.
pub const LONGEST_LINE: usize = 64 << 10;

/// How much is read of one file before the others have their turn.
const AT_ONCE: usize = 256 << 10;

/// How much of a file's beginning tells whether it was written anew.
const HEAD: usize = 256;

/// A file, whatever its name: device and inode.
pub(super) type Id = (u64, u64);

/// A file that is read as it grows.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) path: PathBuf,
    pub(super) watch: Option<i32>,
    /// Since when no name leads to it.
    pub(super) nameless: Option<Instant>,
    /// How many lines were too long.
    pub(super) cut: u64,
    file: File,
    offset: u64,
    head: Vec<u8>,
    rest: Vec<u8>,
    /// How many bytes were read of the line that has no end yet.
    pending: u64,
    /// The rest of a line that was too long is passed over.
    is_passing: bool,
}

/// Opens a file of lines; says what else it is.
pub(super) fn open(path: &Path) -> Result<(Id, File), String> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let real = path.canonicalize().map_err(|error| error.to_string())?;
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    if !real.starts_with(&folder) {
        return Err(format!("it leads out of its folder, to {}", real.display()));
    }
    let told = |errno| io::Error::from(errno).to_string();
    // To open a device or a pipe may do something already: what it is is asked of its place.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(CWD, &real, flags, Mode::empty()).map_err(told)?;
    let found = fstat(&place).map_err(told)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err("it is no file of lines".to_owned());
    }
    // Whatever is under the name meanwhile, this is that same file (proc(5), `/proc/pid/fd`).
    let same = format!("/proc/self/fd/{}", place.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, &same, flags, Mode::empty()).map_err(told)?);
    Ok(((found.st_dev, found.st_ino), file))
}

impl Followed {
    /// Follows a file from its end, or from its beginning.
    pub(super) fn new(
        file: File,
        path: PathBuf,
        watch: Option<i32>,
        from_end: bool,
    ) -> io::Result<Self> {
        let offset = if from_end { file.metadata()?.len() } else { 0 };
        let mut followed = Self {
            path,
            watch,
            nameless: None,
            cut: 0,
            file,
            offset,
            head: Vec::new(),
            rest: Vec::new(),
            pending: 0,
            is_passing: false,
        };
        followed.learn_head()?;
        Ok(followed)
    }

    /// Gives the lines that are there, and returns whether there may be more.
    pub(super) fn read(&mut self, take: &mut dyn FnMut(&Path, &[u8])) -> io::Result<bool> {
        if self.was_written_anew()? {
            self.begin();
        }
        let mut bytes = vec![0; AT_ONCE];
        let length = self.file.read_at(&mut bytes, self.offset)?;
        if length == 0 {
            return Ok(false);
        }
        self.offset += length as u64;
        if let Some(since) = &mut self.nameless {
            *since = Instant::now();
        }
        self.split(&bytes[..length], take);
        if self.head.len() < HEAD {
            self.learn_head()?;
        }
        Ok(length == AT_ONCE)
    }

    /// Reads on from a place, unless the file begins otherwise than it did then.
    pub(super) fn go_on_at(&mut self, offset: u64, head: &[u8]) {
        self.begin();
        let mut ours = [0; HEAD];
        let length = head.len().min(HEAD);
        let is_same =
            self.file.read_exact_at(&mut ours[..length], 0).is_ok() && ours[..length] == *head;
        if is_same {
            self.offset = offset;
            head.clone_into(&mut self.head);
        }
    }

    /// Reads from the beginning.
    pub(super) fn begin(&mut self) {
        self.offset = 0;
        self.rest.clear();
        self.pending = 0;
        self.is_passing = false;
        self.head.clear();
    }

    /// Returns where the last whole line ends.
    pub(super) fn whole(&self) -> u64 {
        // Of a line that is passed over, the beginning is read again, and it is cut again.
        self.offset - self.pending
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns when it was written last.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.file.metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// Gives the last line, which has no end.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(&Path, &[u8])) {
        if !self.rest.is_empty() {
            take(&self.path, &self.rest);
            self.rest.clear();
        }
    }

    fn split(&mut self, bytes: &[u8], take: &mut dyn FnMut(&Path, &[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            if !self.is_passing {
                let room = LONGEST_LINE - self.rest.len();
                self.rest.extend_from_slice(&text[..text.len().min(room)]);
                if text.len() > room {
                    self.cut += 1;
                    self.is_passing = true;
                }
            }
            self.pending += part.len() as u64;
            if is_whole {
                self.pending = 0;
                take(&self.path, self.rest.strip_suffix(b"\r").unwrap_or(&self.rest));
                self.rest.clear();
                self.is_passing = false;
            }
        }
    }

    /// Returns whether the file is shorter than it was, or begins otherwise.
    fn was_written_anew(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.offset {
            return Ok(true);
        }
        let mut head = [0; HEAD];
        let length = self.file.read_at(&mut head[..self.head.len()], 0)?;
        Ok(head[..length] != self.head)
    }

    fn learn_head(&mut self) -> io::Result<()> {
        let mut head = [0; HEAD];
        let known = usize::try_from(self.offset).unwrap_or(HEAD).min(HEAD);
        let length = self.file.read_at(&mut head[..known], 0)?;
        self.head = head[..length].to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn followed() -> Followed {
        let file = File::open("/dev/null").unwrap();
        Followed::new(file, PathBuf::from("x"), None, false).unwrap()
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_lines_of_the_whole(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..300),
            size in 1..40_usize,
        ) {
            let mut found: Vec<Vec<u8>> = Vec::new();
            let mut file = followed();
            for piece in bytes.chunks(size) {
                file.split(piece, &mut |_, line| found.push(line.to_vec()));
            }
            let mut expected: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
            expected.pop();
            let expected: Vec<_> =
                expected.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_counted() {
        let mut file = followed();
        let mut lengths = Vec::new();
        let mut take = |_: &Path, line: &[u8]| lengths.push(line.len());
        for _ in 0..200 {
            file.split(&[b'x'; 1 << 10], &mut take);
        }
        file.split(b"\nnext\n", &mut take);
        assert_eq!((lengths, file.cut), (vec![LONGEST_LINE, 4], 1));
    }
}
