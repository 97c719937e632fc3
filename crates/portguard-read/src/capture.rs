//! Reads captures of packets, pcap and pcapng, as a stream. Untrusted bytes: fuzzed.

use std::io::{self, Read};

use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader, traits::PcapReaderIterator};
use portguard_core::Timestamp;

use crate::link::Link;

/// How much is read at a time, in bytes.
const AT_A_TIME: usize = 256 << 10;

/// The largest block that is read: a frame that segmentation was left to hardware for has 64 KiB,
/// and notes between the frames may be longer.
const LARGEST: usize = 64 << 20;

/// Most interfaces of one section that are told apart.
const MOST_INTERFACES: usize = 65_536;

/// What captures begin with: pcap with micro- and nanoseconds in either order of bytes, its modified
/// form, and pcapng.
const BEGINNINGS: [[u8; 4]; 7] = [
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
    [0x34, 0xcd, 0xb2, 0xa1],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// Returns whether a file that begins so is a capture.
pub fn is_capture(beginning: &[u8]) -> bool {
    BEGINNINGS.iter().any(|known| beginning.starts_with(known))
}

/// A capture.
pub struct Capture<'r> {
    reader: Box<dyn PcapReaderIterator + Send + 'r>,
    interfaces: Vec<Interface>,
    /// The time of the last frame, for those that have none.
    last: Timestamp,
    is_cut_off: bool,
}

/// A frame of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    /// When it was captured.
    pub at: Timestamp,
    /// How it is wrapped.
    pub link: Link,
    /// What was captured of it.
    pub bytes: &'b [u8],
}

/// Why a capture can not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It is none.
    #[error("it is no capture in the format pcap or pcapng")]
    NoCapture,
    /// What stands there makes no sense.
    #[error("it is damaged at byte {at}: {why}")]
    Damaged {
        /// Where.
        at: u64,
        /// What is wrong there.
        why: String,
    },
    /// It can not be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// An interface that frames were captured from.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Link,
    /// Units of its times in a second.
    resolution: u64,
    /// What is added to its times, in seconds.
    offset: i64,
    /// What is captured of a frame at most.
    most: u32,
}

/// Reads on until there is what was asked for, or nothing left.
struct Filling<R>(R);

impl<R: Read> Read for Filling<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < room.len() {
            match self.0.read(&mut room[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(filled)
    }
}

impl<'r> Capture<'r> {
    /// Begins to read a capture.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(bytes: impl Read + Send + 'r) -> Result<Self, CaptureError> {
        let reader = create_reader(AT_A_TIME, Filling(bytes)).map_err(|error| match error {
            PcapError::ReadError => {
                CaptureError::Unreadable(io::Error::other("it can not be read"))
            }
            _ => CaptureError::NoCapture,
        })?;
        Ok(Self { reader, interfaces: Vec::new(), last: Timestamp::default(), is_cut_off: false })
    }

    /// Hands the next frame over, and returns whether there may be more: notes between the frames
    /// are passed over.
    ///
    /// # Errors
    /// When it is damaged; what follows is lost then.
    pub fn next(&mut self, hand: &mut dyn FnMut(Frame<'_>)) -> Result<bool, CaptureError> {
        let at = self.reader.consumed() as u64;
        let damaged = |why: String| CaptureError::Damaged { at, why };
        let length = match self.reader.next() {
            Ok((length, block)) => {
                let interfaces = &mut self.interfaces;
                if let Some(frame) = frame(&block, interfaces, self.last) {
                    self.last = frame.at;
                    hand(frame);
                }
                length
            }
            Err(PcapError::Eof) => return Ok(false),
            Err(PcapError::UnexpectedEof) => {
                self.is_cut_off = true;
                return Ok(false);
            }
            Err(PcapError::Incomplete(_)) => {
                let before = self.reader.data().len();
                let filled = self.reader.refill().map_err(|why| format!("{why:?}"));
                filled.map_err(damaged)?;
                // Nothing more comes, and what is there is no whole block.
                if self.reader.reader_exhausted() && self.reader.data().len() == before {
                    self.is_cut_off = before > 0;
                    return Ok(false);
                }
                return Ok(true);
            }
            Err(PcapError::BufferTooSmall) => {
                let more = (self.reader.data().len() + AT_A_TIME).next_power_of_two();
                if more > LARGEST || !self.reader.grow(more) {
                    return Err(damaged(format!("a block of more than {} MiB", LARGEST >> 20)));
                }
                let filled = self.reader.refill().map_err(|why| format!("{why:?}"));
                filled.map_err(damaged)?;
                return Ok(true);
            }
            Err(error) => return Err(damaged(words(&error))),
        };
        self.reader.consume(length);
        Ok(true)
    }

    /// Returns whether the last frame was cut off.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// Returns how many bytes were read.
    pub fn position(&self) -> u64 {
        self.reader.consumed() as u64
    }
}

/// Returns the frame in a block, or takes note of what it says of the next.
fn frame<'b>(
    block: &PcapBlockOwned<'b>,
    interfaces: &mut Vec<Interface>,
    last: Timestamp,
) -> Option<Frame<'b>> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let resolution =
                if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            let link = link_of(header.network.0);
            *interfaces = vec![Interface { link, resolution, offset: 0, most: u32::MAX }];
            None
        }
        PcapBlockOwned::Legacy(block) => {
            let interface = interfaces.first()?;
            let within = u64::from(block.ts_usec) * 1_000 / interface.resolution;
            let at = Timestamp::from_millis(u64::from(block.ts_sec) * 1_000 + within);
            Some(Frame { at, link: interface.link, bytes: block.data })
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(one)) => {
            if interfaces.len() < MOST_INTERFACES {
                interfaces.push(Interface {
                    link: link_of(one.linktype.0),
                    resolution: one.ts_resolution().unwrap_or(1_000_000).max(1),
                    offset: one.ts_offset(),
                    most: if one.snaplen == 0 { u32::MAX } else { one.snaplen },
                });
            }
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let interface = interfaces.get(block.if_id as usize)?;
            let units = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
            Some(Frame {
                at: interface.time(units),
                link: interface.link,
                bytes: block.data.get(..block.caplen as usize).unwrap_or(block.data),
            })
        }
        PcapBlockOwned::NG(Block::SimplePacket(block)) => {
            let interface = interfaces.first()?;
            let length = block.origlen.min(interface.most) as usize;
            let bytes = block.data.get(..length).unwrap_or(block.data);
            Some(Frame { at: last, link: interface.link, bytes })
        }
        PcapBlockOwned::NG(_) => None,
    }
}

