//! Follows log files: each line once and in order, through rotation by renaming, by copying and
//! emptying, and by a new file under the old name.
//!
//! A file that was there at first is read from its end, one that comes later from its beginning. A
//! file that is renamed or deleted is read on for as long as its writer may still hold it.

mod file;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    mem::MaybeUninit,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fd::OwnedFd,
    fs::inotify::{self, CreateFlags, Reader, WatchFlags},
    io::Errno,
};

pub use self::file::LONGEST_LINE;
use self::file::{Followed, Id};

/// Most files that are followed at a time; those whose names come first.
const MOST_FILES: usize = 1_024;

/// How often the files are looked for without any sign of change: a folder that did not exist
/// tells of nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a file that lost its name is read on after its last line.
const READ_ON: Duration = Duration::from_secs(60);

/// Most files beside the followed ones that are remembered as known.
const MOST_KNOWN: usize = 8_192;

/// Ends of names that compressed files have.
const COMPRESSED: [&str; 5] = ["gz", "xz", "bz2", "zst", "lz4"];

/// Follows the files that a list of paths and wildcards names.
#[derive(Debug)]
pub struct Tail {
    patterns: Vec<String>,
    events: OwnedFd,
    folders: BTreeMap<i32, PathBuf>,
    files: BTreeMap<Id, Followed>,
    /// Those that may have something to read.
    fresh: BTreeSet<Id>,
    /// Files that need not be read any more, or never: rotated before the tail began.
    known: BTreeSet<Id>,
    looked: Option<Instant>,
    troubles: BTreeMap<PathBuf, String>,
}

/// How far a file was read: enough to go on after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Where it was.
    pub path: PathBuf,
    /// Its device.
    pub device: u64,
    /// Its number on that device.
    pub inode: u64,
    /// Behind the last whole line, in bytes.
    pub offset: u64,
    /// Its beginning: an inode may have been given to another file meanwhile.
    pub head: Vec<u8>,
}

impl Tail {
    /// Begins to follow; a wildcard (`*`, `?`, `[a-z]`) may stand in any part of a path. A file with
    /// a position is read on from there, though it was renamed once meanwhile; what then stands under
    /// its name is read from its beginning.
    ///
    /// # Errors
    /// When the kernel gives no notices.
    pub fn open(patterns: &[String], positions: &[Position]) -> io::Result<Self> {
        let mut tail = Self {
            patterns: patterns.to_vec(),
            events: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            folders: BTreeMap::new(),
            files: BTreeMap::new(),
            fresh: BTreeSet::new(),
            known: BTreeSet::new(),
            looked: None,
            troubles: BTreeMap::new(),
        };
        tail.look();
        tail.go_on(positions);
        Ok(tail)
    }

    /// Returns how far each file was read.
    pub fn positions(&self) -> Vec<Position> {
        let position = |((device, inode), file): (&Id, &Followed)| Position {
            path: file.path.clone(),
            device: *device,
            inode: *inode,
            offset: file.whole(),
            head: file.head().to_vec(),
        };
        self.files.iter().map(position).collect()
    }

    /// Goes on where an earlier tail stopped.
    fn go_on(&mut self, positions: &[Position]) {
        let now = Instant::now();
        let known: BTreeSet<Id> =
            positions.iter().map(|position| (position.device, position.inode)).collect();
        for position in positions {
            let id = (position.device, position.inode);
            if let Some(file) = self.files.get_mut(&id) {
                file.go_on_at(position.offset, &position.head);
                continue;
            }
            // It was rotated, or the name stands for another file now.
            let mut others = rotated(&position.path);
            if let Some(at) = others.iter().position(|(_, other, _)| *other == id) {
                let (path, id, opened) = others.swap_remove(at);
                if let Ok(mut file) = Followed::new(opened, path, None, false) {
                    file.go_on_at(position.offset, &position.head);
                    file.nameless = Some(now);
                    self.files.insert(id, file);
                }
            }
            let is_there = |(id, file): &(&Id, &mut Followed)| {
                file.path == position.path && file.nameless.is_none() && !known.contains(*id)
            };
            if let Some((_, file)) = self.files.iter_mut().find(is_there) {
                file.begin();
            }
        }
        self.fresh.extend(self.files.keys());
    }

