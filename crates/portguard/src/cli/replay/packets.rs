//! Packets: from captures, and from the lines that the kernel's packet filter logs.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::tz::TimeZone;
use portguard_core::{Anomalies, Suspicion, Timestamp, anomaly::Outcome};
use portguard_read::{
    Capture,
    capture::{Frame, is_capture},
    headers::read_headers,
    netfilter::read_line,
    stamp::Stamps,
};

use crate::{
    anomaly::told,
    cli::lines::Lines,
    config::AnomalyPlan,
    exit::{Failed, Turn},
};

use super::Seen;

/// After the last packet time goes on for so long: what may still be found then is found.
const AFTER_THE_LAST: Duration = Duration::from_secs(3_600);

/// How much of a text is looked at to tell whether it has packets in it, in lines.
const LOOKED_AT: usize = 1_000;

/// Files with packets, one after the other as one stream.
pub(super) struct Packets {
    plan: AnomalyPlan,
    anomalies: Anomalies,
    files: VecDeque<PathBuf>,
    source: Option<Source>,
    stamps: Stamps,
    last: Timestamp,
    is_settled: bool,
    pub(super) read: u64,
    /// Frames without a packet of IP, and kinds of frames that are not known.
    pub(super) passed_over: u64,
    pub(super) troubles: Vec<String>,
}

enum Source {
    Capture(PathBuf, Box<Capture<'static>>),
    Lines(Lines),
}

impl Packets {
    pub(super) fn new(plan: AnomalyPlan, files: VecDeque<PathBuf>) -> Self {
        Self {
            // The same in gives the same out.
            anomalies: Anomalies::new(plan.limits.clone(), 0),
            plan,
            files,
            source: None,
            stamps: Stamps::at_beginning(TimeZone::system()),
            last: Timestamp::default(),
            is_settled: false,
            read: 0,
            passed_over: 0,
            troubles: Vec::new(),
        }
    }

    /// Reads on until something is found, or there is nothing left.
    pub(super) fn fill(
        &mut self,
        found: &mut VecDeque<(Timestamp, Seen)>,
        now: Timestamp,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failed> {
        let Self { plan, anomalies, stamps, last, read, passed_over, troubles, .. } = self;
        let mut take = |suspicion: Suspicion| {
            let (at, grade) = (suspicion.at, suspicion.grade());
            found.push_back((at, Seen::Fact(told(plan, suspicion, grade))));
        };
        let mut any = false;
        while !any {
            let Some(source) = &mut self.source else {
                let Some(path) = self.files.pop_front() else {
                    if !self.is_settled {
                        self.is_settled = true;
                        anomalies.settle(last.plus(AFTER_THE_LAST)).for_each(take);
                    }
                    return Ok(());
                };
                self.source = Some(open(&path)?);
                continue;
            };
            let more = match source {
                Source::Capture(path, capture) => {
                    let mut hand = |frame: Frame<'_>| {
                        *read += 1;
                        let headers = frame.link.packet(frame.bytes).and_then(read_headers);
                        let Some(headers) = headers else {
                            *passed_over += 1;
                            return;
                        };
                        *last = (*last).max(frame.at);
                        let packet = headers.packet(frame.at, Outcome::Unknown);
                        for suspicion in anomalies.see(&packet) {
                            any = true;
                            take(suspicion);
                        }
                    };
                    let more = capture.next(&mut hand).unwrap_or_else(|why| {
                        troubles.push(format!("{}: {why}", path.display()));
                        false
                    });
                    if !more && capture.is_cut_off() {
                        let at = capture.position();
                        troubles.push(format!("{}: it is cut off at byte {at}", path.display()));
                    }
                    more
                }
                Source::Lines(lines) => {
                    let line = lines.next()?;
                    let packet = line.and_then(|line| packet_of(line, stamps, now));
                    if let Some(packet) = packet {
                        *read += 1;
                        *last = (*last).max(packet.at);
                        for suspicion in anomalies.see(&packet) {
                            any = true;
                            take(suspicion);
                        }
                    }
                    line.is_some()
                }
            };
            if !more {
                self.source = None;
            }
            progress(*read);
        }
        Ok(())
    }
}

fn packet_of(line: &[u8], stamps: &mut Stamps, now: Timestamp) -> Option<portguard_core::Packet> {
    let logged = read_line(line)?;
    let seconds = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
    let at = stamps.time_of(line, seconds).and_then(|at| u64::try_from(at).ok());
    logged.packet(at.map_or(now, Timestamp::from_secs))
}

/// Returns those of the files that have packets in them: captures, and logs of packets. Standard
/// input can be looked at once only; it is taken for a capture if it is one.
pub(super) fn with_packets(files: &[PathBuf]) -> Result<(VecDeque<PathBuf>, Vec<PathBuf>), Failed> {
    let (mut captures, mut texts) = (VecDeque::new(), Vec::new());
    for path in files {
        let kind = kind_of(path)?;
        if kind != Kind::Text {
            captures.push_back(path.clone());
        }
        if kind != Kind::Capture {
            texts.push(path.clone());
        }
    }
    Ok((captures, texts))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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

fn open(path: &Path) -> Result<Source, Failed> {
    if kind_of(path)? != Kind::Capture {
        return Ok(Source::Lines(Lines::open(path)?));
    }
    let bytes: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|why| unreadable(path, &why))?))
    };
    let capture = Capture::new(bytes);
    let capture = capture.map_err(|why| {
        Failed::new(Turn::Usage, format!("cannot read {}: {why}", path.display()))
    })?;
    Ok(Source::Capture(path.to_owned(), Box::new(capture)))
}

fn unreadable(path: &Path, why: &io::Error) -> Failed {
    Failed::new(Turn::Usage, format!("cannot read {}: {why}", path.display()))
}
