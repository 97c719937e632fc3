//! Watches which sockets listen in this network namespace, and finds out whose they are.
//!
//! The kernel tells of no new listener, so it is asked. A full answer costs about 0.3 us for each
//! socket; whether anything can have changed at all is told by the socket counts in `/proc/net`,
//! which cost a microsecond. Runs on a thread of its own and decides nothing.

mod owner;
mod scan;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use portguard_core::{Listener, Owner};

use self::{
    owner::Owners,
    scan::{Scan, Socket},
};

pub(crate) use self::owner::process;

/// How often the socket counts are looked at while a port waits for it ...
const LOOK_EVERY: Duration = Duration::from_millis(80);

/// ... and while it is for showing only.
const LOOK_SELDOM: Duration = Duration::from_millis(300);

/// How often it is asked at least: a socket that opens as another closes leaves the counts alone.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Most listeners that are told of; those with the lowest ports.
const MOST_LISTENERS: usize = 4_096;

/// How often the owner of a new socket is looked for; a socket of the kernel's own has none.
const OWNER_TRIES: u8 = 3;

/// How many sockets are in use, for each protocol and family in the order of `/proc/net`.
type Counts = [u32; 16];

/// Watches listeners.
#[derive(Debug)]
pub struct Watcher {
    scan: Scan,
    counts: [File; 2],
    known: BTreeMap<u64, Known>,
    last_counts: Counts,
    asked: Option<Instant>,
    omitted: usize,
}

/// A socket that was seen, with its owner as far as it was found.
#[derive(Debug)]
struct Known {
    listener: Listener,
    inode: u32,
    tries_left: u8,
}

impl Watcher {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the kernel gives no such socket, or `/proc` is not there.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            scan: Scan::open()?,
            counts: [
                File::open("/proc/thread-self/net/sockstat")?,
                File::open("/proc/thread-self/net/sockstat6")?,
            ],
            known: BTreeMap::new(),
            last_counts: Counts::default(),
            asked: None,
            omitted: 0,
        })
    }

    /// Waits until the listeners have changed and returns all of them; `None` if they have not
    /// within `limit`. The first call answers at once.
    ///
    /// A change is seen within 100 ms while `is_urgent` says so, otherwise within half a second.
    ///
    /// # Errors
    /// When the kernel can not be asked any more.
    pub fn wait(
        &mut self,
        limit: Duration,
        is_urgent: &AtomicBool,
    ) -> io::Result<Option<Vec<Listener>>> {
        let deadline = Instant::now() + limit;
        loop {
            let is_first = self.asked.is_none();
            if self.is_due()? && (self.ask()? || is_first) {
                return Ok(Some(self.listeners()));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            let pause = if is_urgent.load(Ordering::Relaxed) { LOOK_EVERY } else { LOOK_SELDOM };
            thread::sleep(pause);
        }
    }

    /// Returns how many listeners are not told of, being too many.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Returns whether the kernel is to be asked now.
    fn is_due(&self) -> io::Result<bool> {
        let Some(asked) = self.asked.map(|asked| asked.elapsed()) else { return Ok(true) };
        Ok(asked >= ASK_WITHIN || self.counts()? != self.last_counts)
    }

    /// Reads how many sockets there are of each kind.
    fn counts(&self) -> io::Result<Counts> {
        let mut counts = Counts::default();
        let mut rest = counts.iter_mut();
        let mut text = [0; 1_024];
        for file in &self.counts {
            let length = file.read_at(&mut text, 0)?;
            in_use(&text[..length]).zip(&mut rest).for_each(|(count, place)| *place = count);
        }
        Ok(counts)
    }

    /// Asks the kernel, and returns whether anything is new or gone.
    fn ask(&mut self) -> io::Result<bool> {
        // The counts of before, so that a change while the kernel answers is not missed.
        self.last_counts = self.counts()?;
        self.asked = Some(Instant::now());
        let mut found = self.scan.listeners()?;
        found.sort_unstable_by_key(|socket| (socket.port, socket.cookie));
        self.omitted = found.len().saturating_sub(MOST_LISTENERS);
        found.truncate(MOST_LISTENERS);
        let before = self.known.len();
        let present: std::collections::BTreeSet<u64> =
            found.iter().map(|socket| socket.cookie).collect();
        self.known.retain(|cookie, _| present.contains(cookie));
        let mut is_news = self.known.len() != before;
        for socket in found {
            if let Entry::Vacant(vacant) = self.known.entry(socket.cookie) {
                is_news = true;
                vacant.insert(Known::new(&socket));
            }
        }
        Ok(self.find_owners() || is_news)
    }

    /// Looks for the owners that are not known yet, and returns whether one was found.
    fn find_owners(&mut self) -> bool {
        let ownerless = |known: &&mut Known| known.tries_left > 0;
        let mut wanting: Vec<&mut Known> = self.known.values_mut().filter(ownerless).collect();
        if wanting.is_empty() {
            return false;
        }
        let owners = Owners::of(wanting.iter().map(|known| known.inode));
        let mut is_news = false;
        for known in &mut wanting {
            known.tries_left -= 1;
            if let Some(owner) = owners.get(known.inode, &known.listener.owner) {
                known.listener.owner = owner;
                known.tries_left = 0;
                is_news = true;
            }
        }
        is_news
    }

    fn listeners(&self) -> Vec<Listener> {
        self.known.values().map(|known| known.listener.clone()).collect()
    }
}

/// Returns the counts of a text like `TCP: inuse 5 orphan 0 tw 0 alloc 6 mem 0`. What follows the
/// first number changes with every packet that waits.
fn in_use(text: &[u8]) -> impl Iterator<Item = u32> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ').skip(1);
        let count = words.next().filter(|word| *word == b"inuse").and(words.next())?;
        str::from_utf8(count).ok()?.parse().ok()
    })
}

/// Returns the owners of sockets by their inode numbers; those that can not be told are left out.
pub(crate) fn owners_of(inodes: impl Iterator<Item = u64>) -> BTreeMap<u64, Owner> {
    let inodes: Vec<u32> = inodes.filter_map(|inode| u32::try_from(inode).ok()).collect();
    let owners = Owners::of(inodes.iter().copied());
    let known = |inode: u32| Some((u64::from(inode), owners.with_own_user(inode)?));
    inodes.into_iter().filter_map(known).collect()
}

impl Known {
    fn new(socket: &Socket) -> Self {
        let listener = Listener {
            port: socket.port,
            address: socket.address.to_canonical(),
            v6_only: socket.v6_only,
            socket: socket.cookie,
            owner: owner::unnamed(socket.user),
        };
        Self { listener, inode: socket.inode, tries_left: OWNER_TRIES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_sockets_in_use() {
        let text =
            b"sockets: used 290\nTCP: inuse 5 orphan 0 tw 7 alloc 6 mem 1\nUDP: inuse 2 mem 0\n\
                     UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";
        assert_eq!(in_use(text).collect::<Vec<_>>(), [5, 2, 0, 0, 0]);
        assert_eq!(in_use(b"TCP: inuse many\nTCP:\n\n").count(), 0);
    }
}
