//! A log of packets, read on several threads: each line is read by one of them, and each source is
//! counted by one of them, in the order of the lines, so that more threads find the same.

mod hands;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::LazyLock,
    time::Duration,
};

use jiff::tz::TimeZone;
use memchr::memmem::{self, FinderRev};
use portguard_core::{Times, Timestamp, Window};
use portguard_read::{
    netfilter::{LoggedPacket, read_line},
    stamp::Stamps,
};

use crate::{
    cli::{
        PacketType,
        lines::{self, Blocks, Progress},
    },
    exit::Failed,
};

/// How much a thread reads at a time, in bytes: what stays in its core's cache.
const BLOCK: usize = 256 << 10;

/// How many sources are looked up at a time: memory answers so many questions together (measured:
/// 8 gain most of it, 64 no more).
const TOGETHER: usize = 16;

/// Most sources whose hits are added up; those beyond are found all the same, without their totals.
const MOST_SOURCES: usize = 1_000_000;

/// What the classic prefixes have before their word (`IPTABLES-BLOCKED:`, `IP6TABLES-ALLOWED:`).
const TABLES_DASH: &[u8] = b"TABLES-";
static TABLES: LazyLock<FinderRev<'_>> = LazyLock::new(|| FinderRev::new(TABLES_DASH));

/// Which packets count, and how many of them are too many.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// In capitals.
    pub(super) rule: String,
    pub(super) kind: PacketType,
    pub(super) howmany: u32,
    pub(super) within: Duration,
}

/// What is known of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hits {
    pub(super) count: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) is_over: bool,
}

/// What a scan found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) lines: u64,
    pub(super) matched: u64,
    pub(super) undated: u64,
    pub(super) cut: u64,
    pub(super) sources: usize,
    /// Who was logged too often, most often first.
    pub(super) over: Vec<(IpAddr, Hits)>,
}

/// A packet that counts: its source, and when it came.
type Hit = (IpAddr, i64);

/// One thread's reading: a part of the lines.
struct Reading<'w> {
    wanted: &'w Wanted,
    stamps: Stamps,
    now: i64,
    block: Vec<u8>,
    /// The hits of the block, for each counting.
    hits: Vec<Vec<Hit>>,
    found: Found,
}

/// One thread's counting: a part of the sources.
pub(super) struct Counting {
    howmany: usize,
    within: Duration,
    most: usize,
    /// By their addresses, those of IPv4 as IPv6 has them.
    sources: HashMap<u128, (Hits, Times), foldhash::fast::RandomState>,
    /// For those beyond the most.
    others: Window,
}

/// Scans a log, or standard input (`-`), on so many threads.
pub(super) fn scan(
    path: &std::path::Path,
    wanted: &Wanted,
    threads: usize,
    progress: &mut Progress,
) -> Result<Found, Failed> {
    let mut blocks = Blocks::open(path)?;
    let now = lines::now()?;
    let mut readings: Vec<_> = (0..threads).map(|_| Reading::new(wanted, now, threads)).collect();
    let mut countings: Vec<_> =
        (0..threads).map(|_| Counting::new(wanted, MOST_SOURCES / threads)).collect();
    match (&mut readings[..], &mut countings[..]) {
        ([reading], [counting]) => read_alone(&mut blocks, reading, counting, progress)?,
        (all, countings) => hands::read_all(&mut blocks, all, countings, progress)?,
    }
    let mut all = Found { cut: blocks.cut(), ..Found::default() };
    for reading in &readings {
        all.lines += reading.found.lines;
        all.matched += reading.found.matched;
        all.undated += reading.found.undated;
    }
    all.sources = countings.iter().map(|counting| counting.sources.len()).sum();
    all.over = over(countings.iter());
    Ok(all)
}

/// Returns who was logged too often, most often first.
pub(super) fn over<'c>(countings: impl Iterator<Item = &'c Counting>) -> Vec<(IpAddr, Hits)> {
    let all = countings.flat_map(|counting| &counting.sources);
    let over = all.filter(|(_, (hits, _))| hits.is_over);
    let source = |bits: u128| IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical();
    let mut over: Vec<_> = over.map(|(bits, (hits, _))| (source(*bits), *hits)).collect();
    over.sort_by_key(|(source, hits)| (std::cmp::Reverse(hits.count), *source));
    over
}

/// Reads all blocks; one alone needs no thread.
fn read_alone(
    blocks: &mut Blocks,
    reading: &mut Reading<'_>,
    counting: &mut Counting,
    progress: &mut Progress,
) -> Result<(), Failed> {
    loop {
        blocks.fill(&mut reading.block, BLOCK)?;
        if reading.block.is_empty() {
            return Ok(());
        }
        reading.read();
        counting.add_block(&reading.hits[0]);
        progress.show(reading.found.lines);
    }
}

impl<'w> Reading<'w> {
    fn new(wanted: &'w Wanted, now: i64, countings: usize) -> Self {
        Self {
            wanted,
            stamps: Stamps::at_beginning(TimeZone::system()),
            now,
            block: Vec::new(),
            hits: vec![Vec::new(); countings],
            found: Found::default(),
        }
    }