    /// Waits until a file may have something to read, or the limit is over; then gives each whole
    /// line to `take`, without its end, with the path of its file.
    ///
    /// # Errors
    /// When the kernel gives no notices any more.
    pub fn wait(&mut self, limit: Duration, take: &mut dyn FnMut(&Path, &[u8])) -> io::Result<()> {
        let limit = if self.fresh.is_empty() { limit.min(LOOK_EVERY) } else { Duration::ZERO };
        let names_changed = self.notices(limit)?;
        if names_changed || self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.look();
        }
        let mut fresh: Vec<Id> = std::mem::take(&mut self.fresh).into_iter().collect();
        // What lost its name was written first, and what was written before was rotated before.
        fresh.sort_by_cached_key(|id| {
            self.files.get(id).map(|file| (file.nameless.is_none(), file.modified()))
        });
        for id in fresh {
            let Some(file) = self.files.get_mut(&id) else { continue };
            match file.read(take) {
                Ok(true) => drop(self.fresh.insert(id)),
                Ok(false) => {}
                Err(error) => drop(self.troubles.insert(file.path.clone(), error.to_string())),
            }
        }
        self.leave_old(take);
        Ok(())
    }

    /// Returns what can not be followed, and why.
    pub fn troubles(&self) -> &BTreeMap<PathBuf, String> {
        &self.troubles
    }

    /// Returns how many files are followed.
    pub fn followed(&self) -> usize {
        self.files.values().filter(|file| file.nameless.is_none()).count()
    }

    /// Returns how many lines were longer than [`LONGEST_LINE`] and are cut.
    pub fn cut(&self) -> u64 {
        self.files.values().map(|file| file.cut).sum()
    }

    /// Takes in what the kernel noticed; returns whether names came or went.
    fn notices(&mut self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 5, tv_nsec: 0 });
        let mut waited_for = [PollFd::new(&self.events, PollFlags::IN)];
        match rustix::event::poll(&mut waited_for, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut room = [MaybeUninit::uninit(); 8_192];
        let mut reader = Reader::new(&self.events, &mut room);
        let mut names_changed = false;
        while let Ok(event) = reader.next() {
            if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                self.fresh.extend(self.files.keys());
                names_changed = true;
            }
            let watch = event.wd();
            names_changed |= self.folders.contains_key(&watch);
            let files = self.files.iter().filter(|(_, file)| file.watch == Some(watch));
            self.fresh.extend(files.map(|(id, _)| *id));
        }
        Ok(names_changed)
    }

    /// Looks which files there are.
    fn look(&mut self) {
        let is_first = self.looked.is_none();
        self.looked = Some(Instant::now());
        self.troubles.clear();
        self.watch_folders();
        let (mut named, mut came) = (BTreeSet::new(), BTreeSet::new());
        for path in self.paths() {
            match file::open(&path) {
                Err(why) => drop(self.troubles.insert(path, why)),
                Ok((id, _)) if named.len() >= MOST_FILES && !named.contains(&id) => {
                    let why = format!("more than {MOST_FILES} files are named");
                    self.troubles.insert(path, why);
                }
                Ok((id, opened)) => {
                    named.insert(id);
                    if let Some(file) = self.files.get_mut(&id) {
                        file.path = path;
                        file.nameless = None;
                        continue;
                    }
                    let watch = inotify::add_watch(&self.events, &path, WatchFlags::MODIFY).ok();
                    match Followed::new(opened, path.clone(), watch, is_first) {
                        Ok(file) => {
                            self.files.insert(id, file);
                            came.insert(path);
                        }
                        Err(error) => drop(self.troubles.insert(path, error.to_string())),
                    }
                }
            }
        }
        if is_first {
            self.known =
                self.folders.values().flat_map(|folder| ids_in(folder)).take(MOST_KNOWN).collect();
        }
        self.let_go_of_names(&named, came);
        self.fresh.extend(self.files.keys());
    }

    /// Marks the files that lost their names. A file that came and was rotated away in between is
    /// found beside those that came or went.
    fn let_go_of_names(&mut self, named: &BTreeSet<Id>, came: BTreeSet<PathBuf>) {
        let now = Instant::now();
        let mut changed = came;
        for (id, file) in &mut self.files {
            if !named.contains(id) && file.nameless.is_none() {
                file.nameless = Some(now);
                changed.insert(file.path.clone());
            }
        }
        for (path, id, opened) in changed.iter().flat_map(|path| rotated(path)) {
            let is_new = !self.known.contains(&id) && !self.files.contains_key(&id);
            if is_new && let Ok(mut file) = Followed::new(opened, path, None, false) {
                file.nameless = Some(now);
                self.files.insert(id, file);
            }
        }
    }

    /// Returns the paths that the patterns name now; one without a wildcard in any case.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = BTreeSet::new();
        for pattern in &self.patterns {
            if has_wildcard(pattern) {
                let found = glob::glob(pattern).into_iter().flatten().flatten();
                paths.extend(found.filter(|path| path.is_file()));
            } else {
                paths.insert(PathBuf::from(pattern));
            }
        }
        paths.into_iter().collect()
    }

    /// Watches the folders that files may come to: those above a wildcard, and those of files.
    fn watch_folders(&mut self) {
        let fixed = self.patterns.iter().map(|pattern| folder_of(pattern));
        let paths = self.paths();
        let found = paths.iter().filter_map(|path| path.parent()).map(Path::to_path_buf);
        let wanted: BTreeSet<PathBuf> = fixed.chain(found).collect();
        let changes = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::ONLYDIR;
        // Watching a folder again gives the same number.
        for folder in wanted {
            if let Ok(watch) = inotify::add_watch(&self.events, &folder, changes) {
                self.folders.insert(watch, folder);
            }
        }
    }

    /// Leaves files that lost their names once nothing comes any more; their last line may lack
    /// its end.
    fn leave_old(&mut self, take: &mut dyn FnMut(&Path, &[u8])) {
        let is_over =
            |file: &Followed| file.nameless.is_some_and(|since| since.elapsed() >= READ_ON);
        let old: Vec<Id> =
            self.files.iter().filter(|(_, file)| is_over(file)).map(|(id, _)| *id).collect();
        for id in old {
            if let Some(mut file) = self.files.remove(&id) {
                file.finish(take);
                if self.known.len() >= MOST_KNOWN {
                    self.known.pop_first();
                }
                self.known.insert(id);
                if let Some(watch) = file.watch {
                    // A deleted file took its watch along.
                    let _ = inotify::remove_watch(&self.events, watch);
                }
            }
        }
    }
}

