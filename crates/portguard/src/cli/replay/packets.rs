//! Packets: from captures, and from the lines that the kernel's packet filter logs.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;
use portguard_core::{Fact, Packet, Timestamp};
use portguard_read::{
    Capture,
    capture::{Frame, is_capture},
    netfilter::read_line,
    stamp::Stamps,
};

use crate::{
    anomaly::{PacketEye, packet},
    cli::lines::{Lines, Part, Progress},
    config::AnomalyPlan,
    exit::{Failed, Turn},
};

/// After the last packet time goes on for so long: what may still be found then is found.
const AFTER_THE_LAST: Duration = Duration::from_secs(3_600);

/// How much of a text is looked at to tell whether it has packets in it, in lines.
const LOOKED_AT: usize = 1_000;

/// Files with packets, each with what is in it, in the order in which they are read.
pub(super) type Queue = VecDeque<(PathBuf, Kind)>;

/// Files with packets, one after the other as one stream.
pub(super) struct Packets {
    seeing: Seeing,
    files: Queue,
    source: Option<Source>,
    stamps: Stamps,
    is_settled: bool,
    pub(super) read: u64,
    /// Frames without a packet of IP, and kinds of frames that are not known.
    pub(super) passed_over: u64,
    pub(super) troubles: Vec<String>,
}

/// The detectors, and how far the packets came.
struct Seeing {
    eye: PacketEye,
    last: Timestamp,
}

enum Source {
    Capture(Opened),
    Lines(Lines),
}

/// A capture that is being read.
struct Opened {
    path: PathBuf,
    /// How many bytes it has, if that can be known.
    size: Option<u64>,
    capture: Box<Capture<'static>>,
}

impl Packets {
    pub(super) fn new(plan: AnomalyPlan, files: Queue) -> Self {
        Self {
            // The same in gives the same out.
            seeing: Seeing { eye: PacketEye::new(Arc::new(plan), 0), last: Timestamp::default() },
            files,
            source: None,
            stamps: Stamps::at_beginning(TimeZone::system()),
            is_settled: false,
            read: 0,
            passed_over: 0,
            troubles: Vec::new(),
        }
    }

    /// Reads on until something is found, or there is nothing left.
    pub(super) fn fill(
        &mut self,
        found: &mut VecDeque<(Timestamp, Fact)>,
        now: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let Self { seeing, stamps, read, passed_over, troubles, .. } = self;
        while found.is_empty() {
            let Some(source) = &mut self.source else {
                let Some((path, kind)) = self.files.pop_front() else {
                    if !self.is_settled {
                        self.is_settled = true;
                        seeing.settle(found);
                    }
                    return Ok(());
                };
                self.source = Some(open(&path, kind)?);
                continue;
            };
            let more = match source {
                Source::Capture(Opened { path, size, capture }) => {
                    let mut hand = |frame: Frame<'_>| {
                        *read += 1;
                        let bytes = frame.link.packet(frame.bytes);
                        match bytes.and_then(|bytes| packet(bytes, frame.at)) {
                            Some(packet) => seeing.take(&packet, found),
                            None => *passed_over += 1,
                        }
                    };
                    let more = capture.next(&mut hand).unwrap_or_else(|why| {
                        troubles.push(format!("{}: {why}", path.display()));
                        false
                    });
                    let at = capture.position();
                    if !more && capture.is_cut_off() {
                        troubles.push(format!("{}: it is cut off at byte {at}", path.display()));
                    }
                    progress.show_part(*read, Part { read: at, of: *size });
                    more
                }
                Source::Lines(lines) => {
                    let line = lines.next()?;
                    let packet = line.and_then(|line| packet_of(line, stamps, now));
                    if let Some(packet) = packet {
                        *read += 1;
                        seeing.take(&packet, found);
                    }
                    let is_line = line.is_some();
                    progress.show(*read);
                    is_line
                }
            };
            if !more {
                self.source = None;
            }
        }
        Ok(())
    }
}

impl Seeing {
    fn take(&mut self, packet: &Packet, found: &mut VecDeque<(Timestamp, Fact)>) {
        self.last = self.last.max(packet.at);
        found.extend(self.eye.see(packet));
    }

    /// Goes on after the last packet.
    fn settle(&mut self, found: &mut VecDeque<(Timestamp, Fact)>) {
        found.extend(self.eye.settle(self.last.plus(AFTER_THE_LAST)));
    }
}

fn packet_of(line: &[u8], stamps: &mut Stamps, now: Timestamp) -> Option<Packet> {
    let logged = read_line(line)?;
    let seconds = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
    let at = stamps.time_of(line, seconds).and_then(|at| u64::try_from(at).ok());
    logged.packet(at.map_or(now, Timestamp::from_secs))
}

/// Returns those of the files that have packets in them: captures, and logs of packets. Standard
/// input can be looked at once only; it is taken for a capture if it is one.
pub(super) fn with_packets(files: &[PathBuf]) -> Result<(Queue, Vec<PathBuf>), Failed> {
    let (mut captures, mut texts) = (VecDeque::new(), Vec::new());
    for path in files {
        let kind = kind_of(path)?;
        if kind != Kind::Text {
            captures.push_back((path.clone(), kind));
        }
        if kind != Kind::Capture {
            texts.push(path.clone());
        }
    }
    Ok((captures, texts))
}

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Capture,
    /// A text with lines about packets.
    Logged,
    Text,
}

fn kind_of(path: &Path) -> Result<Kind, Failed> {
    let unreadable = |why: &io::Error| unreadable(path, why);
    if path == Path::new("-") {
        let mut stdin = io::stdin().lock();
        let beginning = stdin.fill_buf().map_err(|why| unreadable(&why))?;
        return Ok(if is_capture(beginning) { Kind::Capture } else { Kind::Text });
    }
    let metadata = std::fs::metadata(path).map_err(|why| unreadable(&why))?;
    if !metadata.is_file() {
        // Who opens it says what is wrong.
        return Ok(Kind::Text);
    }
    let mut beginning = [0; 4];
    let mut file = File::open(path).map_err(|why| unreadable(&why))?;
    if file.read(&mut beginning).map_err(|why| unreadable(&why))? == 4 && is_capture(&beginning) {
        return Ok(Kind::Capture);
    }
    let mut lines = Lines::open(path)?;
    for _ in 0..LOOKED_AT {
        match lines.next()? {
            Some(line) if read_line(line).is_some() => return Ok(Kind::Logged),
            Some(_) => {}
            None => break,
        }
    }
    Ok(Kind::Text)
}

fn open(path: &Path, kind: Kind) -> Result<Source, Failed> {
    if kind != Kind::Capture {
        return Ok(Source::Lines(Lines::open(path)?));
    }
    let (bytes, size): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(|why| unreadable(path, &why))?;
        let size = file.metadata().map_err(|why| unreadable(path, &why))?.len();
        (Box::new(BufReader::new(file)), Some(size))
    };
    let capture = Capture::new(bytes);
    let capture = capture.map_err(|why| {
        Failed::new(Turn::Usage, format!("cannot read {}: {why}", path.display()))
    })?;
    Ok(Source::Capture(Opened { path: path.to_owned(), size, capture: Box::new(capture) }))
}

fn unreadable(path: &Path, why: &io::Error) -> Failed {
    Failed::new(Turn::Usage, format!("cannot read {}: {why}", path.display()))
}
