//! Reads a block of the ring: some frames with the kernel's word on each. The frames' bytes come from
//! strangers, and no length or offset is believed before it is checked: fuzzed.

use std::{mem::offset_of, time::Duration};

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket3_hdr};

/// Where a block says whose it is (`block_status` of `linux/if_packet.h`).
pub(super) const STATUS: usize = HEAD + offset_of!(tpacket_hdr_v1, block_status);

/// Where a block's own header stands, and in it the count of frames and the first one's place.
const HEAD: usize = offset_of!(tpacket_block_desc, hdr);
const COUNT: usize = HEAD + offset_of!(tpacket_hdr_v1, num_pkts);
const FIRST: usize = HEAD + offset_of!(tpacket_hdr_v1, offset_to_first_pkt);

/// Where a frame's header has the way to the next one, the time, the length that was kept, and the
/// place of the bytes.
const NEXT: usize = offset_of!(tpacket3_hdr, tp_next_offset);
const SECONDS: usize = offset_of!(tpacket3_hdr, tp_sec);
const NANOSECONDS: usize = offset_of!(tpacket3_hdr, tp_nsec);
const KEPT: usize = offset_of!(tpacket3_hdr, tp_snaplen);
const BYTES: usize = offset_of!(tpacket3_hdr, tp_mac);

/// Where the address of the link stands behind a frame's header (`TPACKET_ALIGN` of its length), and
/// in it the type of what is carried and the direction.
const LINK: usize = size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
const KIND: usize = LINK + offset_of!(sockaddr_ll, sll_protocol);
const DIRECTION: usize = LINK + offset_of!(sockaddr_ll, sll_pkttype);

/// The direction of what goes out (`PACKET_OUTGOING` of `linux/if_packet.h`).
const OUTGOING: u8 = 4;

/// A frame as it lies in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the kernel saw it, by the wall clock, since 1970.
    pub at: Duration,
    /// Whether this host sent it.
    pub is_outgoing: bool,
    /// The type of what it carries, as Ethernet numbers it (`ETH_P_*` of `linux/if_ether.h`).
    pub kind: u16,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
}

/// Returns the frames of a block. A frame that does not lie wholly within the block ends them.
pub fn frames(block: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let count = long(block, COUNT).unwrap_or(0);
    let mut at = long(block, FIRST).map(|first| first as usize);
    (0..count).map_while(move |_| {
        let header = block.get(at?..)?;
        let frame = frame(header)?;
        // The last one has no way on.
        let next = long(header, NEXT).filter(|next| *next > 0);
        at = next.and_then(|next| at?.checked_add(next as usize));
        Some(frame)
    })
}

/// Reads the frame whose header these bytes begin with.
fn frame(header: &[u8]) -> Option<Frame<'_>> {
    let begin = usize::from(u16::from_ne_bytes(*header.get(BYTES..)?.first_chunk()?));
    let end = begin.checked_add(long(header, KEPT)? as usize)?;
    let seconds = Duration::from_secs(long(header, SECONDS)?.into());
    Some(Frame {
        at: seconds + Duration::from_nanos(long(header, NANOSECONDS)?.into()),
        is_outgoing: *header.get(DIRECTION)? == OUTGOING,
        kind: u16::from_be_bytes(*header.get(KIND..)?.first_chunk()?),
        bytes: header.get(begin..end)?,
    })
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where the bytes of a frame stand here: behind its header and the link's address.
    const HERE: usize = 80;

    fn put(block: &mut [u8], at: usize, number: u32) {
        block[at..at + 4].copy_from_slice(&number.to_ne_bytes());
    }

    /// Returns a block as the kernel lays it out, with a frame of each of these contents.
    fn block(contents: &[&[u8]]) -> Vec<u8> {
        let mut block = vec![0; 48];
        put(&mut block, COUNT, u32::try_from(contents.len()).unwrap());
        put(&mut block, FIRST, 48);
        for (number, content) in (0..).zip(contents) {
            let mut frame = vec![0; HERE];
            frame.extend_from_slice(content);
            frame.resize(frame.len().next_multiple_of(16), 0);
            let is_last = number as usize + 1 == contents.len();
            let next = if is_last { 0 } else { u32::try_from(frame.len()).unwrap() };
            put(&mut frame, NEXT, next);
            put(&mut frame, SECONDS, 1_795_176_000 + number);
            put(&mut frame, NANOSECONDS, 5);
            put(&mut frame, KEPT, u32::try_from(content.len()).unwrap());
            frame[BYTES] = u8::try_from(HERE).unwrap();
            frame[KIND..KIND + 2].copy_from_slice(&[0x86, 0xdd]);
            frame[DIRECTION] = if number % 2 == 1 { OUTGOING } else { 0 };
            block.extend(frame);
        }
        block
    }

    #[test]
    fn places_are_those_of_the_kernels_header() {
        assert_eq!((STATUS, COUNT, FIRST), (8, 12, 16));
        assert_eq!((NEXT, SECONDS, NANOSECONDS, KEPT, BYTES), (0, 4, 8, 12, 24));
        assert_eq!((LINK, KIND, DIRECTION), (48, 50, 58));
    }

    #[test]
    fn the_frames_of_a_block_are_read_in_their_order() {
        let block = block(&[b"one", b"", b"three"]);
        let read: Vec<Frame<'_>> = frames(&block).collect();
        assert_eq!(
            read.iter().map(|one| one.bytes).collect::<Vec<_>>(),
            [&b"one"[..], b"", b"three"]
        );
        assert_eq!(
            read.iter().map(|one| one.is_outgoing).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!(read[1].at, Duration::new(1_795_176_001, 5));
        assert_eq!(read[1].kind, 0x86dd);
    }

    #[test]
    fn what_does_not_lie_within_the_block_ends_it() {
        let whole = block(&[b"one", b"two"]);
        let mut long = whole.clone();
        put(&mut long, 48 + KEPT, u32::MAX);
        assert_eq!(frames(&long).count(), 0);
        let mut far = whole.clone();
        put(&mut far, FIRST, u32::MAX);
        assert_eq!(frames(&far).count(), 0);
        let mut endless = whole.clone();
        put(&mut endless, COUNT, u32::MAX);
        assert_eq!(frames(&endless).count(), 2);
        let mut looping = whole;
        put(&mut looping, COUNT, u32::MAX);
        put(&mut looping, 48 + NEXT, 0);
        assert_eq!(frames(&looping).count(), 1);
        assert_eq!(frames(&[]).count(), 0);
    }

    proptest! {
        #[test]
        fn a_block_cut_off_anywhere_gives_its_first_frames(cut in 0..400_usize) {
            let contents: Vec<Vec<u8>> = (1..4).map(|number| vec![number; 20]).collect();
            let whole = block(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let read: Vec<&[u8]> = frames(&whole[..cut.min(whole.len())]).map(|one| one.bytes).collect();
            prop_assert!(contents.iter().zip(&read).all(|(content, read)| content == read));
            prop_assert!(read.len() <= contents.len());
        }

        #[test]
        fn no_bytes_make_it_panic_or_read_elsewhere(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            count in 0..9_u32,
            first in 0..600_u32,
        ) {
            let mut bytes = bytes;
            if bytes.len() >= 48 {
                put(&mut bytes, COUNT, count);
                put(&mut bytes, FIRST, first);
            }
            for frame in frames(&bytes) {
                prop_assert!(frame.bytes.len() <= bytes.len());
            }
        }
    }
}