impl Interface {
    fn time(&self, units: u64) -> Timestamp {
        let seconds = (units / self.resolution).saturating_add_signed(self.offset);
        let rest = u128::from(units % self.resolution) * 1_000 / u128::from(self.resolution);
        let rest = u64::try_from(rest).unwrap_or_default();
        Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(rest))
    }
}

fn link_of(number: i32) -> Link {
    // Above the lowest 16 bits it says how checksums of frames are kept.
    Link(number.cast_unsigned() & 0xffff)
}

fn words(error: &PcapError<&[u8]>) -> String {
    match error {
        PcapError::NomError(_, kind) | PcapError::OwnedNomError(_, kind) => {
            format!("no block as the format has them ({kind:?})").to_lowercase()
        }
        other => format!("{other}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A capture in pcap's format with one frame for each text.
    fn pcap(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        bytes.extend([0; 8]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(101_u32.to_le_bytes());
        for (second, frame) in (1_000_u32..).zip(frames) {
            let length = u32::try_from(frame.len()).unwrap();
            for number in [second, 500_000, length, length] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(*frame);
        }
        bytes
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = u32::try_from(12 + body.len() + padding.len()).unwrap().to_le_bytes();
        [&kind.to_le_bytes(), &length[..], body, &padding, &length].concat()
    }

    fn words_of(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// The same in pcapng's format, with times in milliseconds and one frame without a time.
    fn pcapng() -> Vec<u8> {
        let section = words_of(&[0x1a2b_3c4d, 0x0000_0001, u32::MAX, u32::MAX]);
        // if_tsresol: 10^-3.
        let interface = [&words_of(&[1, 0])[..], &[9, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0]].concat();
        let packet = [&words_of(&[0, 0, 5_500, 3, 3])[..], b"abc"].concat();
        let simple = [&words_of(&[2])[..], b"de"].concat();
        let unknown = block(0x0bad, b"whatever");
        [
            block(0x0a0d_0d0a, &section),
            block(1, &interface),
            unknown,
            block(6, &packet),
            block(3, &simple),
        ]
        .concat()
    }

    /// The time, link and bytes of each frame, and whether the last was cut off.
    type Read = (Vec<(u64, u32, Vec<u8>)>, bool);

    fn read(bytes: &[u8]) -> Result<Read, CaptureError> {
        let mut capture = Capture::new(bytes)?;
        let mut frames = Vec::new();
        let mut take = |frame: Frame<'_>| {
            frames.push((frame.at.as_millis(), frame.link.0, frame.bytes.to_vec()));
        };
        while capture.next(&mut take)? {}
        Ok((frames, capture.is_cut_off()))
    }

    #[test]
    fn frames_come_with_their_times() {
        let (frames, is_cut_off) = read(&pcap(&[b"one", b""])).unwrap();
        let expected = [(1_000_500, 101, b"one".to_vec()), (1_001_500, 101, Vec::new())];
        assert_eq!((frames, is_cut_off), (expected.to_vec(), false));
        let (frames, is_cut_off) = read(&pcapng()).unwrap();
        let expected = [(5_500, 1, b"abc".to_vec()), (5_500, 1, b"de".to_vec())];
        assert_eq!((frames, is_cut_off), (expected.to_vec(), false));
        assert!(is_capture(&pcap(&[])) && is_capture(&pcapng()) && !is_capture(b"Nov 20"));
    }

    #[test]
    fn what_is_cut_off_gives_what_it_has() {
        let whole = pcap(&[b"one", b"two"]);
        for length in whole.len() - 18..whole.len() {
            let (frames, is_cut_off) = read(&whole[..length]).unwrap();
            assert_eq!((frames.len(), is_cut_off), (1, true), "{length}");
        }
        assert!(matches!(read(&whole[..10]), Err(CaptureError::NoCapture)));
        assert!(matches!(read(b""), Err(CaptureError::NoCapture)));
    }

    #[test]
    fn jumbo_frames_are_read_and_impossible_ones_are_told() {
        let jumbo = vec![7; 3 << 20];
        let (frames, _) = read(&pcap(&[&jumbo, b"next"])).unwrap();
        assert_eq!((frames[0].2.len(), frames.len()), (3 << 20, 2));
        let mut bytes = pcap(&[b"one", &vec![7; 400]]);
        bytes[24 + 8..24 + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        bytes.resize(70 << 20, 0);
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.starts_with("it is damaged at byte 24"), "{error}");
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0..200_usize, value: u8, is_ng: bool) {
            let mut bytes = if is_ng { pcapng() } else { pcap(&[b"one", b"two"]) };
            let at = at % bytes.len();
            bytes[at] = value;
            // Whatever it reads is right; that it comes to an end is the law.
            let _ = read(&bytes);
        }
    }
}