/// Returns the files of a folder.
fn ids_in(folder: &Path) -> impl Iterator<Item = Id> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| (file.dev(), file.ino()))
}

/// Returns the files that a file may have been rotated to: those whose names begin with its name.
fn rotated(path: &Path) -> Vec<(PathBuf, Id, File)> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let entries = fs::read_dir(path.parent().unwrap_or(Path::new("/"))).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let is_rotated = |other: &PathBuf| {
        let other_name = other.file_name().unwrap_or_default().as_encoded_bytes();
        let end = other.extension().unwrap_or_default();
        other_name.len() > name.len()
            && other_name.starts_with(name)
            && !COMPRESSED.iter().any(|compressed| end == *compressed)
    };
    let files = paths.filter(is_rotated).take(MOST_FILES);
    files
        .filter_map(|path| {
            let (id, file) = file::open(&path).ok()?;
            Some((path, id, file))
        })
        .collect()
}

fn has_wildcard(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Returns the folder above the first part with a wildcard, or that of the file.
fn folder_of(pattern: &str) -> PathBuf {
    let fixed: PathBuf = Path::new(pattern)
        .iter()
        .take_while(|part| !has_wildcard(&part.to_string_lossy()))
        .collect();
    if has_wildcard(pattern) { fixed } else { fixed.parent().unwrap_or(Path::new("/")).to_owned() }
}