    fn read(&mut self) {
        let countings = self.hits.len();
        self.hits.iter_mut().for_each(Vec::clear);
        let lines = self.block.strip_suffix(b"\n").unwrap_or(&self.block);
        if self.block.is_empty() {
            return;
        }
        let mut rest = Some(lines);
        while let Some(text) = rest {
            let end = memchr::memchr(b'\n', text);
            let line = &text[..end.unwrap_or(text.len())];
            rest = end.map(|end| &text[end + 1..]);
            self.found.lines += 1;
            let Some(packet) = read_line(line).filter(|packet| self.wanted.wants(packet)) else {
                continue;
            };
            self.found.matched += 1;
            let Some(at) = self.stamps.time_of(line, self.now) else {
                self.found.undated += 1;
                continue;
            };
            self.hits[part_of(packet.source, countings)].push((packet.source, at));
        }
    }
}

/// Returns which counting a source belongs to.
fn part_of(source: IpAddr, countings: usize) -> usize {
    let bits = match source {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    };
    // The parts of a prefix are spread (Fibonacci hashing).
    (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % countings
}

impl Wanted {
    fn wants(&self, packet: &LoggedPacket<'_>) -> bool {
        let is_of_kind = match self.kind {
            PacketType::Any => true,
            PacketType::Tcp => packet.protocol() == "TCP",
            PacketType::Udp => packet.protocol() == "UDP",
            PacketType::Icmp => matches!(packet.protocol(), "ICMP" | "ICMPv6"),
        };
        is_of_kind && self.is_of_rule(packet)
    }

    fn is_of_rule(&self, packet: &LoggedPacket<'_>) -> bool {
        if let Some(at) = TABLES.rfind(packet.before()) {
            let word = packet.before()[at + TABLES_DASH.len()..].trim_ascii_end();
            return word.strip_suffix(b":").unwrap_or(word) == self.rule.as_bytes();
        }
        let prefix = packet.prefix().to_ascii_uppercase();
        memmem::find(&prefix, self.rule.as_bytes()).is_some()
    }
}

impl Counting {
    pub(super) fn new(wanted: &Wanted, most: usize) -> Self {
        Self {
            howmany: usize::try_from(wanted.howmany).unwrap_or(usize::MAX),
            within: wanted.within,
            most,
            sources: HashMap::default(),
            others: Window::new(wanted.howmany, wanted.within),
        }
    }

    /// Returns how many sources were counted.
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Counts the packets of a block.
    fn add_block(&mut self, hits: &[Hit]) {
        hits.chunks(TOGETHER).for_each(|some| self.add_all(some));
    }

    /// Counts some packets.
    fn add_all(&mut self, hits: &[Hit]) {
        // What counts one waits for the memory that it is in, and what is behind it waits too: looks
        // that change nothing wait for all of them together.
        for (source, _) in hits {
            let known = self.sources.get(&bits_of(*source));
            std::hint::black_box(known.map(|(hits, _)| hits.count));
        }
        for (source, at) in hits {
            self.add(*source, *at);
        }
    }

    /// Counts a packet.
    pub(super) fn add(&mut self, source: IpAddr, at: i64) {
        let moment = Timestamp::from_secs(u64::try_from(at).unwrap_or(0));
        let bits = bits_of(source);
        let new = Hits { count: 0, first: at, last: at, is_over: false };
        let is_full = self.sources.len() >= self.most && !self.sources.contains_key(&bits);
        if is_full {
            if self.others.hit(source, moment) {
                let hits = Hits { count: self.howmany as u64, is_over: true, ..new };
                self.sources.insert(bits, (hits, Times::default()));
            }
            return;
        }
        let (hits, times) = self.sources.entry(bits).or_insert((new, Times::default()));
        hits.count += 1;
        (hits.first, hits.last) = (hits.first.min(at), hits.last.max(at));
        hits.is_over |= times.hit(moment, self.howmany, self.within);
    }
}

/// Returns an address as sources are known by it.
fn bits_of(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, host: u32) -> String {
        format!(
            "2026-11-20T10:00:{second:02} h kernel: IPTABLES-BLOCKED: IN=e OUT= SRC=10.0.{}.{} DST=10.1.0.1 LEN=60 \
             TTL=64 PROTO=TCP SPT=1 DPT=2 \n",
            host >> 8,
            host & 255
        )
    }

    fn scanned(text: &str, threads: usize) -> Found {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let wanted = Wanted {
            rule: "BLOCKED".into(),
            kind: PacketType::Tcp,
            howmany: 30,
            within: Duration::from_secs(42),
        };
        scan(file.path(), &wanted, threads, &mut Progress::default()).unwrap()
    }

    #[test]
    fn more_threads_find_the_same() {
        let each = |number: u32| line(number / 700, number.wrapping_mul(2_654_435_761) >> 22);
        let text: String = (0..40_000).map(each).collect();
        let one = scanned(&text, 1);
        assert_eq!((one.lines, one.matched, one.sources), (40_000, 40_000, 1_024));
        assert!(!one.over.is_empty() && one.over.len() < 1_024, "{}", one.over.len());
        for threads in 2..6 {
            assert_eq!(scanned(&text, threads), one);
        }
    }

    #[test]
    fn more_threads_than_blocks_end() {
        for text in [String::new(), line(1, 1), [line(1, 1), line(1, 2)].concat()] {
            let one = scanned(&text, 1);
            assert_eq!(usize::try_from(one.lines).unwrap(), text.lines().count());
            for threads in 2..6 {
                assert_eq!(scanned(&text, threads), one);
            }
        }
    }
}
